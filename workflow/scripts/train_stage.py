from pathlib import Path

from react24.media import whereabouts
from react24.training.dataset import session_files
from react24.training.stage import SplitFiles, StageOutput, train_stage
from react24.workflow.job import start_job
from react24.workflow.paths import pick

start_job(snakemake)
files, params = list(snakemake.input.items()), snakemake.params
media, faces, videos = (snakemake.input.get(name, ()) for name in ("media", "faces", "videos"))
whereabouts.declare_videos(media, videos)
pictures = session_files(media, faces)
appropriate = pick(files, "appropriate_")
splits = {
    split: SplitFiles(clips, appropriate.get(split), pictures)
    for split in ("train", "val")
    if (clips := pick(files, f"{split}_"))
}
train_stage(
    snakemake.wildcards.stage,
    params.settings,
    splits["train"],
    splits.get("val"),
    StageOutput(
        folder=Path(snakemake.output.weights).parent,
        checkpoints=Path(params.checkpoints),
        created_by=snakemake.rule,
        model=snakemake.wildcards.model,
    ),
    seed=int(snakemake.wildcards.seed),
    needed={stage: path.parent for stage, path in pick(files, "weights_").items()},
    devices=snakemake.resources.get("gpu", 1),
    threads=snakemake.threads,
    code=params.code,
)
