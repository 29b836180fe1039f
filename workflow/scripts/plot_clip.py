from pathlib import Path

from react24.report.plots import plot_clip
from react24.workflow.job import start_job

start_job(snakemake)
plot_clip(
    Path(snakemake.input.clips),
    Path(snakemake.input.samples),
    Path(snakemake.output.plot),
)
