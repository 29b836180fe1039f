"""Settings of TranVAE: the shipped file, variants, mistakes."""

from pathlib import Path

import pytest
import yaml

from react24.errors import InputError
from react24.models.learning2listen.settings import (
    VARIANTS,
    CodebookConfig,
    EmotionConfig,
    PredictorConfig,
    SamplingConfig,
    TranvaeSettings,
    read_settings,
)

SHIPPED = Path(__file__).parents[3] / "config" / "models" / "tranvae.yaml"
SECTIONS = {
    "codebook": CodebookConfig,
    "predictor": PredictorConfig,
    "emotion": EmotionConfig,
    "sampling": SamplingConfig,
}


def test_the_shipped_file_has_every_setting_at_its_official_value():
    values = yaml.safe_load(SHIPPED.read_text())
    assert read_settings(values) == read_settings({"training": values["training"]})
    assert values.keys() == TranvaeSettings.model_fields.keys()
    for name, kind in SECTIONS.items():
        assert values[name].keys() == kind.model_fields.keys()
        assert all(field.description for field in kind.model_fields.values())


@pytest.mark.parametrize("variant", ["official", "fixed"])
def test_what_is_open_follows_the_variant(variant):
    resolved = read_settings({"variant": variant, "predictor": {"mask": None}}).as_dict()
    for section, values in VARIANTS[variant].items():
        assert resolved[section].items() >= values.items()
    explicit = read_settings({"variant": variant, "codebook": {"restart": variant == "official"}})
    assert explicit.codebook.restart is (variant == "official")


@pytest.mark.parametrize(
    ("sound", "shape"), [("vggish", (128, 1)), ("wav2vec2", (768, 1)), ("logmel", (128, 4))]
)
def test_rows_of_the_sound_follow_its_stream(sound, shape):
    settings = read_settings({"sound": sound})
    assert (settings.sound_dim, settings.sound_rate) == shape
    assert read_settings({"sound": sound, "sound_rate": 2}).sound_rate == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sound": "mfcc"}, "sound: found 'mfcc'; accepted is one of vggish, wav2vec2, logmel"),
        ({"sound_dim": 0}, "sound_dim: found 0; accepted is a number above 0"),
        ({"smooth": "yes"}, "smooth: found 'yes'; accepted is true or false"),
        ({"codebook": {"window": 30}}, "codebook: a window of 30 cannot be halved 3 times"),
        ({"codebook": {"heads": 5}}, "codebook: hidden 256 is not a multiple of heads 5"),
        ({"codebook": {"hidden": 30, "heads": 5}}, "channel_blocks cuts hidden 30 into 4 blocks"),
        ({"codebook": {"parts": []}}, r"codebook\.parts: found \[\]"),
        ({"predictor": {"hidden": 201}}, "predictor: hidden 201 is not a multiple of heads 10"),
        ({"predictor": {"warmup_share": 0}}, r"warmup_share: found 0; accepted is a number above"),
        ({"sampling": {"top_p": 1.5}}, r"top_p: found 1\.5; accepted is a number up to 1"),
        ({"emotion": {"decoded": 2}}, "decoded: found 2; accepted is a number up to 1"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(InputError, match=rf"models\.mine.*{message}"):
        read_settings(values, "models.mine")
