from pathlib import Path

from react24.report.plots import TrainingRun, plot_training
from react24.workflow.job import start_job

start_job(snakemake)
runs = [
    TrainingRun(stage=run["stage"], seed=run["seed"], history=Path(path))
    for run, path in zip(snakemake.params.runs, snakemake.input.history, strict=True)
]
plot_training(runs, Path(snakemake.output.plot), model=snakemake.wildcards.model)
