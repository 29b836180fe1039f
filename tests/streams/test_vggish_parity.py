"""The front end and the network against values of the published implementations."""

import numpy as np
import pytest
import torch
from parity import vggish_recipes as recipes

from react24.streams.vggish import VARIANTS, PCAQuantizer, VGGishNetwork, build_network
from react24.streams.vggish_fast import WinogradConvolutions

TOLERANCE = 2e-5  # of a tensor's maximum


@pytest.fixture(params=sorted(VARIANTS))
def variant(request):
    return request.param


@pytest.fixture
def examples(variant):
    """Of the reference's sound, by our front end: (N, 96, 64)."""
    return torch.cat(list(VARIANTS[variant].iterate_blocks(recipes.make_wave(variant))))


@pytest.fixture(params=["direct", "winograd"])
def convolve(request, network):
    if request.param == "direct":
        return network.convolve
    return WinogradConvolutions(network.features)


@pytest.fixture(scope="module")
def network():
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in VGGishNetwork().state_dict().items()}
    state = {k: torch.from_numpy(v) for k, v in recipes.draw_weights(shapes).items()}
    return build_network(state)


@pytest.fixture(scope="module")
def quantizer():
    drawn = recipes.draw_weights(recipes.PCA_SHAPES)
    return PCAQuantizer(*(torch.from_numpy(drawn[key]) for key in recipes.PCA_SHAPES))


def largest_difference(found, expected):
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def test_wave_is_the_one_that_the_reference_heard(variant):
    wave = recipes.make_wave(variant)
    np.testing.assert_array_equal(wave[:8], recipes.read_reference(variant)["wave_first"])


def test_mel_matrix(variant):
    found = VARIANTS[variant].make_mel_matrix()
    expected = recipes.read_reference(variant)["mel_matrix"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_example_counts(variant):
    reference = recipes.read_reference(variant)
    found = [VARIANTS[variant].count_examples(int(n)) for n in reference["samples"]]
    assert found == reference["example_counts"].tolist()


def test_log_mel_examples(variant, examples):
    reference = recipes.read_reference(variant)
    found = examples.numpy()
    assert len(found) == len(reference["example_means"])
    np.testing.assert_allclose(found.mean((1, 2)), reference["example_means"], atol=1e-6)
    np.testing.assert_allclose(found[reference["picked_index"]], reference["picked"], atol=1e-6)


def test_convolutions(variant, examples, convolve):
    with torch.inference_mode():
        maps = convolve(examples[:1]).view(6, 4, 512).permute(2, 0, 1)
    expected = recipes.read_reference(variant)["features"]
    assert largest_difference(maps[::16], expected) < TOLERANCE


def test_embeddings_pca_and_quantized(variant, examples, convolve, network, quantizer):
    reference = recipes.read_reference(variant)
    with torch.inference_mode():
        embeddings = network.embeddings(convolve(examples))
        projected = quantizer.project(embeddings)
        quantized = quantizer.quantize(embeddings)
    assert largest_difference(embeddings, reference["embedding"]) < TOLERANCE
    assert largest_difference(embeddings, np.maximum(reference["before_relu"], 0)) < TOLERANCE
    assert largest_difference(projected, reference["pca"]) < TOLERANCE
    steps = np.abs(quantized.numpy() - reference["quantized"])
    # A value that lies on a rounding border may fall on either side of it.
    distance = np.abs((np.clip(reference["pca"], -2, 2) + 2) * 63.75 % 1 - 0.5)
    assert steps.max() <= 1
    assert not steps[distance > 1e-2].any()
