from pathlib import Path

from react24.log import start_logging
from react24.training.belfusion_tasks import train_vae

start_logging(snakemake.log[0])
streams = ("graphau", "faceverse")
train_vae(
    {s: Path(snakemake.input[f"train_{s}"]) for s in streams},
    {s: Path(snakemake.input[f"val_{s}"]) for s in streams if f"val_{s}" in snakemake.input.keys()},
    settings=snakemake.params.settings,
    output_dir=Path(snakemake.output.weights).parent,
    checkpoint_dir=Path(snakemake.params.checkpoints),
    seed=int(snakemake.wildcards.seed),
    device="auto",
    threads=snakemake.threads,
)
