from pathlib import Path

from react24.models.convert import convert_checkpoint
from react24.workflow.job import start_job
from react24.workflow.paths import pick

start_job(snakemake)
files, stage = list(snakemake.input.items()), snakemake.wildcards.stage
convert_checkpoint(
    snakemake.params.settings,
    pick(files, "file_"),
    {stage: Path(snakemake.output.weights).parent},
    clips=pick(files, "train_"),
    converted={name: path.parent for name, path in pick(files, "weights_").items()},
    seed=int(snakemake.wildcards.seed),
    threads=snakemake.threads,
    created_by=snakemake.rule,
)
