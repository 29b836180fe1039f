"""Weights and inputs that depend on names alone, as the reference values were computed with.

A weight is drawn from NumPy's PCG64, seeded with the first eight bytes (big-endian) of the SHA-256
of its official key, and scaled by what its key and shape say about its role. An input is drawn the
same way from a tag. So the reference files hold outputs only, and no weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent

CONSTRUCTED = ("num_batches_tracked", "pe", "_float_tensor", "version", "sign_s", "p", "attn_mask")
"""Last parts of keys whose tensors keep what the constructor puts there."""

EMBEDDINGS = ("quantize.embedding.weight", "tok_embedding.weight")

# Last part of the key -> (mean, standard deviation), where the shape does not matter.
BY_NAME = {
    "running_mean": (0.0, 0.1),
    "pos_embedding": (0.0, 0.3),
    "mu_token": (0.0, 1.0),
    "logvar_token": (0.0, 1.0),
    "_log_scale": (0.0, 0.1),
    "_shift": (0.0, 0.1),
    "log_s": (0.0, 0.1),
    "w": (1.0, 0.1),
}


def stream(text: str) -> np.random.Generator:
    """The random stream of a name."""
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def weight(key: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray | None:
    """The tensor of a floating point key; None where the constructor's value stays."""
    last = key.rpartition(".")[2]
    if last in CONSTRUCTED:
        return None
    if last == "running_var":
        return (0.5 + stream(key).random(shape)).astype(np.float32)
    mean, std = _normal(key, last, shape)
    if mean == 0.0 and len(shape) > 1 and "bias" not in last:
        std *= gain
    return np.asarray(mean + std * stream(key).standard_normal(shape)).astype(np.float32)


def _normal(key: str, last: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if key.endswith(EMBEDDINGS):
        return 0.0, 1.0
    if last in BY_NAME:
        return BY_NAME[last]
    if "bias" in last:
        return 0.0, 0.05
    if len(shape) < 2:
        return 1.0, 0.1
    return 0.0, 1.0 / math.sqrt(math.prod(shape[1:]))


def weights(shapes: Mapping[str, tuple[int, ...]], gain: float = 1.0) -> dict[str, np.ndarray]:
    """All tensors of a state_dict, by key; those that keep the constructor's value are left out."""
    drawn = {key: weight(key, tuple(shape), gain) for key, shape in shapes.items()}
    return {key: value for key, value in drawn.items() if value is not None}


def normal_input(tag: str, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a tag, which is ``FIXTURE/public/NAME``."""
    return (scale * stream(f"input:{tag}").standard_normal(shape)).astype(np.float32)


def uniform_input(tag: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [0, 1) of a tag."""
    return stream(f"input:{tag}").random(shape).astype(np.float32)


def integer_input(tag: str, shape: tuple[int, ...], above: int) -> np.ndarray:
    """Whole numbers from 0 to below ``above`` of a tag, as float32."""
    return stream(f"input:{tag}").integers(0, above, size=shape).astype(np.float32)


def symmetric_input(tag: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [-1, 1) of a tag."""
    return (2.0 * stream(f"input:{tag}").random(shape) - 1.0).astype(np.float32)


def smooth_input(tag: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random walks along axis 1 of a tag: (N, T, D), each about of variance 1."""
    rng = stream(f"input:{tag}")
    walk = np.cumsum(rng.standard_normal(shape), axis=1)
    walk -= walk.mean(axis=1, keepdims=True)
    walk /= walk.std(axis=1, keepdims=True)
    return (walk + 0.3 * rng.standard_normal((shape[0], 1, *shape[2:]))).astype(np.float32)


def read(name: str) -> dict[str, np.ndarray]:
    """The arrays of a reference file of this folder."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def error(found: object, expected: np.ndarray) -> float:
    """Largest absolute difference, relative to the largest expected value; shapes must agree."""
    found = np.asarray(found, np.float64)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.abs(found - expected).max() / np.abs(expected).max())
