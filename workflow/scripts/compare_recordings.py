from pathlib import Path

from react24.log import start_logging
from react24.media.repeated import compare_recordings

start_logging(snakemake.log[0])
compare_recordings(
    snakemake.input.media,
    Path(snakemake.output.repeated),
    splits=snakemake.params.splits,
)
