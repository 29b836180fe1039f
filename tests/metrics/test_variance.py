import numpy as np
import pytest

from react24.errors import InputError
from react24.metrics import frdiv, frdvs, frvar


@pytest.fixture(scope="module")
def predictions():
    return np.random.default_rng(0).standard_normal((5, 4, 30, 25)).astype(np.float32)


def test_by_hand():
    values = np.zeros((2, 2, 2, 25), np.float32)
    values[0, 0, 1] = 1.0  # one sample of one clip goes from 0 to 1
    assert frvar(values).official == pytest.approx(0.5 / 4)  # variance 1/2 in 1 of 4 sequences
    # Clip 0: both ordered pairs differ by 1 in half the entries, /(2·1): 1/2; clip 1: 0.
    assert frdiv(values).official == pytest.approx(0.25)
    np.testing.assert_allclose(frdiv(values).per_clip, [0.5, 0.0])
    # Between the clips, sample 0 differs by 1 in half the entries, sample 1 not at all.
    np.testing.assert_allclose(frdvs(values).per_sample, [0.5, 0.0])


def test_against_the_sums_over_pairs(predictions):
    n, s, t, c = predictions.shape
    flat = predictions.astype(np.float64).reshape(n, s, t * c)
    among_samples = ((flat[:, :, None] - flat[:, None]) ** 2).sum() / (n * s * (s - 1) * t * c)
    among_clips = ((flat[:, None] - flat[None]) ** 2).sum() / (n * (n - 1) * s * t * c)
    assert frdiv(predictions).official == pytest.approx(among_samples, rel=1e-12)
    assert frdvs(predictions).official == pytest.approx(among_clips, rel=1e-12)
    assert frvar(predictions).official == pytest.approx(
        flat.reshape(n, s, t, c).var(2, ddof=1).mean()
    )


def test_identical_reactions_have_no_diversity(predictions):
    same = np.repeat(predictions[:, :1], 10, axis=1)
    assert frdiv(same).official == 0.0
    assert frdiv(predictions[:, :1]).official == 0.0  # one sample: 0, as officially
    assert frdvs(np.repeat(predictions[:1], 4, axis=0)).official == 0.0


def test_random_uniform_has_its_known_values():
    uniform = np.random.default_rng(1).random((6, 5, 400, 25)).astype(np.float32)
    assert frvar(uniform).official == pytest.approx(1 / 12, rel=0.01)
    assert frdiv(uniform).official == pytest.approx(1 / 6, rel=0.01)
    assert frdvs(uniform).official == pytest.approx(1 / 6, rel=0.01)


def test_large_means_cost_no_digits(predictions):
    shifted = np.float32(1000) + np.round(predictions * 64) / np.float32(64)
    expected = np.round(predictions.astype(np.float64) * 64) / 64
    assert frdvs(shifted).official == pytest.approx(frdvs(expected).official, rel=1e-9)


def test_what_cannot_be_computed_is_refused(predictions):
    with pytest.raises(InputError, match="at least 2"):
        frdvs(predictions[:1])
    with pytest.raises(InputError, match="at least 2 frames"):
        frvar(predictions[:, :, :1])
    with pytest.raises(InputError, match="predictions have shape"):
        frdiv(predictions[0])
