from pathlib import Path

from react24.metrics.score_samples import score_reactions
from react24.workflow.job import start_job

start_job(snakemake)
score_reactions(
    Path(snakemake.input.samples),
    Path(snakemake.input.clips),
    Path(snakemake.input.appropriate),
    Path(snakemake.output.metrics),
    space=snakemake.params.space,
    own=snakemake.params.own,
    threads=snakemake.threads,
)
