from pathlib import Path

from react24.extractors.neutral_file import find_subject_neutral
from react24.log import start_logging

start_logging(snakemake.log[0])
find_subject_neutral(
    snakemake.wildcards.subject,
    [Path(path) for path in snakemake.input.faces],
    Path(snakemake.output.neutral),
    settings=snakemake.params.settings,
)
