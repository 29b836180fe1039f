from pathlib import Path

from react24.media import whereabouts
from react24.media.repeated import compare_recordings
from react24.workflow.job import start_job

start_job(snakemake)
for session, files in snakemake.params.where.items():
    whereabouts.declare(session, files)
compare_recordings(
    snakemake.input.media,
    Path(snakemake.output.repeated),
    splits=snakemake.params.splits,
)
