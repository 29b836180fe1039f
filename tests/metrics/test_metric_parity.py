"""Our numbers against those of the official code, on six synthetic data sets."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers.two_sequences import block_distances
from parity.metric_recipes import SETS, metric_set

from react24.metrics import frcorr, frdist, frdiv, frdvs, frvar, tlcc
from react24.metrics.all_metrics import evaluate
from react24.metrics.frcorr import concordance_official, correlation
from react24.metrics.moments import moments
from react24.metrics.tlcc import correlation_by_lag

FOLDER = Path(__file__).parents[1] / "parity"
pytestmark = pytest.mark.parametrize("name", list(SETS))

data = cache(metric_set)


@cache
def reference(name):
    with np.load(FOLDER / f"metrics_{name}.npz", allow_pickle=False) as file:
        return dict(file)


@cache
def scores(name):
    d = data(name)
    return evaluate(d.predictions, d.truth, d.speaker, d.matrix, threads=2)


def prepare(sequences):
    return moments(np.ascontiguousarray(sequences.transpose(0, 2, 1)))


def test_recipe_draws_the_inputs_of_the_reference(name):
    d, expected = data(name), reference(name)
    np.testing.assert_array_equal(d.matrix, expected["in_neighbour"])
    for values, key in ((d.predictions, "pred"), (d.truth, "gt"), (d.speaker, "speaker")):
        total = values.sum(dtype=np.float64)
        np.testing.assert_allclose(total, expected[f"in_{key}_sum"], rtol=1e-9, atol=1e-6)


def test_frcorr(name):
    d, expected = data(name), reference(name)
    found = frcorr(d.predictions, d.truth, d.matrix)
    np.testing.assert_allclose(found.official, expected["FRC_mp"], rtol=1e-9)
    np.testing.assert_allclose(found.official, expected["FRC_single"], rtol=1e-9)
    np.testing.assert_allclose(found.per_clip, expected["FRC_per_clip_sum"], rtol=1e-9)


def test_frcorr_with_the_matrix_the_other_way_round(name):
    d = data(name)
    found = frcorr(d.predictions, d.truth, d.matrix.T).official
    np.testing.assert_allclose(found, reference(name)["FRC_transposed"], rtol=1e-9)


def test_ccc_of_every_channel(name):
    d = data(name)
    # One channel at a time: the others constant, so that they contribute 0.
    truth, prediction = np.zeros((2, 25, *d.truth.shape[1:]), np.float32)
    for channel in range(25):
        truth[channel, :, channel] = d.truth[0, :, channel]
        prediction[channel, :, channel] = d.predictions[0, 0, :, channel]
    first, second = prepare(truth), prepare(prediction)
    found = 25 * np.diagonal(concordance_official(first, second, correlation(first, second)))
    expected = reference(name)["ccc_first_pair_per_column"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_ccc_of_every_pair(name):
    d, expected = data(name), reference(name)
    truth = prepare(d.truth)
    for n, pairs in enumerate(expected["ccc_pairs_first3samples"]):
        prediction = prepare(d.predictions[n, :3])
        r = correlation(prediction, truth)
        found = concordance_official(prediction, truth, r)
        # The float32 moments of short clips may round differently from one machine to another.
        np.testing.assert_allclose(found, pairs, rtol=0, atol=1e-8)


def test_frdist(name):
    expected = reference(name)
    d = data(name)
    found = frdist(d.predictions, d.truth, d.matrix)
    np.testing.assert_allclose(found.official, expected["FRD_mp"], rtol=1e-8)
    np.testing.assert_allclose(found.official, expected["FRD_single"], rtol=1e-8)
    np.testing.assert_allclose(found.per_clip, expected["FRD_per_clip_sum"], rtol=1e-8)


def test_dtw_of_every_block(name):
    d = data(name)
    for (n, s, j), _ in np.ndenumerate(reference(name)["dtw_au_va_exp_pairs_first4x2"][..., 0]):
        found = block_distances(d.predictions[n, s], d.truth[j])
        expected = reference(name)["dtw_au_va_exp_pairs_first4x2"][n, s, j]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_variances(name):
    predictions, expected = data(name).predictions, reference(name)
    np.testing.assert_allclose(frvar(predictions).official, expected["FRVar"], rtol=1e-5)
    np.testing.assert_allclose(frdvs(predictions).official, expected["FRDvs"], rtol=1e-5)
    np.testing.assert_allclose(frdiv(predictions).official, expected["S_MSE"], rtol=1e-5)


def test_tlcc(name):
    d, expected = data(name), reference(name)
    found = tlcc(d.predictions, d.speaker)
    np.testing.assert_array_equal(found.offsets, expected["tlcc_signed_offset"])
    np.testing.assert_allclose(found.official, expected["TLCC_mp"], rtol=1e-6)
    np.testing.assert_allclose(found.all_samples, expected["TLCC_single"], rtol=1e-6)
    if d.lags is not None:
        np.testing.assert_array_equal(found.offsets, -d.lags)


def test_tlcc_curves(name):
    d = data(name)
    for n, curve in enumerate(reference(name)["tlcc_curves_clips0_1_2_sample0"]):
        found = correlation_by_lag(d.predictions[n, :1], d.speaker[n])[0].mean(axis=1)
        np.testing.assert_allclose(found, curve, atol=3e-7)  # NaN where NaN is expected, too


def test_correlation_without_a_lag(name):
    d = data(name)
    for n, expected in enumerate(reference(name)["tlcc_center"]):
        found = correlation_by_lag(d.predictions[n], d.speaker[n])[:, 49].mean(axis=1)
        np.testing.assert_allclose(found, expected, atol=3e-7)


def test_one_pass_gives_the_same_as_each_function(name):
    d, one_pass = data(name), scores(name)
    assert one_pass.frcorr.official == frcorr(d.predictions, d.truth, d.matrix).official
    assert one_pass.frdist.official == frdist(d.predictions, d.truth, d.matrix).official
    assert one_pass.frvar.official == frvar(d.predictions).official
    assert one_pass.frdiv.official == frdiv(d.predictions).official
    assert one_pass.frdvs.official == frdvs(d.predictions).official
    assert one_pass.tlcc.official == tlcc(d.predictions, d.speaker).official
