from pathlib import Path

from react24.corpora.demo.corpus import make_demo_session
from react24.log import start_logging

start_logging(snakemake.log[0])
make_demo_session(
    snakemake.wildcards.session,
    Path(snakemake.output.truth).parent,
    seed=snakemake.params.seed,
)
