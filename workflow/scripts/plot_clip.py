from pathlib import Path

from react24.log import start_logging
from react24.report.plots import plot_clip

start_logging(snakemake.log[0])
plot_clip(
    Path(snakemake.input.clips),
    Path(snakemake.input.samples),
    Path(snakemake.output.plot),
)
