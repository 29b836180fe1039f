from pathlib import Path

from react24.log import start_logging
from react24.report.tables import tabulate_metrics

start_logging(snakemake.log[0])
tabulate_metrics(
    [Path(path) for path in snakemake.input.metrics],
    tsv=Path(snakemake.output.tsv),
    md=Path(snakemake.output.md),
    tex=Path(snakemake.output.tex),
)
