from pathlib import Path

from react24.clips.normalize import zscore_session
from react24.log import start_logging

start_logging(snakemake.log[0])
zscore_session(Path(snakemake.input.features), Path(snakemake.output.normalized))
