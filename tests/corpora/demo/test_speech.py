"""The stored sentences and the mouth shapes made from them."""

import numpy as np
import pytest

from react24.corpora.demo import speech
from react24.corpora.demo.visemes import mouth_from_speech
from react24.errors import InputError


def test_every_listed_sentence_is_there_and_no_other():
    listed = {s.file for s in speech.list_sentences()}
    stored = {p.name for p in speech.SPEECH_FOLDER.glob("*.flac")}
    assert listed == stored
    assert len(speech.list_voices()) == 4
    assert sum((speech.SPEECH_FOLDER / f).stat().st_size for f in stored) < 1_000_000


@pytest.mark.parametrize("voice", speech.list_voices())
def test_voice_is_audible_speech(voice):
    for samples in speech.load_voice(voice):
        assert samples.dtype == np.float32
        assert 1.0 < len(samples) / speech.SPEECH_RATE < 2.5
        assert np.abs(samples).max() == pytest.approx(0.7, abs=0.01)
        assert np.abs(samples[:160]).max() > 0.001


def test_unknown_voice_names_the_known_ones():
    with pytest.raises(InputError, match="en-us"):
        speech.load_voice("nobody")


def test_mouth_is_still_outside_of_the_sentence_and_open_inside():
    samples = speech.load_voice("en-us+m3")[0]
    length = len(samples) / speech.SPEECH_RATE
    times = np.arange(-25, 75) / 25.0
    shapes = mouth_from_speech(samples, times)
    outside = (times < -0.15) | (times > length + 0.15)
    for name, shape in shapes.items():
        assert shape.shape == times.shape
        assert shape[outside].max() == 0.0, name
        assert 0.0 <= shape.min() <= shape.max() <= 1.0
    assert shapes["jawOpen"][~outside].max() > 0.5


def test_low_tones_round_the_lips_and_high_ones_spread_them():
    seconds = np.arange(speech.SPEECH_RATE) / speech.SPEECH_RATE
    times = np.arange(5, 20) / 25.0
    low = mouth_from_speech(0.5 * np.sin(2 * np.pi * 400 * seconds), times)
    high = mouth_from_speech(0.5 * np.sin(2 * np.pi * 2500 * seconds), times)
    assert low["mouthFunnel"].min() > 0.5
    assert low["mouthStretch"].max() < 0.01
    assert high["mouthStretch"].min() > 0.3
    assert high["mouthFunnel"].max() < 0.01


@pytest.mark.parametrize("count", [44_100, 8_000, 16_001])
def test_resampling_keeps_a_tone(count):
    seconds = np.arange(16_000) / 16_000
    envelope = np.sin(np.pi * seconds) ** 2
    tone = envelope * np.sin(2 * np.pi * 300 * seconds)
    later = np.arange(count) / count
    expected = np.sin(np.pi * later) ** 2 * np.sin(2 * np.pi * 300 * later)
    assert speech.resample(tone, count) == pytest.approx(expected, abs=1e-4)
