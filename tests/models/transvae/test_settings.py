import json
from pathlib import Path

import pytest
import yaml

from react24 import models as registry
from react24.contracts.model import SAMPLING
from react24.errors import InputError
from react24.models.transvae.settings import VARIANTS, read_settings

FILE = Path(__file__).parents[3] / "config" / "models" / "transvae.yaml"


def test_the_file_holds_the_official_values():
    settings = read_settings(yaml.safe_load(FILE.read_text()))
    assert settings == read_settings({"training": dict(settings.training)})
    assert settings.variant == "official"
    for name, value in VARIANTS["official"]["transvae"].items():
        assert getattr(settings.transvae, name) == value


def test_the_file_names_every_setting():
    values = yaml.safe_load(FILE.read_text())
    resolved = read_settings(values).as_dict()
    assert values.keys() == resolved.keys()
    assert values["transvae"].keys() == resolved["transvae"].keys()


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_settings_read_back(variant):
    settings = read_settings({"variant": variant, "transvae": {"online": True, "window": 20}})
    again = read_settings(json.loads(json.dumps(settings.as_dict())))
    assert again == settings
    assert None not in settings.as_dict()["transvae"].values()


def test_a_switch_wins_over_the_variant():
    values = {"speaker_positions": False, "window": 10}
    config = read_settings({"variant": "fixed", "transvae": values}).transvae
    assert config.speaker_positions is False
    assert config.fill_last_window is True
    assert config.evaluation_window == 10
    official = read_settings({"transvae": values}).transvae
    assert official.evaluation_window == 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"transvae": {"windows": 3}}, r"did you mean settings\.transvae\.window\?"),
        ({"transvae": {"norm_statistics": "batch"}}, "accepted is one of prefix, running"),
        ({"transvae": {"frame_size": 4}}, "frame_size: found 4; accepted is a number from 5"),
        ({"transvae": {"width": 30}}, "multiple of 8"),
        ({"transvae": {"online": True, "window": 300}}, "must fit into clip_length"),
        ({"transvae": {"dropout": 1.0}}, r"dropout: found 1\.0; accepted is a number below 1"),
        ({"transvae": {"clip_length": 9000}}, "clip_length: found 9000; .* up to 5000"),
        ({"transvae": {"coefficient_dim": 52}}, "coefficient_dim: found 52; .* above 52"),
        ({"variant": "new"}, "variant"),
        ({"speaker_space": "unit"}, "speaker_space"),
        ({"vae": {}}, r"vae: unknown key; did you mean settings\.transvae\?"),
        ({"variant": ""}, "variant: found ''; accepted is one of official, fixed"),
        ({"training": []}, r"training: found \[\]; accepted is a mapping"),
    ],
)
def test_wrong_settings_are_named(values, message):
    with pytest.raises(InputError, match=message):
        read_settings(values)


def test_what_it_reads():
    kind = registry.get("transvae")
    settings = kind.read_settings({"transvae": {"frame_size": 64}}, "transvae")
    training = kind.stage_inputs(settings, "transvae")
    assert training.frames
    assert training.frame_size == 64
    assert set(training.streams) == {"mfcc", "graphau", "faceverse"}
    sampling = kind.stage_inputs(settings, SAMPLING)
    assert sampling.frames
    assert sampling.streams == ("mfcc",)
