"""A small project in a folder of its own: three demo sessions, all rules, short training."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = {
    "belfusion": ("vae", "ldm"),
    "tranvae": ("codebook", "predictor"),
    "regnn_w2v2": ("generator",),
}
PARTS = ("src", "workflow", "profiles", "envs", "config")


@dataclass(frozen=True)
class Project:
    """A copy of the workflow that tests may change."""

    folder: Path

    def snakemake(self, *arguments, check=True, cores=2):
        """Run Snakemake there; returns stdout and stderr in one text."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=1800,
        )
        if check and done.returncode:
            raise AssertionError(f"snakemake failed:\n{done.stdout[-8000:]}")
        return done.stdout

    def plan(self):
        """Rule -> number of jobs of a dry run; empty when nothing is to be done."""
        text = self.snakemake("-n")
        table = re.search(r"^job +count\n-+ +-+\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE)
        if not table:
            assert "Nothing to be done" in text, text
            return {}
        rows = (line.split() for line in table[1].splitlines())
        return {rule: int(count) for rule, count in rows if rule != "total"}

    def table(self):
        """The bytes of the table of metrics."""
        return (self.folder / "results/tables/metrics_test.tsv").read_bytes()

    def rows(self):
        """The table of metrics as a list of dicts."""
        text = self.table().decode("utf-8")
        return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def clean_environment():
    """The environment without a PYTHONPATH of the caller's."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def copy_project(folder):
    """Copy what the workflow consists of; no results, no environment."""
    for part in PARTS:
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.nbi", "*.nbc")
        shutil.copytree(ROOT / part, folder / part, ignore=ignore)
    shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
    return Project(folder)


def shrink(project, sessions_per_split=1, splits=("train", "val", "test")):
    """Keep some sessions of some splits, no VGGish, two samples, two seeds and few epochs.

    The two models of a family differ in their sound only; here both hear wav2vec2, so that one of
    them is left.
    """
    sheet = project.folder / "config/sessions.tsv"
    lines = [line for line in sheet.read_text().splitlines() if line and line[0] != "#"]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    kept = [
        row
        for split in splits
        for row in [r for r in rows if r["split"] == split][:sessions_per_split]
    ]
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    path = project.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["streams"]["vggish"]["enabled"] = False
    config["sampling"] |= {"samples": 2, "seeds": [0, 1]}
    models = config["models"]
    del models["regnn_vggish"]
    for model, stages in STAGES.items():
        overrides = models[model].setdefault("overrides", {})
        for stage in stages:
            overrides.setdefault(stage, {})["epochs"] = 3
    models["tranvae"]["overrides"] |= {"sound": "wav2vec2", "emotion": {"steps": 20}}
    path.write_text(yaml.safe_dump(config))
    return [row["session"] for row in kept]
