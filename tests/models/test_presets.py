"""Settings that a type brings along: those of the shipped files, without them."""

from pathlib import Path

import pytest

from react24 import models
from react24.contracts.model_settings import by_variant
from react24.project.model_entries import resolve_model

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("preset", ["official", "quick"])
@pytest.mark.parametrize("model", models.names())
def test_a_type_named_in_place_of_a_file_has_its_settings(model, preset, tmp_path):
    shipped = resolve_model(model, {"preset": preset}, REPOSITORY)
    assert resolve_model("mine", {"settings": model, "preset": preset}, tmp_path) == shipped


def test_switches_stand_side_by_side():
    assert by_variant({"a": (1, 2), "section": {"b": (3, None)}}) == {
        "official": {"a": 1, "section": {"b": 3}},
        "fixed": {"a": 2, "section": {}},
    }
