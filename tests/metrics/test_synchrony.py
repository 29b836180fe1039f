import math

import numpy as np
import pytest

from react24.errors import InputError
from react24.metrics import tlcc
from react24.metrics.tlcc import correlation_by_lag


def smooth(seed, frames=300, margin=100):
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((frames + margin + 20, 25))
    return np.stack([np.convolve(c, np.ones(21), "valid") for c in noise.T], axis=1).astype("f4")


def followed(lag, seed=0):
    """A speaker and a reaction that comes ``lag`` frames later."""
    track = smooth(seed)
    return track[50 - lag : 350 - lag][None, None], track[50:350][None]


@pytest.mark.parametrize("lag", [0, 1, -1, 13, -40, 49, -49])
def test_known_lag(lag):
    result = tlcc(*followed(lag))
    assert result.offsets.item() == -lag
    assert result.official == abs(lag)


def test_against_corrcoef():
    reaction, speaker = smooth(1)[:120], smooth(2)[:120]
    found = correlation_by_lag(reaction[None], speaker)[0]
    for lag in (-49, -7, 0, 1, 30, 49):
        width = 120 - abs(lag)
        x, y = reaction[max(lag, 0) :][:width], speaker[max(-lag, 0) :][:width]
        expected = [np.corrcoef(x[:, c], y[:, c])[0, 1] for c in range(25)]
        np.testing.assert_allclose(found[lag + 49], expected, atol=1e-7)


def test_windows_that_hardly_vary_stay_precise():
    reaction, speaker = smooth(1)[:120].copy(), smooth(2)[:120]
    reaction[:, 4] = 0.5 + 1e-6 * reaction[:, 4]
    reaction[:10, 4] = 1000.0  # a burst that is outside the windows of lags from 10 on
    expected = np.corrcoef(reaction[20:, 4], speaker[:-20, 4])[0, 1]
    assert correlation_by_lag(reaction[None], speaker)[0, 49 + 20, 4] == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 0.3])
@pytest.mark.parametrize("whose", ["speaker", "reaction"])
def test_one_constant_channel_makes_it_49(constant, whose):
    reaction, speaker = followed(5)
    (speaker[0] if whose == "speaker" else reaction[0, 0])[:, 9] = constant
    result = tlcc(reaction, speaker)
    assert result.offsets.item() == 49
    assert result.official == 49.0
    assert result.defined == 5.0  # the other 24 channels still say it
    assert result.defined_share == 1.0


@pytest.mark.parametrize(
    ("whose", "active", "offset"),
    [
        ("speaker", slice(0, 10), 49),
        ("speaker", slice(-10, None), 10),
        ("reaction", slice(0, 10), 10),
        ("reaction", slice(-10, None), 49),
        ("speaker", slice(150, 151), None),
    ],
)
def test_channel_active_only_near_an_end(whose, active, offset):
    reaction, speaker = followed(5)
    target = speaker[0] if whose == "speaker" else reaction[0, 0]
    kept = target[active, 9].copy()
    target[:, 9] = 0.0
    target[active, 9] = kept
    found = abs(tlcc(reaction, speaker).offsets.item())
    assert found == (5 if offset is None else offset)


def test_without_a_defined_channel_there_is_no_offset():
    _, speaker = followed(0)
    flat = np.full((1, 2, 300, 25), 0.5, np.float32)
    result = tlcc(flat, speaker)
    assert result.official == 49.0
    assert math.isnan(result.defined)
    assert result.defined_share == 0.0
    assert not result.is_defined.any()
    mixed = flat.copy()
    mixed[0, 1] = followed(8)[0][0, 0]
    result = tlcc(mixed, speaker)
    assert (result.defined, result.defined_share) == (8.0, 0.5)


def test_official_counts_the_first_sample_only():
    late, speaker = followed(5)
    later, _ = followed(20)
    result = tlcc(np.concatenate([late, later], axis=1), speaker)
    assert result.official == 5.0
    assert result.all_samples == 12.5


def test_periodic_signals_take_the_first_of_equal_maxima():
    period = np.arange(300)[:, None] % 20
    wave = np.where(period < 10, period, 20 - period).astype(np.float32) * np.ones(25, "f4")
    # Correlation is 1 at lags -40, -20, 0, ...; rounding to float32 makes them equal.
    assert tlcc(wave[None, None], wave[None]).offsets.item() == 40


def test_short_clips_are_refused():
    reaction, speaker = followed(0)
    tlcc(reaction[:, :, :51], speaker[:, :51])
    with pytest.raises(InputError, match="at least 51 frames; found 50"):
        tlcc(reaction[:, :, :50], speaker[:, :50])
    with pytest.raises(InputError, match="speaker behaviour has shape"):
        tlcc(reaction, speaker[:, :-1])
