from pathlib import Path

from react24.log import start_logging
from react24.streams.from_sound import extract_from_sound

start_logging(snakemake.log[0])
extract_from_sound(
    "logmel",
    Path(snakemake.input.media),
    Path(snakemake.output.features),
    settings=snakemake.params.settings,
)
