"""The registry of models: what the workflow asks it, and a model from outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from react24.errors import InputError
from react24.models import registry
from react24.models.registry import ModelType, Stage


def test_belfusion_is_wired():
    model = registry.get("belfusion")
    assert model.stage_names == ("vae", "ldm")
    assert model.stage("ldm").needs == ("vae",)
    assert model.training_streams == ("graphau", "faceverse")
    assert model.outputs == ("emotion", "coefficients")
    assert model.stage("vae").module == "react24.training.belfusion_tasks"
    settings = registry.resolve(model.settings)({"speaker_space": "zscored"}).as_dict()
    assert model.condition_streams(settings) == {"graphau": "zscored"}


@pytest.mark.parametrize("name", registry.names())
def test_every_entry_point_exists(name):
    model = registry.get(name)
    points = [model.settings, model.conditions, model.load, *(s.train for s in model.stages)]
    assert all(callable(registry.resolve(point)) for point in points)


def test_asking_imports_nothing_heavy():
    code = (
        "import sys; from react24.models import registry; m = registry.get('belfusion');"
        "m.condition_streams(registry.resolve(m.settings)({}).as_dict());"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(registry.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == 0


def toy(name="toy", **changes):
    values = {
        "name": name,
        "title": "Toy",
        "stages": (Stage("only", "all of it", ("graphau",), "json:loads"),),
        "outputs": ("emotion",),
        "settings": "json:loads",
        "conditions": "json:loads",
        "load": "json:loads",
    }
    return ModelType(**{**values, **changes})


def test_a_model_from_outside_joins_once(monkeypatch):
    monkeypatch.setattr(registry, "_TYPES", dict(registry._TYPES))
    registry.register(toy())
    registry.register(toy())  # the same again is no harm
    assert "toy" in registry.names()
    assert registry.resolve(registry.get("toy").load)("[1]") == [1]
    with pytest.raises(ValueError, match="'toy' is registered already"):
        registry.register(toy(title="Another"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": (Stage("b", "", (), "x:y", needs=("a",)),)}, "stage b needs"),
        ({"stages": ()}, "needs stages"),
        ({"outputs": ("sound",)}, "outputs must be out of"),
    ],
)
def test_types_that_cannot_be_wired_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        toy(**changes)


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(InputError, match="no model type 'belfuson'; known: belfusion"):
        registry.get("belfuson")
    with pytest.raises(InputError, match="has no stage 'codebook'; it has vae, ldm"):
        registry.get("belfusion").stage("codebook")
    with pytest.raises(InputError, match=r"expected package\.module:function"):
        registry.resolve("json")
    with pytest.raises(InputError, match="no attribute 'lods'"):
        registry.resolve("json:lods")
