from pathlib import Path

from react24.log import start_logging
from react24.windows import SessionFiles, window_clips

start_logging(snakemake.log[0])
sessions = [
    SessionFiles(session, Path(features), Path(normalized))
    for session, features, normalized in zip(
        snakemake.params.sessions,
        snakemake.input.features,
        snakemake.input.normalized,
        strict=True,
    )
]
window_clips(
    sessions,
    Path(snakemake.output.clips),
    stream=snakemake.wildcards.stream,
    split=snakemake.wildcards.split,
)
