from pathlib import Path

from react24.log import start_logging
from react24.paths import pick
from react24.sampling import sample_reactions

start_logging(snakemake.log[0])
sample_reactions(
    model=snakemake.wildcards.model,
    settings=snakemake.params.settings,
    weights={s: p.parent for s, p in pick(snakemake.input.items(), "weights_").items()},
    clips=pick(snakemake.input.items(), "clips_"),
    output=Path(snakemake.output.samples),
    samples=snakemake.params.samples,
    seed=int(snakemake.wildcards.seed),
    split=snakemake.wildcards.split,
    device="auto",
    threads=snakemake.threads,
)
