from pathlib import Path

from react24.log import start_logging
from react24.sampling import sample_reactions

start_logging(snakemake.log[0])
sample_reactions(
    model=snakemake.wildcards.model,
    settings=snakemake.params.settings,
    weights={s: Path(snakemake.input[f"weights_{s}"]).parent for s in snakemake.params.stages},
    clips={
        name.removeprefix("clips_"): Path(path)
        for name, path in snakemake.input.items()
        if name.startswith("clips_")
    },
    output=Path(snakemake.output.samples),
    samples=snakemake.params.samples,
    seed=int(snakemake.wildcards.seed),
    split=snakemake.wildcards.split,
    device="auto",
    threads=snakemake.threads,
)
