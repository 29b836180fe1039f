from pathlib import Path

from react24.clips.normalize import zscore_session
from react24.workflow.job import start_job

start_job(snakemake)
zscore_session(Path(snakemake.input.features), Path(snakemake.output.normalized))
