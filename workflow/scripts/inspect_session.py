from pathlib import Path

from react24.media import whereabouts
from react24.report.inspect import gather_sheet
from react24.report.inspect_draw import draw_sheet
from react24.workflow.job import start_job

start_job(snakemake)
whereabouts.declare(snakemake.wildcards.session, dict(snakemake.input.items()))
results = Path(snakemake.input.media).parents[1]
draw_sheet(gather_sheet(snakemake.wildcards.session, results), Path(snakemake.output.sheet))
