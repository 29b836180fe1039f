"""Settings of BeLFusion: the shipped file, variants, mistakes."""

import json
from pathlib import Path

import pytest
import yaml

from react24.errors import InputError
from react24.models.belfusion.settings import (
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
    assert set(shipped["vae"]) == set(VAEConfig.__dataclass_fields__)
    assert set(shipped["ldm"]) == set(LDMConfig.__dataclass_fields__)
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
        ({"vae": {"epoch": 3}}, r"vae: unknown key 'epoch'; did you mean 'epochs'"),
        ({"varaint": "fixed"}, r"unknown key 'varaint'; did you mean 'variant'"),
        ({"variant": "best"}, r"variant: 'best' is not one of official, fixed"),
        ({"speaker_space": "raw"}, r"speaker_space: 'raw' is not one of native, zscored"),
        ({"type": "regnn"}, r"type: expected belfusion, found 'regnn'"),
        ({"vae": {"code": "mu"}}, r"vae.code: 'mu' is not one of 'state', 'mean'"),
        ({"vae": {"epochs": 1.5}}, r"vae.epochs: expected int, found 1.5"),
        ({"vae": {"epochs": True}}, r"vae.epochs: expected int, found True"),
        ({"vae": {"batch_size": 0}}, r"vae: batch_size must be positive, found 0"),
        ({"vae": {"read_out": 64}}, r"vae.read_out: expected a list, found 64"),
        ({"vae": {"read_out": []}}, r"read_out must be positive sizes"),
        ({"vae": {"hidden": 64}}, r"make hidden and latent equal or choose code: mean"),
        ({"vae": 3}, r"vae: expected a mapping of settings, found 3"),
        ({"ldm": {"layers": 1}}, r"layers must be at least 2"),
        ({"ldm": {"time_channels": 7}}, r"time_channels must be even"),
        ({"ldm": {"weight_code": -1}}, r"weight_code must not be negative"),
        ({"ldm": {"latent": 64}}, r"vae.latent is 128, ldm.latent is 64; they must be equal"),
        ({"training": 5}, r"training: expected a mapping"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(InputError, match=rf"^models\.mine.*{message}"):
        read_settings(values, "models.mine")
