"""Synthetic data sets on which the official metrics were run once; the same draws, own code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

SETS = {  # name: (kind, clips, samples, frames, density of the matrix)
    "smooth": ("smooth", 8, 10, 750, 0.35),
    "binary_const": ("binary_const", 6, 5, 750, 0.5),
    "probs": ("probs", 7, 10, 750, 0.3),
    "short_t": ("smooth", 12, 5, 120, 0.25),
    "one_sample": ("smooth", 6, 1, 200, 0.4),
    "offset_pattern": ("lagged", 6, 5, 300, 0.4),
}
CHANNELS = 25


@dataclass(frozen=True)
class MetricSet:
    """P (N, S, T, 25), G and Q (N, T, 25) float32, M (N, N); known lags (N, S) or None."""

    predictions: np.ndarray
    truth: np.ndarray
    speaker: np.ndarray
    matrix: np.ndarray
    lags: np.ndarray | None


def metric_set(name: str, split: str = "public") -> MetricSet:
    kind, clips, samples, frames, density = SETS[name]
    digest = hashlib.sha256(f"metric:{name}/{split}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    truth = _moving_sum(rng, (clips, frames))
    speaker = _moving_sum(rng, (clips, frames))
    predictions = 0.6 * truth[:, None] + 0.8 * _moving_sum(rng, (clips, samples, frames))
    lags = None
    if kind == "lagged":
        lags = rng.integers(-40, 41, size=(clips, samples))
        track = _moving_sum(rng, (clips, frames + 100))
        speaker = track[:, 50 : 50 + frames]
        noise = 0.3 * rng.standard_normal((clips, samples, frames, CHANNELS))
        for n, s in np.ndindex(clips, samples):
            start = 50 - lags[n, s]
            predictions[n, s] = track[n, start : start + frames] + noise[n, s]
    if kind in ("probs", "binary_const"):
        binary = kind == "binary_const"
        truth, speaker, predictions = (
            _behaviour(x, binary=binary) for x in (truth, speaker, predictions)
        )
    if kind == "binary_const":
        _make_constant(predictions, truth, speaker)
    matrix = (rng.random((clips, clips)) < density).astype(float)
    np.fill_diagonal(matrix, 1.0)
    as_float32 = (x.astype(np.float32) for x in (predictions, truth, speaker))
    return MetricSet(*as_float32, matrix=matrix, lags=lags)


def _moving_sum(rng: np.random.Generator, shape: tuple[int, ...], width: int = 21) -> np.ndarray:
    """White noise summed over 21 frames and scaled to variance 1, (..., T, 25)."""
    *outer, frames = shape
    noise = rng.standard_normal((*outer, frames + width - 1, CHANNELS))
    total = np.zeros((*outer, frames + width, CHANNELS))
    np.cumsum(noise, axis=-2, out=total[..., 1:, :])
    return (total[..., width:, :] - total[..., :-width, :]) / np.sqrt(width)


def _behaviour(x: np.ndarray, *, binary: bool) -> np.ndarray:
    aus = x[..., :15]
    aus = (aus > 0.8).astype(float) if binary else 1 / (1 + np.exp(-2 * aus))
    exponentials = np.exp(x[..., 17:])
    expressions = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return np.concatenate([aus, np.tanh(0.5 * x[..., 15:17]), expressions], axis=-1)


def _make_constant(predictions: np.ndarray, truth: np.ndarray, speaker: np.ndarray) -> None:
    """Channels that are constant over the whole clip, or over the windows of large lags."""
    truth[:, :, 3] = 0.0
    speaker[0, :, 5] = 1.0
    speaker[1, :, 7] = 0.0
    predictions[2, :, :, 11] = 0.0
    predictions[3, 1, :, 12] = 1.0
    speaker[4, :, 9] = 0.0
    speaker[4, 20:26, 9] = 1.0
    truth[5, :, 0] = 0.3  # constant, but not a float32 number
    predictions[5, 2, :, 0] = 0.3
