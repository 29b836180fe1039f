"""REGNN reproduces the numbers of the official implementation."""

import numpy as np
import pytest
import torch
from helpers.official_export import export_regnn
from parity import recipes

from react24.models.regnn import network as regnn
from react24.models.regnn.graph import ActNorm
from react24.models.regnn.official import load_official, official_names
from react24.models.regnn.settings import read_settings
from react24.models.regnn.tasks import learning_rate

NETWORK = 2e-5
GRADIENT = 1e-3
LENGTHS = [4, 2, 3]
"""Appropriate reactions of each of the three windows."""

EVERY = {
    "gmm_mean": 5, "motor_inverse_of_forward": 5, "sample_thr_0.06": 5, "sample_thr_none": 5,
    "inverse_no_noise": 5, "actnorm_init_out": 5, "edge": 2, "combined": 5,
}  # fmt: skip
"""References that keep every so many of the last axis."""

SETTINGS = read_settings({"variant": "official"})
SAMPLING = SETTINGS.sampling


@pytest.fixture(scope="module")
def reference():
    return recipes.read("regnn")


@pytest.fixture(scope="module")
def state():
    """Official tensors, drawn by the recipe."""
    official = export_regnn(regnn.RegnnNetwork.of(SETTINGS))
    shapes = {key: value.shape for key, value in official.items()}
    return official | {k: torch.from_numpy(v) for k, v in recipes.weights(shapes).items()}


@pytest.fixture
def network(state):
    return load_official(state)


def drawn(name, shape):
    return torch.from_numpy(recipes.normal_input(f"regnn/public/{name}", shape))


@pytest.fixture(scope="module")
def visual():
    frames = drawn("video", (3, 50, 768))
    frames[1, 3] = 0.0  # counts as padding
    return frames


@pytest.fixture(scope="module")
def sound():
    frames = torch.from_numpy(recipes.integer_input("regnn/public/audio", (3, 50, 128), 256))
    frames[0, 5:9, 0] = 0.0
    frames[2, 40, 0] = 0.0
    return frames


@pytest.fixture(scope="module")
def targets():
    """(9, 25, 50)."""
    values = recipes.uniform_input("regnn/public/targets", (9, 50, 25))
    return torch.from_numpy(values).transpose(1, 2)


@pytest.fixture(scope="module")
def padded(targets):
    """(3, 4, 25, 50), and which of them there are."""
    present = torch.arange(4) < torch.tensor(LENGTHS).unsqueeze(1)
    values = torch.zeros(3, 4, 25, 50)
    values[present] = targets
    return values, present


def check(found, reference, name):
    found = found.detach()[..., :: EVERY.get(name, 1)]
    error = recipes.error(found, reference[f"out_{name}"])
    assert error < NETWORK, (name, error)


def test_recipe_draws_the_reference_weights(state, reference):
    names = [str(key) for key in reference["key_names"]]
    assert len(names) == 178
    assert len(state) == 184
    assert set(names) <= set(state)
    sums = [float(state[key].double().sum()) for key in names]
    np.testing.assert_allclose(sums, reference["key_sums"], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_perception_cognition_and_edges(network, visual, sound, reference):
    fused = network.perception(visual, sound)
    point, edges = network.cognition(fused)
    layer = network.cognition.edges
    attention = layer.attention(point)
    strength = attention.sum(1)
    best = strength.sort(-1, descending=True).values
    check(fused, reference, "fused")
    check(point, reference, "cognitive")
    check(edges, reference, "edge")
    means = torch.stack([component(point) for component in network.cognition.components])
    check(means, reference, "gmm_mean")
    check(attention[:, :2], reference, "edge_attention")
    check(best[..., 4] - best[..., 5], reference, "edge_top5_margin")
    expected = np.unpackbits(reference["out_edge_mask"], count=3 * 25 * 25).reshape(3, 25, 25)
    np.testing.assert_array_equal(layer.keep(strength).numpy(), expected.astype(bool))


@torch.no_grad()
def test_motor_forward_and_inverse(network, visual, sound, padded, targets, reference):
    edges = network(visual, sound)[1]
    values, present = padded
    points = network.motor(values, edges)
    check(points[present], reference, "motor_forward")
    norms = torch.stack([layer.attention.lipschitz() for layer in network.motor.layers])
    check(norms, reference, "lipnorm")
    steps = []
    # One "clip" of three windows per reaction, as the official batch is.
    back = network.motor.inverse(
        points.unsqueeze(0), edges, iterations=5, tolerance=1e-3, steps=steps
    )[0]
    check(back[present], reference, "motor_inverse_of_forward")
    expected = reference["out_fixed_point_steps_top_layer_first"]
    assert [int(count.max()) for count in steps] == expected.tolist()
    error = float((back[present] - targets).abs().max())
    assert error == pytest.approx(float(reference["out_motor_roundtrip_max_error"]), rel=0.05)


@torch.no_grad()
def test_sampling_with_given_noise(network, visual, sound, reference):
    noise = drawn("noise", (3, 25, 50))[None, None]
    point = network(visual, sound)[0]
    limited = regnn.limit_noise(noise, SAMPLING)
    check(point + limited[0, 0], reference, "sample_thr_0.06")
    free = regnn.limit_noise(noise, SAMPLING.replace(noise_limit="none"))
    check(point + free[0, 0], reference, "sample_thr_none")
    for name, used in (("no_noise", torch.zeros_like(noise)), ("noise_thr_0.06", limited)):
        made = regnn.sample_windows(network, visual[None], sound[None], used, SAMPLING)
        check(made[0, 0], reference, f"inverse_{name}")


def test_losses(network, visual, sound, padded, reference):
    values, present = padded
    with torch.no_grad():
        points, edges = network(visual, sound)
        mapped = network.motor(values, edges)
    errors = (points.unsqueeze(1) - mapped).square().mean((-2, -1))
    check(errors[present], reference, "per_pair_mse")
    threshold = float(reference["in_threshold"][0])
    found = {
        "min_none": regnn.distance_loss(points, mapped, present, regnn.NO_THRESHOLD),
        "min_thr": regnn.distance_loss(points, mapped, present, threshold),
        "all_none": regnn.distance_loss(points, mapped, present, regnn.NO_THRESHOLD, "all"),
        "all_thr": regnn.distance_loss(points, mapped, present, threshold, "all"),
        "mid_L2": regnn.spread_loss(mapped, present),
        "mid_L1": regnn.spread_loss(mapped, present, "L1"),
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, reference[f"out_loss_{name}"], rtol=1e-5, err_msg=name)
    closest = (errors[present].sort().values - threshold).abs().min()
    np.testing.assert_allclose(closest, reference["out_threshold_margin"], rtol=1e-3)


def test_training_loss_and_gradients(network, visual, sound, padded, reference):
    values, present = padded
    losses = regnn.training_losses(
        network, visual, sound, values.transpose(-1, -2), present, SETTINGS.generator
    )
    np.testing.assert_allclose(losses.loss.item(), reference["out_train_total_loss"], rtol=1e-5)
    losses.loss.backward()
    names, parameters = official_names(network.config), dict(network.named_parameters())
    untrained = []
    for key, norm in zip(reference["out_grad_names"], reference["out_grad_norms"], strict=True):
        parameter = parameters.get(names[str(key)])
        if norm < 0:  # officially without a gradient
            untrained.append(parameter is None or not parameter.requires_grad)
            continue
        assert parameter.grad.double().norm().item() == pytest.approx(norm, rel=GRADIENT), key
    assert len(untrained) == 28
    assert all(untrained)


def test_actnorm_is_set_from_its_first_batch(targets, reference):
    norm = ActNorm(25)
    norm.initialise(targets)
    check(norm.shift, reference, "actnorm_init_shift")
    check(norm.log_scale, reference, "actnorm_init_log_scale")
    check(norm(targets), reference, "actnorm_init_out")
    torch.testing.assert_close(norm.inverse(norm(targets)), targets)


def test_windows_are_averaged_and_binarised(reference):
    windows = drawn("windows", (29, 50, 25))
    check(regnn.join_windows(windows, 25), reference, "combined")
    changed = regnn.binarise(windows, "frames").sum((1, 2))
    check(changed, reference, "modified_windows_sum")


def test_learning_rate(reference):
    config = SETTINGS.generator
    found = [learning_rate(config, epoch) for epoch in range(12)]
    np.testing.assert_allclose(found, reference["out_lr_epochs_0_11"], rtol=1e-12)
