"""The computation in torch, here on its CPU device, against the one without torch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.two_sequences import block_distances
from parity.metric_recipes import metric_set

from react24.errors import InputError
from react24.metrics import evaluate, frcorr, frdist, on_device

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]


@pytest.fixture(scope="module", params=["short_t", "binary_const"])
def data(request):
    found = metric_set(request.param)
    cut = {name: getattr(found, name)[..., :120, :] for name in ("predictions", "truth", "speaker")}
    return replace(found, **cut)


@pytest.mark.parametrize("device", DEVICES)
def test_same_results(data, device, monkeypatch):
    monkeypatch.setattr(on_device, "NUMBERS_AT_ONCE", 120 * 15 * 20)  # several batches
    for function in (frcorr, frdist):
        expected = function(data.predictions, data.truth, data.matrix)
        found = function(data.predictions, data.truth, data.matrix, device=device)
        np.testing.assert_allclose(found.per_clip, expected.per_clip, rtol=2e-7)
        assert found.official == pytest.approx(expected.official, rel=1e-7)
    arrays = data.predictions, data.truth, data.speaker, data.matrix
    plain, moved = evaluate(*arrays), evaluate(*arrays, device=device)
    assert moved.frcorr.exact_mean == pytest.approx(plain.frcorr.exact_mean, rel=1e-12)
    for name, value in plain.official.items():
        assert moved.official[name] == pytest.approx(value, rel=1e-7), name


@pytest.mark.parametrize("device", DEVICES)
def test_same_results_where_the_truth_is_not_known_throughout(data, device):
    valid = np.ones(data.truth.shape[:2], bool)
    valid[1::3, 20:60] = False
    arrays = data.predictions, data.truth, data.matrix
    for function, name in ((frcorr, "exact_mean"), (frdist, "mean")):
        expected, found = (function(*arrays, valid=valid, device=d) for d in (None, device))
        assert found.official == pytest.approx(expected.official, rel=1e-7)
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-7)
        assert getattr(found, name) != getattr(function(*arrays), name)


@pytest.mark.parametrize("lengths", [(40, 40), (30, 41), (41, 30), (1, 7), (7, 1), (1, 1)])
def test_diagonals_against_rows(lengths):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((5, n, 25)).astype(np.float32) for n in lengths)
    expected = [block_distances(a, b).expression for a, b in zip(x, y, strict=True)]
    parts = torch.from_numpy(x[..., 17:]), torch.from_numpy(y[..., 17:])
    found = on_device.warp_diagonals(*parts, torch.full((5,), torch.inf, dtype=torch.float64))
    np.testing.assert_allclose(found.sqrt(), expected, rtol=4e-7)


def test_what_is_given_up_does_not_touch_the_rest(monkeypatch):
    monkeypatch.setattr(on_device, "CHECK_EVERY", 4)
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(rng.random((9, 30, 2), dtype=np.float32)) for _ in range(2))
    full = on_device.warp_diagonals(x, y, torch.full((9,), torch.inf))
    limit = full.clone()
    limit[::2] *= 0.4
    found = on_device.warp_diagonals(x, y, limit)
    assert torch.equal(found[1::2], full[1::2])
    assert (found[::2] > limit[::2]).all()
    nothing = on_device.warp_diagonals(x, y, 0.1 * full)
    assert torch.isinf(nothing).all()


def test_truth_has_distance_zero(data):
    repeated = np.repeat(data.truth[:, None], 2, axis=1)
    assert frdist(repeated, data.truth, data.matrix, device="cpu").official == 0.0


@pytest.mark.parametrize("name", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_refused(data, name):
    with pytest.raises(InputError, match=f"device '{name}' cannot be used"):
        frdist(data.predictions, data.truth, data.matrix, device=name)
