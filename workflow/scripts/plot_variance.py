from pathlib import Path

from react24.report.plots import plot_variance
from react24.workflow.job import start_job

start_job(snakemake)
plot_variance(
    Path(snakemake.input.clips),
    [Path(path) for path in snakemake.input.samples],
    Path(snakemake.output.plot),
)
