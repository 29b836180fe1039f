"""A small project in a folder of its own: three demo sessions, all rules, short training."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = "console.txt"
"""What the run of the finished project showed."""

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


def shrink(project, splits=("train", "val", "test")):
    """Put the tiny configuration of ``.test`` in place of the demo's, with some of its splits."""
    shutil.copytree(ROOT / ".test/config", project.folder / "config", dirs_exist_ok=True)
    sheet = project.folder / "config/sessions.tsv"
    title, *rows = sheet.read_text().splitlines(keepends=True)
    sheet.write_text("".join([title, *(row for row in rows if row.split("\t")[1] in splits)]))
