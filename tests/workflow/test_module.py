"""The workflow as a module of another Snakefile, in a folder of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.small_project import clean_environment

ROOT = Path(__file__).resolve().parents[2]
OUTER = """
configfile: "outer.yaml"


module react24:
    snakefile:
        {snakefile!r}
    config:
        config["faces"]


use rule * from react24{renamed}


rule count:
    default_target: True
    input:
        table="results/tables/metrics_test.tsv",
    output:
        "rows.txt",
    shell:
        "wc -l < {{input.table}} > {{output}}"


onstart:
    react24.onstart()


onsuccess:
    react24.onsuccess()


onerror:
    react24.onerror()
"""
pytestmark = pytest.mark.slow


def run(folder, *arguments):
    """Snakemake on the outer Snakefile of a folder; its output, after it has ended well."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env=clean_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def write_outer(folder, snakefile, config, renamed=""):
    """An outer workflow with a key of its own beside the section that the module is given."""
    text = OUTER.format(snakefile=str(snakefile), renamed=renamed)
    (folder / "Snakefile").write_text(text)
    (folder / "outer.yaml").write_text(
        yaml.safe_dump({"mine": 1, "faces": config}, sort_keys=False)
    )


def jobs(text):
    lines = [line.split() for line in text.splitlines()]
    return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}


@pytest.mark.parametrize(("renamed", "prefix"), [(" as faces_*", "faces_"), ("", "")])
def test_another_workflow_plans_with_its_own_configuration(tmp_path, renamed, prefix):
    (tmp_path / "mine.tsv").write_text((ROOT / ".test/config/sessions.tsv").read_text())
    config = {
        "sessions": "mine.tsv",
        "models": {
            "belfusion": {"preset": "quick"},
            "echo": {"settings": "examples/echo.yaml"},
        },
        "sampling": {"seeds": [0]},
    }
    write_outer(tmp_path, ROOT / "Snakefile", config, renamed)
    text = run(tmp_path, "-n")
    planned = jobs(text)
    assert planned["count"] == 1
    for rule, number in {
        "make_demo_session": 3,
        "extract_graphau": 3,
        "train_belfusion_vae": 1,
        "train_stage": 1,
        "tabulate_metrics": 1,
    }.items():
        assert planned[prefix + rule] == number
    assert {name for name in planned if "regnn" in name} == set()  # of the demo's configuration


def test_jobs_run_from_another_workflow(finished, tmp_path):
    """Scripts, library, input functions and logs of jobs that a foreign Snakefile starts."""
    config = yaml.safe_load((finished.folder / "config/config.yaml").read_text())
    write_outer(tmp_path, finished.folder / "Snakefile", config, " as faces_*")
    for part in ("config", "resources", "results"):
        shutil.copytree(finished.folder / part, tmp_path / part, copy_function=shutil.copy2)
    table = tmp_path / "results/tables/metrics_test.tsv"
    before = table.read_bytes()
    table.unlink()
    text = run(tmp_path, "--rerun-triggers", "mtime", "--workflow-profile", "none")
    assert jobs(text) == {"faces_tabulate_metrics": 1, "count": 1, "total": 2}
    assert table.read_bytes() == before
    assert "The job is done" in (tmp_path / "logs/tabulate_metrics/test.log").read_text()
    assert re.search(r"1 of 2  Writing the table of metrics, test \(", text)  # by its onstart
    assert int((tmp_path / "rows.txt").read_text()) == len(before.splitlines())


def test_the_outer_folder_has_its_own_mistakes_told(tmp_path):
    write_outer(tmp_path, ROOT / "Snakefile", {"sed": 3})
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1"],
        cwd=tmp_path,
        env=clean_environment(),
        text=True,
        capture_output=True,
    )
    assert done.returncode != 0
    assert "config of module react24: sed: unknown key; did you mean seed?" in (
        done.stdout + done.stderr
    )
