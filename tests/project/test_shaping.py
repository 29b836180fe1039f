"""Which settings change no number, said once for recipes and for checkpoints."""

import os
import subprocess
import sys

import pytest

from react24.project.shaping import CHANGES_NOTHING, shaping
from react24.training.settings import LoopSettings
from react24.workflow.codedigest import SOURCE

SETTINGS = {
    "type": "belfusion",
    "vae": {"epochs": 3, "prefetch": 2},
    "training": {"precision": "32-true", "checkpoint_seconds": 60.0, "max_memory_mb": 1.0},
}
KEPT = {
    "type": "belfusion",
    "vae": {"epochs": 3, "prefetch": 2},  # of a user's own model, say: who knows what it does
    "training": {"precision": "32-true"},
}


def test_what_changes_no_number_is_left_out_wherever_its_section_stands():
    before = str(SETTINGS)
    assert shaping(SETTINGS) == KEPT
    assert shaping({"models": {"mine": SETTINGS}, "n": [SETTINGS, 1]}) == {
        "models": {"mine": KEPT},
        "n": [KEPT, 1],
    }
    assert str(SETTINGS) == before
    assert shaping({"training": None, "prefetch": True}) == {"training": None, "prefetch": True}


@pytest.mark.parametrize("value", [None, 1, "a", True, 0.5, [], {}])
def test_other_values_are_left_as_they_are(value):
    assert shaping(value) == value


def test_every_setting_named_is_one_of_the_loop():
    assert set(CHANGES_NOTHING) == {"training"}
    assert set(CHANGES_NOTHING["training"]) <= LoopSettings.model_fields.keys() | COMING


COMING = {"keep_checkpoints"}


def test_checkpoints_go_by_the_same_settings():
    ours = {"checkpoint_seconds": 1.0, "checkpoint_steps": 7, "max_memory_mb": 0.0}
    ours |= {"prefetch": True}
    assert LoopSettings(**ours).shaping() == LoopSettings().shaping()
    assert LoopSettings(validate_every=1).shaping() != LoopSettings().shaping()
    assert LoopSettings().shaping().keys() | set(CHANGES_NOTHING["training"]) >= set(
        LoopSettings.model_fields
    )


def test_a_start_of_a_job_may_ask():
    told = (
        "import sys, react24.project.shaping\nprint({'pydantic', 'numpy', 'h5py'} & {*sys.modules})"
    )
    here = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", told], env=here, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
