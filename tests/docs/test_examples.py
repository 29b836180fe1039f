"""The example of a model from outside the package: alone, and through the workflow."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import clips_factory, stages
from helpers.small_project import Project
from helpers.stages import read_history

from react24 import models as registry
from react24.contracts import entry_points
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.sampling.sample import Sampling, sample_reactions
from react24.workflow.codedigest import code_digest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {**yaml.safe_load((ROOT / "examples/echo.yaml").read_text())}
SETTINGS["type"] = str(ROOT / SETTINGS["type"])


def test_it_learns_samples_and_has_noise_of_the_size_of_what_it_misses(tmp_path):
    settings = {**SETTINGS, "filter": {"epochs": 60, "taps": 41, "learning_rate": 0.01}}
    clips = clips_factory.write_streams(tmp_path / "clips", 3)
    folder = stages.train(tmp_path, "filter", settings, clips)
    loss = read_history(folder / "history.h5").train["loss"]
    assert loss[-1] < 0.2 * loss[0]
    output = tmp_path / "samples.h5"
    task = Sampling(model="echo", split="train", samples=4, seed=0)
    sample_reactions(task, settings, {"filter": folder}, clips, output, device="cpu")
    with contract.open_file(output, "samples") as file:
        emotion = file["emotion"][:]
        assert "coefficients" not in file
    assert emotion.shape == (6, 4, 750, 25)
    native = clips_factory.behaviour(3, 25)
    listener = native[[3, 4, 5, 0, 1, 2]][:, None]
    missed = np.square(emotion.mean(1, keepdims=True) - listener).mean()
    spread = emotion.var(1, ddof=1).mean()
    assert 0.3 < spread / missed < 3


def test_a_model_is_found_by_the_path_of_its_file():
    kind = registry.get("examples/echo.py", ROOT)
    assert kind.name == "echo"
    assert entry_points.folder_of("examples/echo.py", ROOT) == ROOT / "examples"
    assert kind.streams(SETTINGS) == ("graphau",)


def test_its_code_counts_for_reruns(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / "examples/echo.py", tmp_path / name)
    digests = [code_digest("echo", beside=tmp_path / name) for name in ("one", "two")]
    assert digests[0] == digests[1]
    path = tmp_path / "three" / "echo.py"
    path.parent.mkdir()
    path.write_text((ROOT / "examples/echo.py").read_text() + "\nCHANGED = 1\n")
    assert code_digest("echo", beside=path.parent) != digests[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.py", None, "no such file"),
        ("no_model.py", "A = 1\n", "must define MODEL"),
        ("json.py", "MODEL = None\n", "a module called json exists already"),
        ("failing_one.py", "\n1 / 0\n", r"failing_one\.py, line 2: ZeroDivisionError: division"),
        ("failing_two.py", "import nump\n", r"two\.py, line 1: ModuleNotFoundError: .*'nump'"),
        ("failing_three.py", "\na = (\n", r"three\.py, line 2: SyntaxError: '\(' was never"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        registry.get(name, tmp_path)


def test_wrong_settings_are_named():
    from react24.project.config import load_settings

    model = {"settings": "examples/echo.yaml", "overrides": {"filter": {"taps": 4}}}
    with pytest.raises(InputErrors, match=r"models\.echo\.overrides\.filter: taps must be odd"):
        load_settings({"models": {"echo": model}}, ROOT)
    model = {"settings": "examples/echo.yaml", "overrides": {"training": {"precision": "b16"}}}
    with pytest.raises(InputErrors, match=r"overrides\.training\.precision: found .b16."):
        load_settings({"models": {"echo": model}}, ROOT)


@pytest.mark.slow
def test_it_gets_a_row_in_the_table(finished, tmp_path):
    project = Project(tmp_path / "project")
    shutil.copytree(finished.folder, project.folder, symlinks=True)
    shutil.copytree(ROOT / "examples", project.folder / "examples")
    path = project.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    overrides = {"filter": {"epochs": 20, "learning_rate": 0.01}}
    config["models"]["echo"] = {"settings": "examples/echo.yaml", "overrides": overrides}
    path.write_text(yaml.safe_dump(config))
    plan = project.plan()
    assert plan["train_stage"] == plan["sample_reactions"] == plan["score_reactions"] == 2
    assert not {"track_faces", "window_clips", "train_belfusion_vae"} & set(plan)
    project.snakemake()
    row = next(row for row in project.rows() if row["model"] == "echo")
    assert row["source"] == "react24"
    assert row["seeds"] == "0,1"
    assert float(row["FRDiv"]) > 0
    assert project.plan() == {}
    code = project.folder / "examples/echo.py"
    code.write_text(code.read_text() + "\nCHANGED = 1\n")
    assert project.plan()["train_stage"] == 2
