from pathlib import Path

from react24.log import start_logging
from react24.metrics.score_samples import score_reactions

start_logging(snakemake.log[0])
score_reactions(
    Path(snakemake.input.samples),
    Path(snakemake.input.clips),
    Path(snakemake.input.appropriate),
    Path(snakemake.output.metrics),
    space=snakemake.params.space,
    own=snakemake.params.own,
    threads=snakemake.threads,
)
