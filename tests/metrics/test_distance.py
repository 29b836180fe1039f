import functools
import operator

import numpy as np
import pytest
from helpers.two_sequences import block_distances

from react24.dtw.plain import block_dtw, weighted
from react24.metrics import frdist


def plain_dtw(x, y):
    """The textbook recurrence, one cell at a time."""
    total = np.full((len(x) + 1, len(y) + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(len(x)):
        for j in range(len(y)):
            step = min(total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = ((x[i] - y[j]) ** 2).sum() + step
    return np.sqrt(total[-1, -1])


@pytest.mark.parametrize(("first", "second"), [(30, 30), (30, 41), (41, 30), (1, 5), (1, 1)])
def test_kernel_against_plain_numpy(first, second):
    rng = np.random.default_rng(first * 100 + second)
    x, y = rng.standard_normal((first, 25)), rng.standard_normal((second, 25))
    expected = [plain_dtw(x[:, a:b], y[:, a:b]) for a, b in ((0, 15), (15, 17), (17, 25))]
    np.testing.assert_allclose(block_distances(x, y), expected, rtol=1e-12)


def test_band_against_plain_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 25)), rng.standard_normal((20, 25))
    band = 3
    total = np.full((21, 21), np.inf)
    total[0, 0] = 0.0
    for i in range(20):
        for j in range(max(0, i - band), min(20, i + band + 1)):
            step = min(total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = ((x[i, 15:17] - y[j, 15:17]) ** 2).sum() + step
    found = block_dtw(x, np.ascontiguousarray(y.T), band)[1]
    assert found == pytest.approx(np.sqrt(total[20, 20]), rel=1e-12)
    # No warping at all is the distance frame by frame.
    stiff = block_dtw(x, np.ascontiguousarray(y.T), 0)[1]
    assert stiff == pytest.approx(np.linalg.norm(x[:, 15:17] - y[:, 15:17]), rel=1e-12)


def test_by_hand():
    x, y = np.zeros((3, 25)), np.zeros((3, 25))
    x[:, 15], y[:, 15] = [0, 0, 2], [0, 2, 3]  # 0-0, 0-0, 2-2, 2-3: one step of 1
    assert block_distances(x, y) == (0.0, 1.0, 0.0)
    zeros, ones = np.zeros((750, 25), np.float32), np.ones((750, 25), np.float32)
    result = frdist(np.stack([zeros, zeros])[None], ones[None], np.eye(1))
    once = np.sqrt(750 * 15) / 15 + np.sqrt(750 * 2) + np.sqrt(750 * 8) / 8
    assert result.official == pytest.approx(2 * once, rel=1e-12)
    assert result.mean == pytest.approx(once, rel=1e-12)


def test_giving_up_early_never_changes_the_minimum():
    rng = np.random.default_rng(1)
    truth = np.cumsum(rng.standard_normal((8, 50, 25)), axis=1).astype(np.float32)
    noise = rng.standard_normal((8, 3, 50, 25)).astype(np.float32)
    predictions = np.roll(truth, 2, axis=1)[:, None] + 0.5 * noise
    matrix = (rng.random((8, 8)) < 0.6) | np.eye(8, dtype=bool)
    nearest = [
        [min(weighted(*block_distances(p, truth[j])) for j in np.flatnonzero(row)) for p in clip]
        for clip, row in zip(predictions, matrix, strict=True)
    ]
    # One addition after the other: from Python 3.12 on, sum() makes up for rounding.
    expected = [functools.reduce(operator.add, distances) for distances in nearest]
    found = frdist(predictions, truth, matrix)
    np.testing.assert_allclose(found.per_clip, expected, rtol=1e-7)


def test_truth_has_distance_zero():
    truth = np.random.default_rng(2).standard_normal((4, 60, 25)).astype(np.float32)
    assert frdist(np.repeat(truth[:, None], 3, axis=1), truth, np.ones((4, 4))).official == 0.0
