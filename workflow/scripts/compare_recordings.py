from pathlib import Path

from react24.media.repeated import compare_recordings
from react24.workflow.job import start_job

start_job(snakemake)
compare_recordings(
    snakemake.input.media,
    Path(snakemake.output.repeated),
    splits=snakemake.params.splits,
)
