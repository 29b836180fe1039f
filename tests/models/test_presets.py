"""Settings that a type brings along: those of the shipped files, without them."""

from pathlib import Path

import pytest

from react24 import models
from react24.contracts.model_settings import by_variant
from react24.project.model_entries import resolve_model
from react24.training.settings import read_loop_settings

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("preset", ["official", "quick"])
@pytest.mark.parametrize("model", models.names())
def test_a_type_brings_the_settings_of_the_shipped_file_along(model, preset, tmp_path):
    shipped = resolve_model(model, {"preset": preset}, REPOSITORY)
    alone = resolve_model(model, {"preset": preset}, tmp_path)
    named = resolve_model("other", {"settings": model, "preset": preset}, tmp_path)
    assert named == alone
    loops = [read_loop_settings(found.pop("training"), epochs=1) for found in (shipped, alone)]
    assert shipped == alone
    assert loops[0] == loops[1]
    entry = {"overrides": {"training": {"patience": 3, "keep_best": "loss"}}}
    assert resolve_model(model, entry, tmp_path)["training"]["patience"] == 3


def test_switches_stand_side_by_side():
    assert by_variant({"a": (1, 2), "section": {"b": (3, None)}}) == {
        "official": {"a": 1, "section": {"b": 3}},
        "fixed": {"a": 2, "section": {}},
    }
