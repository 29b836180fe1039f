from pathlib import Path

from react24.log import start_logging
from react24.training.belfusion_tasks import train_ldm

start_logging(snakemake.log[0])


def clips(split: str) -> dict[str, Path]:
    """Stream -> clips file of a split; empty where there is none."""
    prefix = f"{split}_"
    return {
        name.removeprefix(prefix): Path(path)
        for name, path in snakemake.input.items()
        if name.startswith(prefix)
    }


train_ldm(
    clips("train"),
    clips("val") or None,
    settings=snakemake.params.settings,
    output_dir=Path(snakemake.output.weights).parent,
    checkpoint_dir=Path(snakemake.params.checkpoints),
    seed=int(snakemake.wildcards.seed),
    device="auto",
    threads=snakemake.threads,
    vae_dir=Path(snakemake.input.vae).parent,
    code=snakemake.params.code,
)
