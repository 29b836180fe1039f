from pathlib import Path

from react24.baselines import sample_baseline
from react24.log import start_logging

start_logging(snakemake.log[0])


def clips(prefix: str) -> dict[str, Path]:
    """Stream -> clips file of the inputs whose names start with the prefix."""
    return {
        name.removeprefix(prefix): Path(path)
        for name, path in snakemake.input.items()
        if name.startswith(prefix)
    }


sample_baseline(
    snakemake.wildcards.model,
    clips("clips_"),
    clips("train_"),
    output=Path(snakemake.output.samples),
    samples=snakemake.params.samples,
    seed=int(snakemake.wildcards.seed),
)
