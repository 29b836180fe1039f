"""Weights and code of the user's own are opened by the check, as the jobs would."""

from pathlib import Path

import pytest
import torch

from react24.check.weights import fetch_face_model, look_at_weights
from react24.project.config import load_settings

OWN_STREAM = """
from react24.contracts.stream import Backend, Stream

class Fails:
    def __init__(self):
        raise RuntimeError("no such device")

STREAM = Stream("mine", 1, {"one": Backend("sound", "my_stream:Fails", "torch")}, "mine")
"""
OWN_MODEL = """
from react24.contracts.model import ModelType, Stage, StageInputs
from react24.contracts.settings import SettingsModel

class Settings(SettingsModel):
    type: str
    variant: str | None = None
    fit: dict = {}

def inputs(settings, part):
    return StageInputs({"emotion": ("graphau", "native")})

MODEL = ModelType(
    "mine", "Mine", (Stage("fit", "fit", "my_model:gone"),), ("emotion",),
    settings="my_model:Settings", inputs="my_model:inputs", load="my_model:inputs",
)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.zeros(2)}, "other.pth")
    Path("my_stream.py").write_text(OWN_STREAM)
    Path("my_model.py").write_text(OWN_MODEL)
    Path("mine.yaml").write_text("type: my_model.py\n")
    return tmp_path


def test_files_of_another_network_and_code_that_fails_are_told_together(folder):
    checkpoint = {"vae": "other.pth", "ldm": "other.pth"}
    config = {
        "streams": {
            "vggish": {"enabled": True, "weights": "other.pth"},
            "mine": {"type": "my_stream.py", "enabled": True},
            "swin": {"enabled": True},  # random: there is nothing to open
        },
        "models": {
            "mine": {"settings": "mine.yaml"},
            "belfusion": {"variant": "official", "checkpoint": checkpoint},
        },
    }
    problems = look_at_weights(load_settings(config))
    wanted = (
        "streams.vggish.weights: other.pth: ",
        "streams.mine: RuntimeError: no such device",
        "models.mine: entry point 'my_model:gone'",
        "models.belfusion.checkpoint: other.pth: this is",
    )
    assert len(problems) == len(wanted), problems
    for words in wanted:
        assert any(words in problem for problem in problems), words


def test_published_files_that_are_there_are_compared_with_the_registry(folder):
    config = {"streams": {"vggish": {"enabled": True, "weights": "vggish"}}, "models": {}}
    assert look_at_weights(load_settings(config)) == []  # not there: the run fetches them
    weights = folder / "resources/weights"
    weights.mkdir(parents=True)
    (weights / "vggish-10086976.pth").write_bytes(b"half of it")
    (problem,) = look_at_weights(load_settings(config))
    assert problem.startswith("streams.vggish.weights: resources/weights/vggish-10086976.pth: this")


def test_the_networks_that_find_faces_are_had_before_faces_are_looked_for(folder):
    assert fetch_face_model(load_settings({"models": {}})) == []
    weights = folder / "resources/weights"
    weights.mkdir(parents=True)
    (weights / "face_landmarker.task").write_bytes(b"half of it")
    settings = load_settings({"models": {}, "faces": {"model": "face-landmarker"}})
    (problem,) = fetch_face_model(settings)
    assert "face_landmarker.task: this file has SHA-256" in problem
