from pathlib import Path

from react24.log import start_logging
from react24.media import whereabouts
from react24.media.repeated import compare_recordings

start_logging(snakemake.log[0])
for session, files in snakemake.params.where.items():
    whereabouts.declare(session, files)
compare_recordings(
    snakemake.input.media,
    Path(snakemake.output.repeated),
    splits=snakemake.params.splits,
)
