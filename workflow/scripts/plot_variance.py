from pathlib import Path

from react24.log import start_logging
from react24.report.plots import plot_variance

start_logging(snakemake.log[0])
plot_variance(
    Path(snakemake.input.clips),
    [Path(path) for path in snakemake.input.samples],
    Path(snakemake.output.plot),
)
