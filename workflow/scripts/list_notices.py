from pathlib import Path

from react24.report.notices import gather_doubts, write_list
from react24.workflow.job import start_job

start_job(snakemake)
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
