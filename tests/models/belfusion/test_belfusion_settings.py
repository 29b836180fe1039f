"""Settings of BeLFusion: the shipped file, variants, mistakes."""

import json
from pathlib import Path

import pytest
import yaml

from react24.errors import InputError, InputErrors
from react24.models.belfusion.settings import (
    BelfusionSettings,
    LDMConfig,
    VAEConfig,
    read_settings,
    stage_inputs,
)

SHIPPED = Path(__file__).parents[3] / "config" / "models" / "belfusion.yaml"


@pytest.fixture
def shipped():
    return yaml.safe_load(SHIPPED.read_text("utf-8"))


def test_shipped_file_has_every_setting_at_its_official_value(shipped):
    settings = read_settings(shipped)
    assert settings == read_settings({**shipped, "vae": {}, "ldm": {}})
    assert set(shipped["vae"]) == set(VAEConfig.model_fields)
    assert set(shipped["ldm"]) == set(LDMConfig.model_fields)
    vae, ldm = settings.vae, settings.ldm
    assert (vae.epochs, vae.batch_size) == (1000, 32)
    assert (vae.learning_rate, vae.weight_decay, vae.weight_kld) == (1e-3, 5e-4, 1e-5)
    assert (ldm.epochs, ldm.batch_size) == (100, 32)
    assert (ldm.learning_rate, ldm.weight_decay) == (1e-4, 5e-4)
    assert (ldm.steps, ldm.draws, ldm.layers, ldm.hidden) == (10, 10, 10, 1024)


def test_variants(shipped):
    official = read_settings(shipped)
    assert (official.vae.code, official.vae.coefficient_target) == ("state", "zero")
    assert (official.ldm.window_start, official.ldm.discard_draws) == ("first_window", True)
    fixed = read_settings({**shipped, "variant": "fixed"})
    assert (fixed.vae.code, fixed.vae.coefficient_target) == ("mean", "standardised")
    assert (fixed.ldm.window_start, fixed.ldm.discard_draws) == ("whole_clip", False)


def test_an_explicit_setting_wins_over_the_variant(shipped):
    vae = {**shipped["vae"], "code": "state"}
    settings = read_settings({**shipped, "variant": "fixed", "vae": vae})
    assert settings.vae.code == "state"
    assert settings.vae.coefficient_target == "standardised"


def test_settings_survive_json(shipped):
    settings = read_settings({**shipped, "variant": "fixed", "speaker_space": "zscored"})
    again = read_settings(json.loads(json.dumps(settings.as_dict())))
    assert again == settings
    read = stage_inputs(settings.as_dict(), "sampling").clips
    assert read == {"speaker": ("graphau", "zscored")}


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert read_settings({"vae": {"learning_rate": "1e-4"}}).vae.learning_rate == 1e-4


def test_latent_and_window_of_stage_2_follow_stage_1():
    settings = read_settings({"vae": {"latent": 64, "hidden": 64, "window": 25}})
    assert (settings.ldm.latent, settings.ldm.window) == (64, 25)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"vae": {"epoch": 3}}, r"vae\.epoch: unknown key; did you mean models\.mine\.vae\.epochs"),
        ({"varaint": "fixed"}, r"varaint: unknown key; did you mean models\.mine\.variant"),
        ({"variant": "best"}, r"variant: found 'best'; accepted is one of official, fixed"),
        (
            {"speaker_space": "raw"},
            r"speaker_space: found 'raw'; accepted is one of native",
        ),
        ({"type": "regnn"}, r"type: found 'regnn'; accepted is one of belfusion"),
        ({"vae": {"code": "mu"}}, r"vae\.code: found 'mu'; accepted is one of state, mean"),
        ({"vae": {"epochs": 1.5}}, r"vae\.epochs: found 1\.5; accepted is a whole number"),
        ({"vae": {"epochs": True}}, r"vae\.epochs: found true; accepted is a whole number"),
        ({"vae": {"batch_size": 0}}, r"vae\.batch_size: found 0; accepted is a number above 0"),
        ({"vae": {"read_out": 64}}, r"vae\.read_out: found 64; accepted is a list"),
        ({"vae": {"read_out": []}}, r"vae\.read_out: found \[\]; accepted is something"),
        ({"vae": {"read_out": [64, 0]}}, r"vae\.read_out\[1\]: found 0"),
        ({"vae": {"hidden": 64}}, r"make hidden and latent equal or choose code: mean"),
        ({"vae": 3}, r"vae: found 3; accepted is a mapping"),
        ({"ldm": {"layers": 1}}, r"ldm\.layers: found 1; accepted is a number from 2"),
        (
            {"ldm": {"time_channels": 7}},
            r"ldm\.time_channels: found 7; .* a multiple of 2",
        ),
        ({"ldm": {"weight_code": -1}}, r"ldm\.weight_code: found -1; accepted is a number from 0"),
        ({"ldm": {"latent": 64}}, r"vae.latent is 128, ldm.latent is 64; they must be equal"),
        ({"training": 5}, r"training: found 5; accepted is a mapping"),
        (5, r"found 5; accepted is a mapping"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(InputError, match=rf"models\.mine.*{message}"):
        read_settings(values, "models.mine")


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InputErrors) as error:
        read_settings({"vae": {"epochs": 0, "windw": 3}, "ldm": {"steps": "a"}}, "mine")
    assert [text.partition(":")[0] for text in error.value.problems] == [
        "mine.vae.epochs",
        "mine.vae.windw",
        "mine.ldm.steps",
    ]


def test_a_changed_copy_is_checked_again():
    config = VAEConfig(code="mean")
    assert config.replace(hidden=64).hidden == 64
    with pytest.raises(ValueError, match="make hidden and latent equal"):
        config.replace(hidden=64, code="state")


def test_every_setting_is_described():
    for kind in (BelfusionSettings, VAEConfig, LDMConfig):
        assert all(field.description for field in kind.model_fields.values())
