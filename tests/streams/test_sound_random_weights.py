"""Random weights: the same everywhere, and what their scales promise."""

import numpy as np
import torch

from react24.weights.random import RandomWeights


def test_values_depend_on_seed_network_and_key_only():
    first, second = RandomWeights("net", 1), RandomWeights("net", 1)
    a, b = first.normal("a", (4, 5), 1.0), first.normal("b", (4, 5), 1.0)
    b_again, a_again = second.normal("b", (4, 5), 1.0), second.normal("a", (4, 5), 1.0)
    assert torch.equal(a, a_again)
    assert torch.equal(b, b_again)
    assert not torch.equal(a, b)
    assert not torch.equal(a, RandomWeights("net", 2).normal("a", (4, 5), 1.0))
    assert not torch.equal(a, RandomWeights("other", 1).normal("a", (4, 5), 1.0))


def test_values_do_not_change_between_versions_of_this_project():
    found = RandomWeights("vggish", 0).normal("features.0.weight", (3,), 1.0)
    np.testing.assert_allclose(found, [-0.274021268, 0.873046398, 2.545096159], rtol=1e-6)


def test_he_keeps_second_moment_through_relu():
    draw = RandomWeights("net", 0)
    signal = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 512), np.float32))
    before = signal.square().mean()
    for layer in range(4):
        signal = torch.relu(signal @ draw.he(f"layer{layer}", (512, 512)).T)
    assert 0.7 < signal.square().mean() / before < 1.4


def test_hadamard_is_orthogonal():
    matrix = RandomWeights("net", 0).hadamard("pca", 128, 1.5).double()
    gram = matrix @ matrix.T
    assert torch.allclose(gram, 2.25 * torch.eye(128, dtype=torch.float64), atol=1e-5)


def test_description_names_seed_and_content():
    def describe(seed):
        draw = RandomWeights("net", seed)
        draw.normal("a", (3,), 1.0)
        return draw.describe()

    assert describe(1) == describe(1)
    assert describe(1) != describe(2)
    assert describe(7).startswith("random-net-seed7 ")
