from pathlib import Path

from react24.corpora.demo.corpus import make_demo_session
from react24.workflow.job import start_job

start_job(snakemake)
make_demo_session(
    snakemake.wildcards.session,
    Path(snakemake.output.truth).parent,
    seed=snakemake.params.seed,
)
