from pathlib import Path

from react24 import streams
from react24.media import whereabouts
from react24.streams.extract import extract_session
from react24.workflow.job import start_job

start_job(snakemake)
whereabouts.declare(snakemake.wildcards.session, dict(snakemake.input.items()))
settings = snakemake.params.settings
names = ("media", "faces", "neutral_a", "neutral_b")
extract_session(
    streams.get(snakemake.params.stream, settings),
    {name: Path(path) for name in names if (path := snakemake.input.get(name))},
    Path(snakemake.output.features),
    settings=settings,
    threads=snakemake.threads,
)
