"""The worked examples of ``docs/metrics.md``, number by number."""

import math

import numpy as np
import pytest

from react24.metrics import evaluate, frcorr, frdist, tlcc

FRAMES = 750


def smooth(rng, *shape):
    """Movement that varies over about a second, (..., 850, 25); the examples cut windows of it."""
    kernel = np.hanning(25) / np.sqrt((np.hanning(25) ** 2).sum())
    noise = rng.standard_normal((*shape, FRAMES + 100 + 24, 25))
    return np.apply_along_axis(np.convolve, -2, noise, kernel, "valid").astype(np.float32)


@pytest.fixture(scope="module")
def clip():
    return smooth(np.random.default_rng(0), 1)


def delayed(clip, lag):
    """The movement of ``clip``, ``lag`` frames later."""
    return clip[:, 50 - lag : 50 - lag + FRAMES]


def repeated(reaction, samples):
    return np.repeat(reaction[:, None], samples, axis=1)


def test_sums_over_samples(clip):
    truth = delayed(clip, 0)
    reaction = (0.5 * truth + 0.1).astype(np.float32)
    by_samples = {s: frcorr(repeated(reaction, s), truth, np.eye(1)) for s in (1, 5, 10)}
    for samples, found in by_samples.items():
        assert found.official == pytest.approx(samples * by_samples[1].official, rel=1e-9)
        assert found.mean == pytest.approx(by_samples[1].official, rel=1e-9)
    assert by_samples[10].official == pytest.approx(7.93, abs=0.01)
    distances = [frdist(repeated(reaction, s), truth, np.eye(1)) for s in (1, 10)]
    assert distances[1].official == pytest.approx(10 * distances[0].official)
    assert distances[1].mean == pytest.approx(distances[0].official)


def test_truth_with_constant_channels(clip):
    truth = delayed(clip, 0).copy()
    truth[..., :5] = 1.0  # five AUs that do not change within these 30 seconds
    found = frcorr(repeated(truth, 10), truth, np.eye(1))
    assert found.official == pytest.approx(8.0, abs=1e-3)
    assert found.exact_mean == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("std", "official"), [(1.0, 0.99999999), (0.01, 0.99995), (0.001, 0.995), (1e-4, 0.667)]
)
def test_quiet_channels(clip, std, official):
    truth = delayed(clip, 0)
    truth = ((truth - truth.mean(1)) / truth.std(1) * std).astype(np.float32)
    found = frcorr(repeated(truth, 1), truth, np.eye(1))
    assert found.official == pytest.approx(official, abs=1e-3)
    assert found.exact_mean == pytest.approx(1.0, abs=1e-9)


def test_one_frozen_channel(clip):
    speaker, reaction = delayed(clip, 0), delayed(clip, 7).copy()
    before = tlcc(repeated(reaction, 1), speaker)
    assert before.official == before.defined == 7
    reaction[..., 3] = 0.0
    after = tlcc(repeated(reaction, 1), speaker)
    assert after.official == 49
    assert (after.defined, after.defined_share) == (7, 1)


def test_first_sample_alone(clip):
    reactions = np.stack([delayed(clip, lag) for lag in (3, *[20] * 9)], axis=1)
    found = tlcc(reactions, delayed(clip, 0))
    assert found.official == 3
    assert found.all_samples == found.defined == pytest.approx(18.3)


def test_diversity():
    rng = np.random.default_rng(0)
    other = smooth(rng, 20)[:, :FRAMES]
    uniform = rng.random((20, 10, FRAMES, 25), np.float32)  # the baseline Random
    found = evaluate(uniform, other, other, np.eye(20))
    assert found.official["FRVar"] == pytest.approx(1 / 12, abs=1e-4)
    assert found.official["FRDiv"] == pytest.approx(1 / 6, abs=1e-3)
    assert found.official["FRDvs"] == pytest.approx(1 / 6, abs=1e-3)
    assert found.corrected["FRDvs_between"] == pytest.approx(0, abs=1e-4)
    one = evaluate(uniform[:, :1], other, other, np.eye(20))
    assert one.official["FRDiv"] == 0
    assert math.isnan(one.corrected["FRDiv_defined"])


def test_more_appropriate_reactions_help_whatever_the_model_does():
    """FRCorr of reactions that have nothing to do with anything, by the size of A(n)."""
    rng = np.random.default_rng(0)
    truth, reactions = smooth(rng, 20)[:, :FRAMES], smooth(rng, 20, 1)[:, :, :FRAMES]
    found = []
    for size in (1, 5, 20):
        matrix = np.stack([np.roll(np.arange(20) < size, row) for row in range(20)])
        found.append(frcorr(reactions, truth, matrix.astype(float)).official)
    assert found == pytest.approx([-0.001, 0.025, 0.047], abs=1e-3)
