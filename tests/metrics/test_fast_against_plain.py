"""The vectorised, pruned kernels against the plainest code that says the same."""

import numpy as np
import pytest
from helpers.two_sequences import block_distances
from hypothesis import given, settings
from hypothesis import strategies as st

from react24.dtw.lanes import LaneWarper
from react24.dtw.nearest import nearest_distances, prepare
from react24.dtw.plain import weighted
from react24.dtw.vectors import LANES
from react24.errors import InputError
from react24.metrics import evaluate, frdist, frdiv, frdvs, frvar, tlcc
from react24.metrics.tlcc import correlation_by_lag

examples = settings(deadline=None, database=None, max_examples=40)

KINDS = ("noise", "smooth", "binary", "constant", "coarse", "offset")


def draw_sequences(seed, kind, *shape):
    """Sequences (..., T, 25) of a kind that some shortcut might get wrong."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    if kind == "smooth":
        noise = np.cumsum(noise, axis=-2) / 5
    elif kind == "binary":
        noise = (noise > 0.8).astype(float)
    elif kind == "constant":
        noise = np.broadcast_to(noise[..., :1, :], shape)
    elif kind == "coarse":  # many equal costs, hence many equal paths
        noise = np.round(noise)
    elif kind == "offset":  # differences that are small beside the values
        noise = 1000 + noise / 100
    return np.ascontiguousarray(noise, np.float32)


def plain_dtw(x, y):
    """The textbook recurrence: sum of squares along the best path."""
    cost = ((x[:, None].astype(float) - y[None].astype(float)) ** 2).sum(axis=-1)
    total = np.full((len(x) + 1, len(y) + 1), np.inf)
    total[0, 0] = 0.0
    for i, row in enumerate(cost):
        for j, here in enumerate(row):
            total[i + 1, j + 1] = here + min(total[i, j], total[i, j + 1], total[i + 1, j])
    return total[-1, -1]


def make_warper(x, y):
    together = np.concatenate([side.reshape(-1, 25) for side in (x, y)])
    return LaneWarper(x, y, together.min(axis=0), together.max(axis=0))


@examples
@given(
    seed=st.integers(0, 2**32 - 1),
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    lengths=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    block=st.sampled_from([slice(0, 15), slice(15, 17), slice(17, 25)]),
    count=st.integers(1, LANES + 3),
    share=st.floats(0.2, 1.5),
)
def test_sixteen_at_once_against_one_by_one(seed, kinds, lengths, block, count, share):
    x = draw_sequences(seed, kinds[0], count, lengths[0], 25)
    y = draw_sequences(seed + 1, kinds[1], count, lengths[1], 25)
    y[::3, : lengths[0]] = x[::3, : lengths[1]]  # some are equal as far as they go
    pairs = np.stack([np.arange(count)] * 2)
    sums = [plain_dtw(a[:, block], b[:, block]) for a, b in zip(x, y, strict=True)]
    expected = np.sqrt(sums)
    warper = make_warper(x, y)
    low, high = warper.screen(pairs, block, np.full(count, np.inf))
    assert (low <= expected * (1 + 1e-12)).all()
    assert (expected <= high * (1 + 1e-12)).all()
    found = warper.confirm(pairs, block, np.full(count, np.inf))
    np.testing.assert_allclose(found, expected, rtol=4e-7, atol=1e-6 * np.abs(x).max())
    # Half of the pairs may be given up; the others must not be touched by that.
    limits = found * (1 + 1e-9)
    limits[::2] *= share
    kept = found <= limits
    limited = warper.confirm(pairs, block, limits)
    np.testing.assert_array_equal(limited, np.where(kept, found, np.inf))
    low_limited, high_limited = warper.screen(pairs, block, limits)
    np.testing.assert_array_equal(low_limited[kept], low[kept])
    np.testing.assert_array_equal(high_limited[kept], high[kept])
    given_up = np.isinf(low_limited)
    assert (low[given_up] >= limits[given_up] * (1 - 1e-6)).all()


@pytest.mark.parametrize(("kind", "block"), [("noise", slice(0, 15)), ("smooth", slice(17, 25))])
def test_bounds_are_close(kind, block):
    x, y = draw_sequences(0, kind, 2, 20, 300, 25)
    warper = make_warper(x, y)
    never = np.full(20, np.inf)
    pairs = np.stack([np.arange(20)] * 2)
    low, high = warper.screen(pairs, block, never)
    assert ((high - low) / warper.confirm(pairs, block, never)).max() < 0.01


@examples
@given(
    seed=st.integers(0, 2**32 - 1),
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    frames=st.integers(1, 45),
    mixture=st.sampled_from([0.0, 0.3, 1.0]),
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=7),
)
def test_nearest_against_all_distances(seed, kinds, frames, mixture, counts):
    rng = np.random.default_rng(seed)
    truth = draw_sequences(seed, kinds[0], 6, frames, 25)
    samples = draw_sequences(seed + 1, kinds[1], len(counts), frames, 25)
    # Some share of a true one, up to all of it, so that near and exact matches occur.
    samples = samples + np.float32(mixture) * (truth[rng.integers(6, size=len(counts))] - samples)
    candidates = [rng.choice(6, count, replace=False) for count in counts]
    expected = []
    for sample, found in zip(samples, candidates, strict=True):
        expected.append(min(weighted(*block_distances(sample, truth[j])) for j in found))
    found = nearest_distances(prepare(samples), prepare(truth), candidates)
    np.testing.assert_allclose(found, expected, rtol=4e-7, atol=1e-12)
    # A sample's result does not depend on the samples beside it.
    for row, sample in enumerate(samples):
        alone = nearest_distances(prepare(sample[None]), prepare(truth), [candidates[row]])
        assert alone[0] == found[row]


@examples
@given(
    seed=st.integers(0, 2**32 - 1),
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    frames=st.integers(51, 130),
    still=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 130), st.booleans()), max_size=4),
)
def test_correlation_by_lag_against_corrcoef(seed, kinds, frames, still):
    reactions = draw_sequences(seed, kinds[0], 2, frames, 25)
    speaker = draw_sequences(seed + 1, kinds[1], frames, 25)
    for channel, until, whose in still:  # frozen up to some frame
        target = speaker if whose else reactions[0]
        target[:until, channel] = target[0, channel]
    found = correlation_by_lag(reactions, speaker)
    for lag in (-49, -30, -1, 0, 1, 17, 49):
        width = frames - abs(lag)
        y = speaker[max(-lag, 0) :][:width]
        for s in range(2):
            x = reactions[s, max(lag, 0) :][:width]
            for c in range(25):
                value = found[s, lag + 49, c]
                if np.ptp(x[:, c]) == 0 or np.ptp(y[:, c]) == 0:
                    assert np.isnan(value)
                else:
                    expected = np.corrcoef(x[:, c], y[:, c])[0, 1]
                    assert value == pytest.approx(expected, abs=1e-6)


@examples
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(2, 30)),
)
def test_variances_against_numpy(seed, kind, shape):
    predictions = draw_sequences(seed, kind, *shape, 25)
    wide = predictions.astype(np.float64)
    for found, axis, factor in ((frvar, 2, 1), (frdiv, 1, 2), (frdvs, 0, 2)):
        expected = factor * wide.var(axis=axis, ddof=1).mean()
        assert found(predictions).official == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_values_whose_squares_float32_cannot_hold():
    truth = 1e25 * draw_sequences(0, "noise", 3, 20, 25)
    samples = 1e25 * draw_sequences(1, "noise", 2, 20, 25)
    expected = [min(weighted(*block_distances(s, t)) for t in truth) for s in samples]
    found = nearest_distances(prepare(samples), prepare(truth), [np.arange(3)] * 2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_distance_is_symmetric():
    x, y = draw_sequences(0, "smooth", 2, 40, 25)
    np.testing.assert_allclose(block_distances(x, y), block_distances(y, x), rtol=1e-12)


def test_order_of_clips_changes_nothing():
    rng = np.random.default_rng(0)
    truth, speaker = draw_sequences(1, "smooth", 2, 7, 60, 25)
    predictions = (truth[:, None] + draw_sequences(2, "smooth", 7, 3, 60, 25)).astype(np.float32)
    matrix = (rng.random((7, 7)) < 0.5) | np.eye(7, dtype=bool)
    order = rng.permutation(7)
    before = evaluate(predictions, truth, speaker, matrix)
    after = evaluate(predictions[order], truth[order], speaker[order], matrix[np.ix_(order, order)])
    np.testing.assert_array_equal(after.frdist.per_clip, before.frdist.per_clip[order])
    np.testing.assert_array_equal(after.tlcc.offsets, before.tlcc.offsets[order])
    for name, value in before.official.items():
        assert after.official[name] == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("names", [("FRDvs",), ("FRDiv", "FRCorr"), ("TLCC", "FRDist", "FRVar")])
def test_some_metrics_are_what_they_are_among_all(names):
    truth, speaker = draw_sequences(5, "smooth", 2, 4, 60, 25)
    predictions = draw_sequences(6, "smooth", 4, 3, 60, 25)
    arrays = predictions, truth, speaker, np.ones((4, 4))
    everything, some = evaluate(*arrays), evaluate(*arrays, metrics=names, threads=2)
    assert set(some.results) == set(names)
    assert some.official == {name: everything.official[name] for name in some.official}
    for name, value in some.corrected.items():
        assert value == everything.corrected[name], name


def test_only_what_is_asked_for_must_be_possible():
    one = draw_sequences(7, "smooth", 1, 2, 30, 25)  # one clip, too short for TLCC
    arrays = one, one[:, 0], one[:, 0], np.ones((1, 1))
    assert evaluate(*arrays, metrics=["FRDist"]).frdist.official >= 0
    for name, message in (("FRDvs", "at least 2"), ("TLCC", "frames"), ("FRCor", "unknown")):
        with pytest.raises(InputError, match=message):
            evaluate(*arrays, metrics=[name])
    with pytest.raises(InputError, match="at least 2 frames"):
        evaluate(*(array[..., :1, :] for array in arrays[:3]), arrays[3], metrics=["FRVar"])


def test_threads_and_groups_change_nothing():
    truth, speaker = draw_sequences(3, "smooth", 2, 9, 60, 25)
    predictions = draw_sequences(4, "smooth", 9, 80, 60, 25)  # 2 clips a group
    matrix = np.ones((9, 9))
    one = evaluate(predictions, truth, speaker, matrix)
    three = evaluate(predictions, truth, speaker, matrix, threads=3)
    assert one.official == three.official
    assert one.frdist.official == frdist(predictions, truth, matrix).official
    assert one.tlcc.official == tlcc(predictions, speaker).official
