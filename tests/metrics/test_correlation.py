import numpy as np
import pytest

from react24.errors import InputError
from react24.metrics import frcorr
from react24.metrics.frcorr import concordance_exact, concordance_official, correlation
from react24.metrics.moments import moments

EPSILON = 1e-8


def varying(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def pair(x, y):
    """Official and exact CCC of two sequences (T, 25)."""
    first, second = (moments(np.ascontiguousarray(v.T[None])) for v in (x, y))
    r = correlation(first, second)
    return (
        concordance_official(first, second, r).item(),
        concordance_exact(first, second, r).item(),
    )


def test_ccc_by_hand():
    x = np.zeros((4, 25), np.float32)
    y = np.zeros((4, 25), np.float32)
    x[:, 0], y[:, 0] = [0, 1, 2, 3], [1, 1, 3, 3]
    # means 1.5 and 2, variances 1.25 and 1, covariance 1: 2 / (1.25 + 1 + 0.25) = 0.8
    official, exact = pair(x, y)
    assert official == pytest.approx(0.8 / 25, rel=1e-6)  # 24 equal constants count 0 there
    assert exact == pytest.approx((0.8 + 24) / 25, rel=1e-12)


def test_different_constants_do_not_agree():
    x = np.zeros((10, 25), np.float32)
    assert pair(x, x + 1) == (0.0, 0.0)
    moving = x.copy()
    moving[3] = 1
    assert pair(x, moving) == (0.0, 0.0)


def test_constant_that_float32_cannot_hold():
    x = np.full((750, 25), 0.3, np.float32)
    assert pair(x, x) == (0.0, 1.0)


@pytest.mark.parametrize("std", [1.0, 1e-2, 1e-3, 1e-4])
def test_official_epsilon_shrinks_quiet_channels(std):
    x = varying(np.random.default_rng(0), 200, 25).astype(np.float64)
    x = ((x - x.mean(axis=0)) / x.std(axis=0) * std).astype(np.float32)
    official, exact = pair(x, x)
    assert official == pytest.approx(2 * std**2 / (2 * std**2 + EPSILON), rel=1e-5)
    assert exact == pytest.approx(1.0, rel=1e-12)


def test_truth_repeated_scores_the_number_of_samples():
    rng = np.random.default_rng(1)
    truth = varying(rng, 3, 60, 25)
    result = frcorr(np.repeat(truth[:, None], 4, axis=1), truth, np.eye(3))
    assert result.official == pytest.approx(4.0, rel=1e-6)
    assert result.mean == pytest.approx(1.0, rel=1e-6)
    assert result.exact_mean == pytest.approx(1.0, rel=1e-12)
    truth[:, :, :5] = 0.0  # 5 of 25 channels constant
    result = frcorr(truth[:, None], truth, np.eye(3))
    assert result.official == pytest.approx(0.8, rel=1e-6)
    assert result.exact_mean == pytest.approx(1.0, rel=1e-12)


def test_matrix_row_chooses_the_reactions():
    rng = np.random.default_rng(2)
    truth = varying(rng, 3, 60, 25)
    predictions = truth[[1, 0, 0]][:, None]
    matrix = np.eye(3)
    matrix[0, 1] = 1.0  # for clip 0, the reaction of 1 is appropriate; not the reverse
    matrix[1, 0] = 0.999  # only exactly 1 counts
    result = frcorr(predictions, truth, matrix)
    assert result.per_clip[0] == pytest.approx(1.0, rel=1e-6)
    assert result.per_clip[1] < 0.5
    assert result.per_clip[2] < 0.5


def test_order_of_clips_does_not_matter():
    rng = np.random.default_rng(3)
    predictions, truth = varying(rng, 5, 2, 60, 25), varying(rng, 5, 60, 25)
    matrix = (rng.random((5, 5)) < 0.5) | np.eye(5, dtype=bool)
    order = rng.permutation(5)
    before = frcorr(predictions, truth, matrix)
    after = frcorr(predictions[order], truth[order], matrix[np.ix_(order, order)])
    np.testing.assert_allclose(after.per_clip, before.per_clip[order], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, g, m: (p[0], g, m), r"predictions have shape \(2, 60, 25\)"),
        (lambda p, g, m: (p[..., :24], g, m), "predictions have shape"),
        (lambda p, g, m: (p, g[:, :-1], m), "ground truth has shape"),
        (lambda p, g, m: (p, g[:2], m), "ground truth has shape"),
        (lambda p, g, m: (p, g, m[:2]), r"matrix has shape \(2, 3\)"),
        (lambda p, g, m: (p, g, m * np.array([[1], [0], [1]])), "row 1 of the appropriate matrix"),
        (lambda p, g, m: (p, g, np.where(m == 1, np.nan, 0)), "NaN at row 0, column 0"),
    ],
)
def test_bad_shapes_and_matrices_are_named(change, message):
    rng = np.random.default_rng(4)
    arrays = change(varying(rng, 3, 2, 60, 25), varying(rng, 3, 60, 25), np.eye(3))
    with pytest.raises(InputError, match=message):
        frcorr(*arrays)


def test_nan_is_named():
    rng = np.random.default_rng(5)
    predictions, truth = varying(rng, 3, 2, 60, 25), varying(rng, 3, 60, 25)
    predictions[1, 1, 7, 3] = np.nan
    with pytest.raises(InputError, match=r"predictions, clip 1: .* sample 1, frame 7, channel 3"):
        frcorr(predictions, truth, np.eye(3))
    with pytest.raises(InputError, match=r"ground truth, clip 1: .* first at frame 7, channel 3"):
        frcorr(truth[:, None], predictions[:, 1], np.eye(3))
