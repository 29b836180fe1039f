"""The project that a checked run keeps for its jobs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from react24.project.config import read_config
from react24.project.load import load_project
from react24.project.resolved import read

REPOSITORY = Path(__file__).parents[2]
SHEET = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\tcrop_a\toffset_b\n"
SHEET += "one\tauto\tone/a.mp4\tone/b.mp4\tanna\tbert\t0,0,64,72\t-0.48\n"
SHEET += "two\ttest\ttwo/a.mp4\ttwo/b.mp4\tcleo\tdave\t\t\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with a sheet and a model of its own file; the configuration, the file kept."""
    monkeypatch.chdir(tmp_path)
    Path("sheet.tsv").write_text(SHEET)
    Path("mine.yaml").write_text((REPOSITORY / "config/models/belfusion.yaml").read_text())
    config = {"sessions": "sheet.tsv", "models": {"mine": {"settings": "mine.yaml"}}}
    config["models"]["twice"] = {"settings": "mine.yaml", "variant": "official"}
    return config, Path(".snakemake/react24/project.json")


def checked(run):
    config, kept = run
    return load_project(config, kept=kept)


def test_jobs_get_what_the_checked_run_had(run):
    project = checked(run)
    assert project.sessions[0].split == "train"
    assert project.sessions[0].a.choices.crop == (0, 0, 64, 72)
    config, kept = run
    found = read(kept, config, Path())
    assert found == project
    assert found.settings.streams == project.settings.streams
    assert load_project(config, check=False, kept=kept).settings == project.settings


def test_what_is_kept_is_what_jobs_read(run):
    config, kept = run
    checked(run)
    text = kept.read_text()
    kept.write_text(text.replace('"anna"', '"eve"'))
    assert load_project(config, check=False, kept=kept).sessions[0].a.subject == "eve"


@pytest.mark.parametrize("change", ["config", "sheet", "model", "preset", "damage", "lost"])
def test_another_project_is_read_anew(run, change):
    config, kept = run
    checked(run)
    kept.write_text(kept.read_text().replace('"anna"', '"eve"'))
    if change == "config":
        config = {**config, "seed": 3}
    elif change == "sheet":
        Path("sheet.tsv").write_text(SHEET.replace("bert", "ben"))
    elif change == "model":
        with Path("mine.yaml").open("a") as file:
            file.write("# another\n")
    elif change == "preset":
        Path("mine.quick.yaml").write_text("vae: {epochs: 3}\n")
    elif change == "damage":
        kept.write_text(kept.read_text()[:-20])
    else:
        kept.unlink()
    assert read(kept, config, Path()) is None
    project = load_project(config, check=False, kept=kept)
    assert project.sessions[0].a.subject == "anna"
    assert project.settings["seed"] == config.get("seed", 0)


def test_a_folder_that_cannot_be_written_is_no_error(run):
    Path(".snakemake").write_text("a file where a folder should be")
    assert checked(run).sessions


def test_jobs_load_nothing_that_reads_or_checks():
    config = read_config(REPOSITORY / "config/config.yaml")
    code = """
import json, sys
from pathlib import Path
from react24.project.load import load_project
config = json.loads(sys.argv[1])
project = load_project(config, check=False, kept=Path(sys.argv[2]))
assert project.settings.streams and project.settings.needed_splits
heavy = {"pydantic", "yaml", "pandas", "numpy", "torch", "av", "h5py"} & set(sys.modules)
sys.exit(", ".join(heavy) or 0)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}

    def job(kept):
        command = [sys.executable, "-c", code, json.dumps(config), str(kept)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False
        )

    kept = REPOSITORY / ".snakemake/react24/test_project.json"
    try:
        load_project_there(config, kept)
        found = job(kept)
        assert found.returncode == 0, found.stderr
        assert "pydantic" in job(kept.with_name("none.json")).stderr  # it is the file that helps
    finally:
        kept.unlink(missing_ok=True)


def load_project_there(config, kept):
    from react24.project.load import inspect_project
    from react24.project.resolved import write

    project = inspect_project(config, REPOSITORY, check_files=False)
    assert not project.problems
    write(kept, config, project)
