import math

import numpy as np
import pytest

from react24.errors import InputError
from react24.metrics import evaluate, frdvs
from react24.metrics.uncertainty import (
    Terms,
    clip_terms,
    confidence_interval,
    frdvs_terms,
    mean_terms,
    paired_difference,
)


def each(count):
    return [str(i) for i in range(count)]


def interval(terms, groups, **options):
    return confidence_interval(terms, groups, level=0.95, seed=0, resamples=2000, **options)


def compare(first, second, groups, **options):
    options = {"level": 0.95, "seed": 0, "resamples": 2000} | options
    return paired_difference(mean_terms(first), mean_terms(second), groups, **options)


def test_interval_of_a_mean_is_that_of_the_normal_theory():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = interval(mean_terms(values), each(400))
    half = 1.96 * values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)
    again = interval(mean_terms(values), each(400))
    assert found == again
    other = confidence_interval(mean_terms(values), each(400), level=0.95, seed=1, resamples=2000)
    assert found != other


def test_clips_of_a_recording_that_agree_are_worth_one_clip():
    """Ten equal clips per recording: resampled one by one the interval would be too narrow by the
    square root of ten."""
    means = np.random.default_rng(1).normal(0, 1, 40)
    values, groups = np.repeat(means, 10), np.repeat(each(40), 10)
    by_recording = interval(mean_terms(values), groups)
    by_clip = interval(mean_terms(values), each(400))
    alone = interval(mean_terms(means), each(40))
    width = by_recording.high - by_recording.low
    assert width == pytest.approx(alone.high - alone.low, rel=0.05)
    assert width / (by_clip.high - by_clip.low) == pytest.approx(math.sqrt(10), rel=0.1)


def test_ratios_follow_the_number_of_what_is_defined():
    terms = Terms(np.array([10.0, 0.0, 40.0]), np.array([1.0, 0.0, 2.0]))
    assert terms.value == pytest.approx(50 / 3)
    assert terms.by_group(["a", "b", "a"]).value == terms.value
    assert math.isnan(Terms(np.zeros(3), np.zeros(3)).value)


def test_points_and_undefined_intervals():
    constant = interval(mean_terms(np.full(8, 49.0)), each(8))
    assert (constant.low, constant.high) == (49.0, 49.0)
    assert math.isnan(interval(mean_terms(np.arange(8.0)), ["one"] * 8).low)
    assert math.isnan(interval(Terms(np.zeros(8), np.zeros(8)), each(8)).high)


def test_models_that_differ_and_models_that_do_not():
    rng = np.random.default_rng(2)
    clip = rng.normal(0, 5, 200)  # clips differ far more than models: pairing matters
    a, b = clip + rng.normal(0, 1, 200), clip + rng.normal(0, 1, 200)
    same = compare(a, b, each(200))
    assert same.p > 0.05
    assert same.interval.low < 0 < same.interval.high
    better = compare(a + 0.5, b, each(200))
    assert better.p < 0.001
    assert better.interval.low > 0
    assert better.difference == pytest.approx(0.5 + (a - b).mean())
    mirrored = compare(b, a + 0.5, each(200))
    assert mirrored.p == pytest.approx(better.p, abs=1e-3)
    assert mirrored.difference == -better.difference


def test_permutation_is_exact_for_few_groups():
    """Four groups, all in favour of the first: of 16 ways to swap, 2 are as extreme."""
    found = compare(np.ones(4), np.zeros(4), each(4))
    assert found.p == pytest.approx(2 / 16)
    grouped = compare(np.ones(8), np.zeros(8), np.repeat(each(4), 2))
    assert grouped.p == pytest.approx(2 / 16)


def test_swapping_keeps_numerator_and_denominator_together():
    lags = Terms(np.array([10.0, 0, 0, 0, 9, 8]), np.array([1.0, 0, 0, 0, 1, 1]))
    found = paired_difference(lags, lags, each(6), level=0.9, seed=0, resamples=500)
    assert found.difference == 0
    assert found.p == 1.0


def test_only_the_same_clips_are_compared():
    with pytest.raises(InputError, match="8 clips against 7"):
        compare(np.zeros(8), np.zeros(7), each(8))


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(3)
    level = rng.normal(0, 1, (24, 1, 1, 25))
    predictions = (level + rng.standard_normal((24, 4, 60, 25))).astype(np.float32)
    predictions[5, :, :, 3] = 0.25
    truth, speaker = rng.random((2, 24, 60, 25), np.float32)
    scores = evaluate(predictions, truth, speaker, np.eye(24))
    return predictions, scores


def test_terms_of_every_number_give_the_number(scored):
    predictions, scores = scored
    terms = clip_terms(scores.per_clip, 4, frdvs_terms(predictions, scores.frdvs.mean))
    expected = scores.official | scores.corrected
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name].value == pytest.approx(value, rel=1e-9), name


def test_parts_of_frdvs_resample_like_all_its_pairs(scored):
    """Against the bootstrap over clips with all pairs of different clips, which costs N²."""
    predictions, _ = scored
    found = interval(frdvs_terms(predictions, predictions.mean(axis=0)), each(24))
    flat = predictions.reshape(24, 4, -1).astype(np.float64)
    pairs = np.square(flat[:, None] - flat[None]).mean(axis=(2, 3))  # (24, 24)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(2000):
        weight = np.bincount(rng.integers(0, 24, 24), minlength=24).astype(float)
        both = np.outer(weight, weight) * ~np.eye(24, dtype=bool)
        drawn.append((both * pairs).sum() / both.sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert frdvs(predictions).official == pytest.approx(pairs.sum() / (24 * 23), rel=1e-6)
    width = high - low
    assert found.high - found.low == pytest.approx(width, rel=0.15)
    assert abs(found.low - low) < 0.2 * width
    assert abs(found.high - high) < 0.2 * width


def test_a_clip_alone_has_no_diversity_between_clips():
    with pytest.raises(InputError, match="found 1"):
        frdvs_terms(np.zeros((1, 2, 60, 25)), np.zeros((2, 60, 25)))
