from pathlib import Path

from react24.faces.track import track_session
from react24.workflow.job import start_job

start_job(snakemake)
track_session(
    Path(snakemake.input.media),
    Path(snakemake.output.faces),
    max_gap=snakemake.params.max_gap,
    max_missing=snakemake.params.max_missing,
    model=snakemake.params.model,
)
