from pathlib import Path

from react24.sampling.baselines import sample_baseline
from react24.workflow.job import start_job
from react24.workflow.paths import pick

start_job(snakemake)
sample_baseline(
    snakemake.wildcards.model,
    pick(snakemake.input.items(), "clips_"),
    pick(snakemake.input.items(), "train_"),
    output=Path(snakemake.output.samples),
    samples=snakemake.params.samples,
    seed=int(snakemake.wildcards.seed),
)
