"""FRCorr: how well reactions agree with the best appropriate one, by concordance correlation.

Official source: ``metric/FRC.py`` of baseline_react2024, reproduced to 1e-6 relative.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from react24.dtw.jit import compiled
from react24.metrics.arrays import (
    ClipArray,
    appropriate_clips,
    check_behaviour,
    check_predictions,
    clips_per_group,
    defined_mean,
    read_clips,
    read_groups,
)

if TYPE_CHECKING:
    from react24.metrics.on_device import DeviceMoments

OFFICIAL_EPSILON = np.float32(1e-8)
"""Added to the official denominator; it shrinks channels with a standard deviation near 1e-4."""


@dataclass(frozen=True)
class FRCorr:
    """Result of ``frcorr``.

    Attributes:
        official: Mean over clips of the SUM over samples of the best CCC; at most S.
        mean: ``official / S``, in [-1, 1].
        exact_mean: The same mean with the exact CCC (``concordance_exact``) over the frames in
            which the real reaction is known, in [-1, 1]; over the clips that have one.
        per_clip: float64 (N,) sum over samples of the best official CCC.
        per_clip_exact: float64 (N,) mean over samples of the best exact CCC; NaN where no
            appropriate reaction is known.
        samples: S.
    """

    official: float
    mean: float
    exact_mean: float
    per_clip: np.ndarray
    per_clip_exact: np.ndarray
    samples: int


@dataclass(frozen=True)
class Moments:
    """Sequences prepared for CCC with any other: (n, 25, T) reduced once instead of per pair.

    Attributes:
        unit: float64 (n, 25, T), centred and scaled to norm 1; 0 where a channel is constant.
        mean: float64 (n, 25).
        std: float64 (n, 25), over time, ddof 0.
        mean32: float32 (n, 25), rounded as NumPy's float32 arithmetic does.
        var32: float32 (n, 25), likewise, ddof 0.
        std32: float32 (n, 25), likewise.
    """

    unit: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    mean32: np.ndarray
    var32: np.ndarray
    std32: np.ndarray

    def take(self, rows: np.ndarray) -> Moments:
        """The moments of some of the sequences."""
        return Moments(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def moments(values: np.ndarray) -> Moments:
    """Means, spreads and unit vectors of sequences.

    Args:
        values: float32 (n, 25, T), C-contiguous: the float32 moments depend on the order of
            summation, and only a contiguous time axis is summed as in the official code.
    """
    mean = np.empty(values.shape[:2])
    norm = np.empty(values.shape[:2])
    unit = np.empty(values.shape)
    make_units(values, unit, mean, norm)
    mean32 = values.mean(axis=-1)
    var32 = values.var(axis=-1, mean=mean32[..., None])
    return Moments(
        unit=unit,
        mean=mean,
        std=norm / np.sqrt(values.shape[-1]),
        mean32=mean32,
        var32=var32,
        std32=np.sqrt(var32),
    )


@compiled(reorder=True)
def make_units(values, unit, mean, norm):
    """Centre sequences and scale them to norm 1.

    Args:
        values: float32 (n, C, T).
        unit: float64 (n, C, T), filled.
        mean: float64 (n, C), filled.
        norm: float64 (n, C), filled: of the centred sequence. The sum of equal float32 values is
            exact in float64, so that constant means exactly 0.
    """
    frames = values.shape[2]
    for n in range(values.shape[0]):
        for c in range(values.shape[1]):
            source, target = values[n, c], unit[n, c]
            total = 0.0
            for t in range(frames):
                total += source[t]
            centre = total / frames
            squares = 0.0
            for t in range(frames):
                difference = source[t] - centre
                target[t] = difference
                squares += difference * difference
            mean[n, c], norm[n, c] = centre, math.sqrt(squares)
            if squares > 0.0:
                scale = 1.0 / norm[n, c]
                for t in range(frames):
                    target[t] *= scale


def gather_moments(clips: Iterable[np.ndarray], count: int) -> Moments:
    """Moments of sequences that come one at a time, float32 (T, 25) each.

    Args:
        clips: The sequences.
        count: How many there are.
    """
    gathered: Moments | None = None
    for row, clip in enumerate(clips):
        one = moments(np.ascontiguousarray(clip.T)[None])
        if gathered is None:
            gathered = Moments(
                **{
                    name: np.empty((count, *values.shape[1:]), values.dtype)
                    for name, values in vars(one).items()
                }
            )
        for name, values in vars(one).items():
            getattr(gathered, name)[row] = values[0]
    return gathered


def correlation(first: Moments, second: Moments) -> np.ndarray:
    """Pearson's r of every pair and channel, 0 where a channel is constant.

    Returns:
        float64 (25, n_first, n_second) in [-1, 1].
    """
    left = first.unit.transpose(1, 0, 2)  # (25, n_first, T)
    right = second.unit.transpose(1, 2, 0)  # (25, T, n_second)
    return np.clip(left @ right, -1.0, 1.0)


def concordance_official(first: Moments, second: Moments, r: np.ndarray) -> np.ndarray:
    """CCC as the official code computes it, averaged over the channels.

    ``2 r s_x s_y / (v_x + v_y + (m_x - m_y)² + 1e-8)`` with float32 moments. A channel that is
    constant in either sequence contributes 0, even if both are equal.

    Args:
        first: n_first sequences.
        second: n_second sequences.
        r: ``correlation(first, second)``.

    Returns:
        float64 (n_first, n_second).
    """
    numerator = 2.0 * r * _column(first.std32) * _row(second.std32)
    gap = _column(first.mean32) - _row(second.mean32)
    spread = _column(first.var32) + _row(second.var32)
    return (numerator / (spread + gap**2 + OFFICIAL_EPSILON)).mean(axis=0)


def concordance_exact(first: Moments, second: Moments, r: np.ndarray) -> np.ndarray:
    """Lin's CCC, averaged over the channels.

    No epsilon, float64 moments; a channel constant and equal in both sequences agrees perfectly
    and counts 1; constant in both but different, or constant in one, 0.

    Returns:
        float64 (n_first, n_second).
    """
    numerator = 2.0 * r * _column(first.std) * _row(second.std)
    gap = _column(first.mean) - _row(second.mean)
    denominator = _column(first.std**2) + _row(second.std**2) + gap**2
    equal_constants = denominator == 0.0
    ccc = numerator / np.where(equal_constants, 1.0, denominator)
    return np.where(equal_constants, 1.0, ccc).mean(axis=0)


def _column(values: np.ndarray) -> np.ndarray:
    return values.T[:, :, None]  # (25, n, 1)


def _row(values: np.ndarray) -> np.ndarray:
    return values.T[:, None, :]  # (25, 1, n)


def best_concordance(
    clip: np.ndarray, truth: Moments, appropriate: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Highest CCC of each sample of one clip with any appropriate reaction.

    Args:
        clip: float32 (S, T, 25).
        truth: Moments of all N ground-truth sequences.
        appropriate: Indices of the appropriate ones.

    Returns:
        Official and exact CCC, float64 (S,) each; each takes its own maximum.
    """
    prediction = moments(np.ascontiguousarray(clip.transpose(0, 2, 1)))
    reactions = truth.take(appropriate)
    r = correlation(prediction, reactions)
    official = concordance_official(prediction, reactions, r).max(axis=1)
    exact = concordance_exact(prediction, reactions, r).max(axis=1)
    return official, exact


def move_moments(truth: Moments, device: str | None) -> DeviceMoments | None:
    """The moments of the ground truth on a device of torch; None where none is asked for.

    Raises:
        InputError: The device cannot be used.
    """
    if device is None:
        return None
    from react24.metrics import on_device  # torch is needed for this only

    return on_device.DeviceMoments(truth, on_device.choose_device(device))


def best_concordances(
    clips: np.ndarray,
    truth: Moments,
    appropriate: Sequence[np.ndarray],
    moved: DeviceMoments | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """``best_concordance`` of several clips.

    Args:
        clips: float32 (n, S, T, 25).
        truth: Moments of all N ground-truth sequences.
        appropriate: For each clip the indices of the appropriate ones.
        moved: ``move_moments(truth, ...)``.

    Returns:
        Official and exact CCC, float64 (n, S) each.
    """
    if moved is None:
        pairs = zip(clips, appropriate, strict=True)
        best = [best_concordance(clip, truth, found) for clip, found in pairs]
        return np.stack([b[0] for b in best]), np.stack([b[1] for b in best])
    count, samples, frames, channels = clips.shape
    flat = clips.transpose(0, 1, 3, 2).reshape(count * samples, channels, frames)
    rows = [found for found in appropriate for _ in range(samples)]
    official, exact = moved.best_concordance(moments(np.ascontiguousarray(flat)), rows)
    return official.reshape(count, samples), exact.reshape(count, samples)


def summarize_frcorr(official: np.ndarray, exact: np.ndarray) -> FRCorr:
    """Average the best CCC of every clip and sample.

    Args:
        official: float64 (N, S) from ``best_concordance``.
        exact: likewise.
    """
    samples = official.shape[1]
    per_clip = official.sum(axis=1)
    return FRCorr(
        official=float(per_clip.mean()),
        mean=float(per_clip.mean()) / samples,
        exact_mean=defined_mean(exact),
        per_clip=per_clip,
        per_clip_exact=exact.mean(axis=1),
        samples=samples,
    )


def frcorr(
    predictions: ClipArray,
    truth: ClipArray,
    matrix: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    device: str | None = None,
) -> FRCorr:
    """Facial reaction correlation.

    ``official = (1/N) Σ_n Σ_s max_{j: M[n, j] = 1} CCC(G[j], P[n, s])``: it grows with S.

    Args:
        predictions: P (N, S, T, 25).
        truth: G (N, T, 25).
        matrix: M (N, N).
        valid: bool (N, T), in which frames the ground truth is known; None for all. Concerns
            ``exact_mean`` alone.
        device: A device of torch such as ``cuda``; None computes on the processor, without torch.

    Raises:
        InputError: Shapes that do not fit, NaN, a row of M without a 1, a device that cannot be
            used.
    """
    from react24.metrics import known  # builds on this module

    clips, samples, frames = check_predictions(predictions)
    check_behaviour(truth, clips, frames, "ground truth")
    neighbours = appropriate_clips(matrix, clips)
    partly = known.known_frames(truth, valid)
    prepared = gather_moments(read_clips(truth, "ground truth"), clips)
    moved = move_moments(prepared, device)
    official, exact = [], []
    for rows, group in read_groups(predictions, "predictions", clips_per_group(samples, device)):
        best = best_concordances(group, prepared, neighbours[rows], moved)
        official.append(best[0])
        exact.append(best[1])
        if partly:
            exact[-1] = known.known_concordances(
                group, best[1], prepared, neighbours[rows], partly, moved
            )
    return summarize_frcorr(np.concatenate(official), np.concatenate(exact))
