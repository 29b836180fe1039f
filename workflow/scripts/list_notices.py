from pathlib import Path

from react24.log import start_logging
from react24.report.notices import gather_doubts, write_list

start_logging(snakemake.log[0])
write_list(
    gather_doubts(
        snakemake.input.told,
        snakemake.input.clips,
        snakemake.input.repeated,
        snakemake.params.left_out,
    ),
    snakemake.params.splits,
    tsv=Path(snakemake.output.tsv),
    md=Path(snakemake.output.md),
)
