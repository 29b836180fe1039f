from pathlib import Path

from react24.baselines import sample_baseline
from react24.log import start_logging

start_logging(snakemake.log[0])
streams = ("graphau", "faceverse")
sample_baseline(
    snakemake.wildcards.model,
    {stream: Path(snakemake.input[f"clips_{stream}"]) for stream in streams},
    {
        stream: Path(snakemake.input[f"train_{stream}"])
        for stream in streams
        if f"train_{stream}" in snakemake.input.keys()
    },
    output=Path(snakemake.output.samples),
    samples=snakemake.params.samples,
    seed=int(snakemake.wildcards.seed),
)
