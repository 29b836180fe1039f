from pathlib import Path

from react24.report.notices import count_doubts, gather_doubts, table_notes
from react24.report.tables import tabulate_metrics
from react24.workflow.job import start_job

start_job(snakemake)
given, left_out = snakemake.input, snakemake.params.left_out
doubts = gather_doubts(given.told, [given.clips], given.repeated, left_out["here"])
train = gather_doubts(given.told_train, left_out=left_out["train"])
tabulate_metrics(
    [Path(path) for path in snakemake.input.metrics],
    tsv=Path(snakemake.output.tsv),
    md=Path(snakemake.output.md),
    tex=Path(snakemake.output.tex),
    doubts=table_notes(doubts, train, snakemake.params.where),
    doubtful=count_doubts(doubts),
)
