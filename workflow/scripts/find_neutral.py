from pathlib import Path

from react24.streams.neutral import find_subject_neutral
from react24.workflow.job import start_job

start_job(snakemake)
find_subject_neutral(
    snakemake.wildcards.subject,
    [Path(path) for path in snakemake.input.faces],
    Path(snakemake.output.neutral),
    settings=snakemake.params.settings,
)
