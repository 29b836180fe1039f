from pathlib import Path

from react24.media import whereabouts
from react24.sampling.sample import Sampling, sample_reactions
from react24.training.dataset import session_files
from react24.workflow.job import start_job
from react24.workflow.paths import pick

start_job(snakemake)
files, params = list(snakemake.input.items()), snakemake.params
media, faces, videos = (snakemake.input.get(name, ()) for name in ("media", "faces", "videos"))
whereabouts.declare_videos(media, videos)
sample_reactions(
    Sampling(
        model=snakemake.wildcards.model,
        split=snakemake.wildcards.split,
        samples=params.samples,
        seed=int(snakemake.wildcards.seed),
    ),
    params.settings,
    weights={stage: path.parent for stage, path in pick(files, "weights_").items()},
    clips=pick(files, "clips_"),
    output=Path(snakemake.output.samples),
    sessions=session_files(media, faces),
    threads=snakemake.threads,
)
