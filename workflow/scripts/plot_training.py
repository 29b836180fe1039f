from pathlib import Path

from react24.log import start_logging
from react24.report.plots import TrainingRun, plot_training

start_logging(snakemake.log[0])
runs = [
    TrainingRun(stage=run["stage"], seed=run["seed"], history=Path(path))
    for run, path in zip(snakemake.params.runs, snakemake.input.history, strict=True)
]
plot_training(runs, Path(snakemake.output.plot), model=snakemake.wildcards.model)
