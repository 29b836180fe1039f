"""Snakemake in a folder with a configuration of one's own; the rest is the checkout's."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.small_project import clean_environment

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
sessions: config/mine.tsv
models:
  belfusion: {preset: quick}
  voice: {settings: config/models/regnn.yaml, preset: quick}
  echo: {settings: examples/echo.yaml}
streams:
  pitch: {type: examples/pitch.py, enabled: true}
"""
pytestmark = pytest.mark.slow


def test_what_the_workflow_brings_is_found_from_any_folder(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(CONFIG)
    rows = (ROOT / "config/sessions.tsv").read_text().splitlines()
    kept = [row for row in rows if row.split("\t")[0] in ("session", "demo01", "demo04", "demo05")]
    (tmp_path / "config/mine.tsv").write_text("\n".join(kept) + "\n")
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--directory", tmp_path]
    done = subprocess.run(
        [*command, "--snakefile", ROOT / "Snakefile"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:]
    lines = [line.split() for line in told.splitlines()]
    for job in (["make_demo_session", "3"], ["extract_pitch", "3"], ["train_regnn", "3"]):
        assert job in lines
    assert "Training echo, filter, seed 0" in told
    assert "demo02" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == [".snakemake", "config"]
