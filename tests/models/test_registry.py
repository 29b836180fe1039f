"""The registry of models: what the workflow asks it, and a model from outside."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.model import SAMPLING, ModelType, Stage, StageInputs
from react24.errors import InputError

ROOT = Path(__file__).parents[2]


def test_belfusion_is_wired():
    model = registry.get("belfusion")
    assert model.stage_names == ("vae", "ldm")
    assert model.stage("ldm").needs == ("vae",)
    assert model.outputs == ("emotion", "coefficients")
    settings = model.read_settings({"speaker_space": "zscored"}, "belfusion")
    assert model.streams(settings) == ("graphau", "faceverse")
    assert model.stage_inputs(settings, "vae").streams == ("graphau", "faceverse")
    assert model.stage_inputs(settings, SAMPLING).clips == {"speaker": ("graphau", "zscored")}
    assert "react24.models.belfusion.tasks" in model.modules("vae")
    assert "react24.models.belfusion.tasks" not in model.modules()


def test_a_stage_depends_on_its_own_sections_only():
    model = registry.get("belfusion")
    settings = model.read_settings({}, "belfusion")
    assert model.stage("vae").settings(settings).keys() == {"type", "variant", "vae", "training"}
    assert model.stage("ldm").settings(settings) == settings


@pytest.mark.parametrize("name", registry.names())
def test_every_entry_point_exists(name):
    model = registry.get(name)
    points = [model.settings, model.inputs, model.load, *(s.task for s in model.stages)]
    assert all(callable(entry_points.resolve(point)) for point in points)
    settings = model.read_settings({}, name)
    assert model.read_settings(settings, name) == settings
    for stage in model.stages:
        assert settings[stage.name]["epochs"] > 0
    for part in (*model.stage_names, SAMPLING):
        assert model.stage_inputs(settings, part).clips
    assert (ROOT / model.card).is_file()


def test_asking_imports_nothing_heavy():
    code = (
        "import sys; from react24 import models; m = models.get('belfusion');"
        "m.streams(m.read_settings({}, 'belfusion'));"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(registry.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == 0


def toy(name="toy", **changes):
    values = {
        "name": name,
        "title": "Toy",
        "stages": (Stage("only", "all of it", "json:loads"),),
        "outputs": ("emotion",),
        "settings": "json:loads",
        "inputs": "json:loads",
        "load": "json:loads",
    }
    return ModelType(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": (Stage("b", "", "x:y", needs=("a",)),)}, "stage b needs"),
        ({"stages": ()}, "needs stages"),
        ({"stages": (Stage("sampling", "", "x:y"),)}, "cannot be the name of a stage"),
        ({"outputs": ("sound",)}, "outputs must be out of"),
    ],
)
def test_types_that_cannot_be_wired_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        toy(**changes)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (StageInputs({"voice": ("mfcc", "z")}), "only reads 'voice' from mfcc in the space 'z'"),
        ({"voice": ("mfcc", "native")}, "inputs returned dict for only; accepted is StageInputs"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused(monkeypatch, inputs, message):
    monkeypatch.setattr(sys.modules[__name__], "inputs", lambda *_: inputs, raising=False)
    with pytest.raises(InputError, match=message):
        toy(inputs=f"{__name__}:inputs").stage_inputs({}, "only")


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(InputError, match="no model type 'belfuson'; known: belfusion"):
        registry.get("belfuson")
    with pytest.raises(InputError, match="has no stage 'codebook'; it has vae, ldm"):
        registry.get("belfusion").stage("codebook")
    with pytest.raises(InputError, match=r"expected package\.module:function"):
        entry_points.resolve("json")
    with pytest.raises(InputError, match="no attribute 'lods'"):
        entry_points.resolve("json:lods")


@dataclass
class Plain:
    values: dict

    def as_dict(self):
        return self.values


def plain(values, where):
    if "wrong" in values:
        raise InputError(f"{where}: wrong")
    return Plain({**values, "sizes": (1, 2)})


def test_settings_may_come_from_a_plain_function():
    model = toy(settings=f"{__name__}:plain")
    assert model.read_settings({"a": 1}, "mine") == {"a": 1, "sizes": [1, 2]}
    with pytest.raises(InputError, match="mine: wrong"):
        model.read_settings({"wrong": 1}, "mine")
