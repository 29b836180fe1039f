from pathlib import Path

from react24.log import start_logging
from react24.streams.from_pictures import extract_from_pictures

start_logging(snakemake.log[0])
extract_from_pictures(
    "swin",
    Path(snakemake.input.media),
    Path(snakemake.input.faces),
    Path(snakemake.output.features),
    settings=snakemake.params.settings,
    threads=snakemake.threads,
)
