"""Settings of REGNN: the shipped files, variants, mistakes."""

import json
from pathlib import Path

import pytest
import yaml

from react24 import models as registry
from react24.errors import InputError
from react24.models.regnn.settings import (
    MODEL,
    GeneratorConfig,
    NetworkConfig,
    SamplingConfig,
    official_problem,
    read_settings,
    stage_inputs,
)
from react24.project.model_entries import resolve_model

CONFIG = Path(__file__).parents[3] / "config"


def shipped():
    return yaml.safe_load((CONFIG / "models" / "regnn.yaml").read_text("utf-8"))


def test_the_shipped_file_has_every_setting_at_its_official_value():
    values = shipped()
    settings = read_settings(values)
    sections = {"network": NetworkConfig, "generator": GeneratorConfig, "sampling": SamplingConfig}
    assert settings == read_settings({"training": values["training"]})
    for section, kind in sections.items():
        assert set(values[section]) == set(kind.model_fields)
    assert (settings.visual, settings.sound) == ("swin", "vggish")
    generator = settings.generator
    assert (generator.epochs, generator.batch_size, generator.batches_per_epoch) == (100, 128, 101)
    assert (generator.learning_rate, generator.weight_decay) == (1e-4, 5e-4)
    assert (generator.decay_epochs, generator.decay) == ((9,), 0.1)
    assert registry.get(values["type"]) is MODEL


@pytest.mark.parametrize("preset", ["official", "quick"])
def test_the_two_configured_models_differ_in_the_sound_alone(preset):
    models = yaml.safe_load((CONFIG / "config.yaml").read_text("utf-8"))["models"]
    vggish, wav2vec2 = (
        resolve_model(name, {**models[name], "preset": preset}, CONFIG.parent)
        for name in ("regnn_vggish", "regnn_w2v2")
    )
    assert (vggish["sound"], wav2vec2["sound"]) == ("vggish", "wav2vec2")
    assert {**vggish, "sound": None} == {**wav2vec2, "sound": None}


def test_variants():
    official, fixed = (read_settings({"variant": name}) for name in ("official", "fixed"))
    assert (official.speaker_space, fixed.speaker_space) == ("native", "zscored")
    assert (official.network.zero_padding, fixed.network.zero_padding) == (True, False)
    assert (official.network.edge_mask, fixed.network.edge_mask) == ("union", "own")
    assert (official.generator.batches_per_epoch, fixed.generator.batches_per_epoch) == (101, 0)
    assert (official.sampling.noise_limit, fixed.sampling.noise_limit) == ("clip", "element")
    assert (official.sampling.iterations, official.sampling.tolerance) == (5, 1e-3)
    assert (fixed.sampling.iterations, fixed.sampling.tolerance) == (100, 1e-5)


def test_an_explicit_setting_wins_over_the_variant():
    values = {**shipped(), "variant": "fixed", "speaker_space": "native"}
    values["network"]["edge_mask"] = "union"
    settings = read_settings(values)
    assert (settings.speaker_space, settings.network.edge_mask) == ("native", "union")
    assert settings.network.zero_padding is False


def test_settings_survive_json():
    settings = read_settings({"variant": "fixed", "visual": "faceverse", "sound": "wav2vec2"})
    assert read_settings(json.loads(json.dumps(settings.as_dict()))) == settings


def test_what_is_read():
    values = read_settings({"visual": "graphau", "sound": "wav2vec2"}).as_dict()
    training, sampling = (stage_inputs(values, part) for part in ("generator", "sampling"))
    assert training.appropriate
    assert not sampling.appropriate
    assert training.clips == {
        "visual": ("graphau", "native"),
        "sound": ("wav2vec2", "native"),
        "emotion": ("graphau", "native"),
    }
    assert sampling.clips.keys() == {"visual", "sound"}
    fixed = read_settings({"variant": "fixed"}).as_dict()
    assert stage_inputs(fixed, "sampling").clips == {
        "visual": ("swin", "zscored"),
        "sound": ("vggish", "zscored"),
    }


def test_sampling_settings_do_not_concern_training():
    values = read_settings({}).as_dict()
    other = read_settings({"sampling": {"noise": 0.5}}).as_dict()
    stage = MODEL.stage("generator")
    assert stage.settings(values) == stage.settings(other)
    assert values != other


def test_official_weights_want_official_settings():
    assert official_problem(read_settings({}).as_dict()) is None
    assert official_problem(read_settings({"sampling": {"iterations": 50}}).as_dict()) is None
    fixed = official_problem(read_settings({"variant": "fixed"}).as_dict())
    assert "speaker_space is 'zscored' (official: 'native')" in fixed
    assert "network.edge_mask is 'own' (official: 'union')" in fixed
    assert "visual is 'graphau'" in official_problem(read_settings({"visual": "graphau"}).as_dict())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"visal": "swin"}, r"visal: unknown key; did you mean models\.mine\.visual"),
        ({"visual": "mfcc"}, r"visual: found 'mfcc'; accepted is one of swin, graphau, faceverse"),
        ({"sound": "mfcc"}, r"sound: found 'mfcc'; accepted is one of vggish, wav2vec2"),
        ({"variant": "best"}, r"variant: found 'best'; accepted is one of official, fixed"),
        (
            {"speaker_space": "raw"},
            r"speaker_space: found 'raw'; accepted is one of native",
        ),
        ({"type": "belfusion"}, r"type: found 'belfusion'; accepted is one of regnn"),
        ({"network": {"width": 127}}, r"network: width must be even and a multiple of heads"),
        ({"network": {"edge_neighbours": 26}}, r"edge_neighbours must be 1 to 25"),
        ({"network": {"stride": 30}}, r"windows of 50 frames every 30 do not cover a clip"),
        ({"network": {"stride": 70}}, r"do not cover a clip of 750 frames"),
        ({"network": {"dropout": 1.0}}, r"dropout: found 1\.0; accepted is a number below 1"),
        ({"network": {"edge_mask": "all"}}, r"network\.edge_mask: found 'all'; accepted is one of"),
        ({"network": 5}, r"network: found 5; accepted is a mapping"),
        ({"generator": {"epochs": 0}}, r"generator\.epochs: found 0; accepted is"),
        (
            {"generator": {"batches_per_epoch": -1}},
            r"batches_per_epoch: found -1; accepted is",
        ),
        (
            {"generator": {"distance": "mean"}},
            r"generator\.distance: found 'mean'; accepted",
        ),
        (
            {"sampling": {"iterations": 0}},
            r"sampling\.iterations: found 0; accepted is",
        ),
        ({"sampling": {"noise": -1}}, r"sampling\.noise: found -1; accepted is"),
        ({"training": 5}, r"training: found 5; accepted is a mapping"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(InputError, match=rf"models\.mine.*{message}"):
        read_settings(values, "models.mine")
