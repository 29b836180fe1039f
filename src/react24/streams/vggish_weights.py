"""VGGish's weights: published, local or random."""

from __future__ import annotations

from pathlib import Path

import torch

from react24.devices import load_torch
from react24.errors import InputError
from react24.streams.vggish_network import (
    EMBEDDING,
    PCAQuantizer,
    VGGishNetwork,
    build_network,
)
from react24.weights import fetch, registry
from react24.weights.random import RandomWeights

PCA_KEYS = ("pca_eigen_vectors", "pca_means")
RANDOM_PCA_SCALE = 1.5
RANDOM_PCA_MEAN = 0.4


def draw_random_state(seed: int) -> tuple[dict[str, torch.Tensor], PCAQuantizer, str]:
    """Weights for runs without the published ones: state dict, PCA, and their name and digest.

    He's scale keeps the size of the signal through the ReLUs. From the second layer on every
    unit's weights add up to zero: without that, the common positive part of the activations
    grows from layer to layer until all sounds are mapped to nearly the same direction. The PCA is
    a random orthogonal matrix times 1.5, with means 0.4, which spreads the quantised values of
    speech over 0 to 255 with a few per cent at the ends.
    """
    draw = RandomWeights("vggish", seed)
    with torch.device("meta"):
        shapes = {key: tuple(v.shape) for key, v in VGGishNetwork().state_dict().items()}
    state = {}
    for key, shape in shapes.items():
        if len(shape) == 1:
            state[key] = draw.constant(key, shape, 0.0)
            continue
        state[key] = draw.he(key, shape)
        if key != "features.0.weight":
            axes = tuple(range(1, len(shape)))
            # In float64, so that the order of summation does not show after rounding.
            state[key].sub_(state[key].double().mean(dim=axes, keepdim=True))
    vectors = draw.hadamard("pca_eigen_vectors", EMBEDDING, RANDOM_PCA_SCALE)
    means = draw.constant("pca_means", (EMBEDDING,), RANDOM_PCA_MEAN)
    return state, PCAQuantizer(vectors, means), draw.describe()


def load_vggish(
    weights: str, pca: str | None, postprocess: bool, seed: int, folder: Path
) -> tuple[VGGishNetwork, PCAQuantizer | None, str, bool]:
    """Network, PCA step (None without ``postprocess``), description of both, pretrained or not.

    Raises:
        InputError: Weights that cannot be had or are not VGGish's, or PCA parameters that are
            asked for and not given.
    """
    resolved = fetch.resolve(weights, folder)
    if resolved.path is None:
        state, quantizer, text = draw_random_state(seed)
        return build_network(state), quantizer if postprocess else None, text, False
    state = load_torch(resolved.path)
    text = resolved.describe()
    try:
        network = build_network(state)
    except InputError as error:
        raise InputError(f"{resolved.path}: {error}") from error
    if not postprocess:
        return network, None, text, True
    inside = [f"pproc.{key}" for key in PCA_KEYS]
    if pca is None and all(key in state for key in inside):
        return network, PCAQuantizer(*(state[key] for key in inside)), text, True
    if pca is None and weights in registry.REGISTRY:
        pca = "vggish_pca"
    if pca is None:
        raise InputError(
            f"{resolved.path}: no PCA parameters in this file; name their file as `pca`, or set "
            "`postprocess: false` to use the network's own embeddings"
        )
    found = fetch.resolve(pca, folder)
    if found.path is None:
        raise InputError("vggish: `pca: random` goes with `weights: random` only")
    return network, read_pca(found.path), f"{text}; {found.describe()}", True


def read_pca(path: Path) -> PCAQuantizer:
    """Read a file with ``pca_eigen_vectors`` and ``pca_means``.

    Raises:
        InputError: Not such a file.
    """
    content = load_torch(path)
    missing = [key for key in PCA_KEYS if key not in content]
    if missing:
        raise InputError(f"{path}: {', '.join(missing)} missing; found {', '.join(content)}")
    return PCAQuantizer(*(torch.as_tensor(content[key]) for key in PCA_KEYS))
