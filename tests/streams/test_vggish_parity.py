"""The front end and the network against values of the published implementations."""

import numpy as np
import pytest
import torch
from parity import vggish_recipes as recipes

from react24.streams.vggish_fast import FastVGGish
from react24.streams.vggish_frontend import ORIGINAL, REGNN, LogMel, make_mel_matrix
from react24.streams.vggish_network import PCAQuantizer, VGGishNetwork, build_network

FRONT_ENDS = {"regnn": REGNN, "original": ORIGINAL}
TOLERANCE = 2e-5  # of a tensor's maximum


@pytest.fixture(params=sorted(FRONT_ENDS))
def variant(request):
    return request.param


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
    found = make_mel_matrix(FRONT_ENDS[variant])
    expected = recipes.read_reference(variant)["mel_matrix"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_example_counts(variant):
    reference = recipes.read_reference(variant)
    found = [FRONT_ENDS[variant].count_examples(int(n)) for n in reference["samples"]]
    assert found == reference["example_counts"].tolist()


def test_log_mel_examples(variant):
    reference = recipes.read_reference(variant)
    examples = LogMel(FRONT_ENDS[variant]).examples(recipes.make_wave(variant))
    assert len(examples) == len(reference["example_means"])
    np.testing.assert_allclose(examples.mean((1, 2)), reference["example_means"], atol=1e-6)
    np.testing.assert_allclose(examples[reference["picked_index"]], reference["picked"], atol=1e-6)


@pytest.mark.parametrize("fast", [True, False])
def test_convolutions(variant, fast, network):
    examples = LogMel(FRONT_ENDS[variant]).examples(recipes.make_wave(variant))[:1]
    examples = torch.from_numpy(examples)
    with torch.inference_mode():
        if fast:
            maps = FastVGGish(network).convolve(examples).permute(0, 3, 1, 2)
        else:
            maps = network.convolve(examples)
    expected = recipes.read_reference(variant)["features"]
    assert largest_difference(maps[0, ::16], expected) < TOLERANCE


@pytest.mark.parametrize("fast", [True, False])
def test_embeddings_pca_and_quantized(variant, fast, network, quantizer):
    reference = recipes.read_reference(variant)
    examples = torch.from_numpy(LogMel(FRONT_ENDS[variant]).examples(recipes.make_wave(variant)))
    with torch.inference_mode():
        if fast:
            embeddings = torch.cat(list(FastVGGish(network).embed([examples])))
        else:
            embeddings = network(examples)
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
