"""FRVar, FRDiv and FRDvs: variance over time, over samples, and over clips.

Official source: ``metric/FRVar.py``, ``S_MSE.py`` and ``FRDvs.py`` of baseline_react2024,
reproduced to 1e-5 relative (theirs accumulate in float32, ours in float64).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from react24.dtw import compiled
from react24.errors import InputError
from react24.metrics.arrays import ClipArray, check_predictions, read_clips


@dataclass(frozen=True)
class FRVar:
    """Result of ``frvar``: the mean, and float64 (N,) per clip."""

    official: float
    per_clip: np.ndarray


@dataclass(frozen=True)
class FRDiv:
    """Result of ``frdiv``: the mean, and float64 (N,) per clip."""

    official: float
    per_clip: np.ndarray


@dataclass(frozen=True)
class FRDvs:
    """Result of ``frdvs``, which spans the clips.

    Attributes:
        official: Mean over sample indices.
        per_sample: float64 (S,).
        mean: float64 (S, T, 25), of the reactions over clips.
    """

    official: float
    per_sample: np.ndarray
    mean: np.ndarray


def clip_variance(clip: np.ndarray) -> float:
    """Unbiased variance over time of one clip (S, T, 25), mean over samples and channels."""
    samples, frames, channels = clip.shape
    total = sum(_squares_around_mean(sample) for sample in clip)
    return total / (frames - 1) / (samples * channels)


def clip_diversity(clip: np.ndarray) -> float:
    """Mean squared difference between the samples of one clip (S, T, 25).

    The official sum over ordered pairs ``Σ |P_a - P_b|² / (S (S - 1) T 25)`` is twice the unbiased
    variance over samples. One sample gives 0, as there.
    """
    samples = len(clip)
    if samples < 2:
        return 0.0
    flat = clip.reshape(samples, -1)
    return 2.0 * _squares_around_mean(flat) / (samples - 1) / flat.shape[1]


def _squares_around_mean(values: np.ndarray) -> float:
    """Sum of squared deviations of the columns of (n, columns) from their means."""
    work = np.zeros((2, values.shape[1]))
    add_squares(np.ascontiguousarray(values, np.float32), *work)
    return float(work[1].sum())


@compiled
def add_squares(values, mean, squares):
    """Mean and sum of squared deviations of each column.

    Args:
        values: float32 (n, columns).
        mean: float64 (columns,), 0 at first.
        squares: float64 (columns,), 0 at first.
    """
    rows, columns = values.shape
    for row in range(rows):
        source = values[row]
        for c in range(columns):
            mean[c] += source[c]
    for c in range(columns):
        mean[c] /= rows
    for row in range(rows):
        source = values[row]
        for c in range(columns):
            deviation = source[c] - mean[c]
            squares[c] += deviation * deviation


@compiled
def take_in(clip, count, mean, squares):
    """Update means and sums of squared deviations (Welford).

    Args:
        clip: float32 (columns,).
        count: Clips so far, this one among them.
        mean: float64 (columns,), updated.
        squares: float64 (columns,), updated.
    """
    share = 1.0 / count
    for c in range(len(clip)):
        difference = clip[c] - mean[c]
        mean[c] += difference * share
        squares[c] += difference * (clip[c] - mean[c])


class BetweenClips:
    """Variance between clips, added up one clip at a time, float64 (S, T, 25)."""

    def __init__(self):
        self._count = 0
        self._mean = self._squares = np.zeros(0)

    def add(self, clip: np.ndarray) -> None:
        """Take in one clip (S, T, 25); the order decides the last digits."""
        if not self._count:
            self._mean, self._squares = np.zeros((2, *clip.shape))
        self._count += 1
        flat = (values.reshape(-1) for values in (self._mean, self._squares))
        take_in(np.ascontiguousarray(clip, np.float32).reshape(-1), self._count, *flat)

    def result(self) -> FRDvs:
        """FRDvs of the clips so far.

        Raises:
            InputError: Fewer than two clips; the official code divides by zero there.
        """
        if self._count < 2:
            raise InputError(
                f"FRDvs compares clips with each other and found {self._count}; it needs at least 2"
            )
        variance = self._squares / (self._count - 1)
        per_sample = 2.0 * variance.mean(axis=(1, 2))
        return FRDvs(float(per_sample.mean()), per_sample, self._mean)


def check_time(frames: int) -> None:
    """Refuse sequences too short for FRVar.

    Raises:
        InputError: They are.
    """
    if frames < 2:
        raise InputError(
            f"FRVar is a variance over time and needs at least 2 frames; found {frames}"
        )


def frvar(predictions: ClipArray) -> FRVar:
    """Facial reaction variance: unbiased over time, mean over clips, samples and channels.

    Args:
        predictions: P (N, S, T, 25), T ≥ 2.

    Raises:
        InputError: Another shape, NaN, or a single frame.
    """
    _, _, frames = check_predictions(predictions)
    check_time(frames)
    return summarize_frvar([clip_variance(c) for c in read_clips(predictions, "predictions")])


def summarize_frvar(clips: list[float]) -> FRVar:
    """Average ``clip_variance`` of all clips."""
    return FRVar(official=float(np.mean(clips)), per_clip=np.array(clips))


def frdiv(predictions: ClipArray) -> FRDiv:
    """Diversity among the samples of a clip (official name S-MSE); 0 for S = 1.

    Args:
        predictions: P (N, S, T, 25).

    Raises:
        InputError: Another shape, or NaN.
    """
    check_predictions(predictions)
    return summarize_frdiv([clip_diversity(c) for c in read_clips(predictions, "predictions")])


def summarize_frdiv(clips: list[float]) -> FRDiv:
    """Average ``clip_diversity`` of all clips."""
    return FRDiv(official=float(np.mean(clips)), per_clip=np.array(clips))


def frdvs(predictions: ClipArray) -> FRDvs:
    """Diversity among the clips for equal sample index.

    ``Σ_s Σ_{n, m} |P[n, s] - P[m, s]|² / (N (N - 1) S T 25)``.

    Args:
        predictions: P (N, S, T, 25), N ≥ 2.

    Raises:
        InputError: Another shape, NaN, or a single clip.
    """
    check_predictions(predictions)
    between = BetweenClips()
    for clip in read_clips(predictions, "predictions"):
        between.add(clip)
    return between.result()
