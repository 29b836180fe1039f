from pathlib import Path

from react24.clips.appropriate import compute_appropriate
from react24.workflow.job import start_job

start_job(snakemake)
matrix, index = (snakemake.input.get(name) for name in ("matrix", "index"))
compute_appropriate(
    Path(snakemake.input.clips),
    Path(snakemake.output.appropriate),
    source=snakemake.params.source,
    k=snakemake.params.k,
    matrix=Path(matrix) if matrix else None,
    index=Path(index) if index else None,
    sites=snakemake.params.sites,
    threads=snakemake.threads,
)
