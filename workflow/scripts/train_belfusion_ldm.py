from pathlib import Path

from react24.log import start_logging
from react24.paths import pick
from react24.training.belfusion_tasks import train_ldm

start_logging(snakemake.log[0])
train_ldm(
    pick(snakemake.input.items(), "train_"),
    pick(snakemake.input.items(), "val_") or None,
    settings=snakemake.params.settings,
    output_dir=Path(snakemake.output.weights).parent,
    checkpoint_dir=Path(snakemake.params.checkpoints),
    seed=int(snakemake.wildcards.seed),
    device="auto",
    threads=snakemake.threads,
    vae_dir=Path(snakemake.input.vae).parent,
    code=snakemake.params.code,
)
