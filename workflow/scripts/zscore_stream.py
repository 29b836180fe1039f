from pathlib import Path

from react24.log import start_logging
from react24.normalize import zscore_session

start_logging(snakemake.log[0])
zscore_session(Path(snakemake.input.features), Path(snakemake.output.normalized))
