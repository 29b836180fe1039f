"""The tiny configuration of ``.test`` and the file of the Snakemake workflow catalogue."""

import subprocess
from pathlib import Path

import pytest
import yaml

from react24.project.load import load_project
from react24.project.yaml_file import read_mapping

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())


def test_the_catalogue_finds_what_it_looks_for():
    assert (ROOT / "Snakefile").is_file()
    assert (ROOT / "config/README.md").is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme


def test_the_catalogue_is_told_how_the_software_comes():
    usage = CATALOGUE["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    flags = usage["software-stack-deployment"]
    assert set(flags) == {"conda", "apptainer", "apptainer+conda", "report"}
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert flags["conda"] == ("conda:" in rules)
    assert flags["report"] == ("report(" in rules)
    # An image has to be there for whoever reads the catalogue; ours is built by oneself.
    assert flags["apptainer"] == ("docker://" in rules)


def test_the_tiny_configuration_is_valid_and_tiny(monkeypatch):
    monkeypatch.chdir(ROOT / ".test")
    project = load_project(read_mapping("config/config.yaml"), check=False, start=ROOT)
    assert project.sizes() == {"train": 1, "val": 1, "test": 1}
    assert {model["type"] for model in project.settings.models.values()} == {
        "belfusion",
        "regnn",
        "tranvae",
    }
    epochs = [
        section["epochs"]
        for model in project.settings.models.values()
        for section in model.values()
        if isinstance(section, dict) and "epochs" in section
    ]
    assert epochs == [3] * 5


def test_its_sessions_are_those_of_the_demo():
    demo = (ROOT / "config/sessions.tsv").read_text().splitlines()
    tiny = (ROOT / ".test/config/sessions.tsv").read_text().splitlines()
    assert tiny[0] == demo[0]
    assert set(tiny) < set(demo)


@pytest.mark.parametrize(
    "made",
    [
        ".test/results/tables/metrics_test.tsv",
        ".test/resources/demo/demo01/a.mp4",
        ".test/logs/a.log",
        ".test/benchmarks_out/a.tsv",
        ".test/.snakemake/log/a",
        "react24.sif",
    ],
)
def test_what_is_made_there_is_ignored_by_git(made, tmp_path):
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    command = ["git", "-C", tmp_path, "check-ignore", "--quiet"]
    assert subprocess.run([*command, made]).returncode == 0
    assert subprocess.run([*command, ".test/config/config.yaml"]).returncode == 1
