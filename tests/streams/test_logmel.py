"""The log-mel stream: what a tone gives, where rows lie in time, what is known."""

import numpy as np
import pytest

from react24.errors import InputError
from react24.streams.logmel import BANDS, FLOOR, HOP, LOW, RATE, ROWS, WINDOW, LogMel
from react24.streams.mel import hertz_to_mel
from react24.streams.sources import SoundSource

TICK = RATE // 25


def extract(samples, known=None, frames=None):
    frames = frames or len(samples) // TICK
    return LogMel().extract(SoundSource(samples.astype(np.float32), frames, known, "a test"))


def bands(values):
    """(T, 512) as (4 T, 128): one row per 10 ms."""
    return values.reshape(-1, BANDS)


@pytest.mark.parametrize("frequency", [200.0, 1000.0, 6000.0])
def test_a_tone_is_in_its_band(frequency):
    time = np.arange(20 * TICK) / RATE
    found = bands(extract(0.5 * np.sin(2 * np.pi * frequency * time)).values)[8:-8]
    edges = np.linspace(hertz_to_mel(LOW), hertz_to_mel(RATE / 2), BANDS + 2)
    centre = np.abs(edges[1:-1] - hertz_to_mel(frequency)).argmin()
    assert (np.abs(found.argmax(axis=1) - centre) <= 1).all()
    # Half of full scale: -3 - 6 dB, spread over a few bins that a band weighs by less than 1.
    assert (np.abs(found.max(axis=1) + 9.0) < 3.0).all()
    assert np.ptp(found.max(axis=1)) < 0.1


def test_silence_is_the_floor_and_doubling_is_six_decibels():
    assert (extract(np.zeros(4 * TICK)).values == 10 * np.log10(FLOOR)).all()
    noise = 0.1 * np.random.default_rng(0).standard_normal(8 * TICK)
    difference = extract(2 * noise).values - extract(noise).values
    np.testing.assert_allclose(difference, 20 * np.log10(2), atol=1e-3)


def test_a_row_is_centred_on_its_ten_milliseconds():
    click = np.zeros(20 * TICK)
    place = 10 * TICK + 2 * HOP + HOP // 2  # the middle of row 2 of frame 10
    click[place] = 1.0
    loudness = bands(extract(click).values).mean(axis=1)
    assert loudness.argmax() == 10 * ROWS + 2
    np.testing.assert_allclose(loudness[41], loudness[43], atol=1e-3)
    heard = np.flatnonzero(loudness > 10 * np.log10(FLOOR))
    assert np.array_equal(heard, np.arange(42 - WINDOW // 2 // HOP, 43 + WINDOW // 2 // HOP))


def test_frames_beside_the_unknown_are_not_valid():
    known = np.ones(12, bool)
    known[5] = False
    noise = 0.1 * np.random.default_rng(0).standard_normal(12 * TICK)
    found = extract(noise, known)
    assert np.flatnonzero(~found.valid).tolist() == [0, 4, 5, 6, 11]
    short = extract(noise[:-100], frames=12)
    assert np.flatnonzero(~short.valid).tolist() == [0, 10, 11]


def test_the_number_of_blocks_does_not_matter():
    noise = 0.1 * np.random.default_rng(0).standard_normal(150 * TICK)
    whole, part = extract(noise).values, extract(noise[: 30 * TICK]).values
    np.testing.assert_allclose(whole[:28], part[:28], atol=1e-4)
    assert whole.shape == (150, ROWS * BANDS)
    assert len(set(LogMel().feature_names)) == ROWS * BANDS


def test_sound_of_another_rate_is_refused():
    with pytest.raises(InputError, match="is the sound at another sample rate"):
        extract(np.zeros(12 * 640), frames=12)
