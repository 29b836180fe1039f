from pathlib import Path

from react24.faces.track import track_session
from react24.media import whereabouts
from react24.workflow.job import start_job

start_job(snakemake)
whereabouts.declare(snakemake.wildcards.session, dict(snakemake.input.items()))
track_session(
    Path(snakemake.input.media),
    Path(snakemake.output.faces),
    max_gap=snakemake.params.max_gap,
    max_missing=snakemake.params.max_missing,
    model=snakemake.params.model,
)
