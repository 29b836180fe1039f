from pathlib import Path

from react24.log import start_logging
from react24.streams.neutral import find_subject_neutral

start_logging(snakemake.log[0])
find_subject_neutral(
    snakemake.wildcards.subject,
    [Path(path) for path in snakemake.input.faces],
    Path(snakemake.output.neutral),
    settings=snakemake.params.settings,
)
