from pathlib import Path

from react24.log import start_logging
from react24.paths import pick
from react24.training.data import SessionFiles
from react24.training.stage import Place, SplitFiles, train_stage

start_logging(snakemake.log[0])
files, params = list(snakemake.input.items()), snakemake.params


def of_split(split):
    clips = pick(files, f"{split}_")
    if not clips:
        return None
    sessions = {
        name: SessionFiles(Path(f"results/media/{name}.h5"), Path(f"results/faces/{name}.h5"))
        for name in params.sessions.get(split, ())
    }
    return SplitFiles(clips, pick(files, "appropriate_").get(split), sessions)


train_stage(
    snakemake.wildcards.stage,
    params.settings,
    of_split("train"),
    of_split("val"),
    Place(
        output=Path(snakemake.output.weights).parent,
        checkpoints=Path(params.checkpoints),
        created_by=snakemake.rule,
    ),
    seed=int(snakemake.wildcards.seed),
    needed={stage: path.parent for stage, path in pick(files, "weights_").items()},
    devices=snakemake.resources.get("gpu", 1),
    threads=snakemake.threads,
    code=params.code,
)
