"""The reordered convolutions against the direct ones, layer by layer and batch by batch."""

import numpy as np
import pytest
import torch

from react24.streams import vggish_fast
from react24.streams.vggish import draw_random


@pytest.fixture(scope="module")
def network():
    return draw_random(seed=3).network


@pytest.fixture(scope="module")
def examples():
    generator = np.random.default_rng(0)
    return torch.from_numpy(generator.normal(-2, 1.5, (11, 96, 64)).astype(np.float32))


def test_one_dimensional_scheme_is_exact_correlation():
    a, g, b = vggish_fast.make_transforms()
    generator = np.random.default_rng(0)
    patch, taps = generator.normal(size=6), generator.normal(size=3)
    found = a.T @ ((g @ taps) * (b.T @ patch))
    np.testing.assert_allclose(found, np.correlate(patch, taps, "valid"), atol=1e-12)


@pytest.mark.parametrize("pooled", [True, False])
def test_layer_equals_direct_convolution(pooled):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(12, 8, 3, 3, generator=generator) / 8
    bias = torch.randn(12, generator=generator)
    maps = torch.randn(2, 8, 12, 8, generator=generator)
    direct = torch.conv2d(maps.double(), weight.double(), bias.double(), padding=1).relu()
    direct = torch.max_pool2d(direct, 2) if pooled else direct
    padded = torch.zeros(2, 14, 10, 8)
    padded[:, 1:-1, 1:-1] = maps.permute(0, 2, 3, 1)
    out = torch.zeros(2, direct.shape[2] + 2, direct.shape[3] + 2, 12)
    layer = vggish_fast._WinogradLayer(weight, bias, pooled)
    layer.run(padded, out, vggish_fast._Workspace())
    found = out[:, 1:-1, 1:-1].permute(0, 3, 1, 2)
    assert (found - direct).abs().max() < 1e-5 * direct.max()
    out[:, 1:-1, 1:-1] = 0
    assert not out.any(), "the border of the output map must stay zero"


def test_network_equals_direct_network(network, examples):
    winograd = vggish_fast.WinogradConvolutions(network.features)
    with torch.inference_mode():
        direct = network(examples)
        fast = network.embeddings(winograd(examples))
    assert direct.abs().max() > 0.1
    assert (fast - direct).abs().max() < 2e-5 * direct.max()


def test_batches_do_not_mix_examples(network, examples):
    """Of several sizes in turn, each result kept while the buffers are used again."""
    winograd = vggish_fast.WinogradConvolutions(network.features)
    with torch.inference_mode():
        together = torch.cat([winograd(block) for block in examples.split([3, 4, 3, 1])])
        alone = torch.cat([winograd(example[None]) for example in examples])
    assert together.shape == (11, 12288)
    assert (together - alone).abs().max() < 1e-5 * alone.max()
