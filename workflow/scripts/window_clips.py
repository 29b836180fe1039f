from pathlib import Path

from react24.clips.windows import StreamFiles, window_clips
from react24.workflow.job import start_job

start_job(snakemake)
kept = Path(snakemake.params.normalized)
sessions = [
    StreamFiles(session, Path(features), kept / f"{session}.h5", Path(faces))
    for session, features, faces in zip(
        snakemake.params.sessions, snakemake.input.features, snakemake.input.faces, strict=True
    )
]
window_clips(
    sessions,
    Path(snakemake.output.clips),
    stream=snakemake.wildcards.stream,
    split=snakemake.wildcards.split,
    min_valid=snakemake.params.min_valid,
    keep_native=snakemake.params.keep_native,
    keep_normalized=snakemake.params.keep_normalized,
    normalizing=snakemake.params.normalizing,
)
