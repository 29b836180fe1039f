"""FRCorr: how well reactions agree with the best appropriate one, by concordance correlation.

Official source: ``metric/FRC.py`` of baseline_react2024, reproduced to 1e-6 relative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from react24.metrics.arrays import ClipArray, defined_mean, to_numpy
from react24.metrics.known import KnownFrames, compare_with_truth
from react24.metrics.moments import OFFICIAL_EPSILON, Moments, gather_moments, moments


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


def correlation(first: Moments, second: Moments) -> Any:
    """Pearson's r of every pair and channel, 0 where a channel is constant.

    Returns:
        float64 (25, n_first, n_second) in [-1, 1]; like what follows, an array of NumPy, or a
        tensor where the moments are.
    """
    left = first.unit.swapaxes(0, 1)  # (25, n_first, T)
    right = second.unit.swapaxes(0, 1).swapaxes(1, 2)  # (25, T, n_second)
    return (left @ right).clip(-1.0, 1.0)


def concordance_official(first: Moments, second: Moments, r: Any) -> Any:
    """CCC as the official code has it, averaged over the channels: float64 (n_first, n_second).

    ``2 r s_x s_y / (v_x + v_y + (m_x - m_y)² + 1e-8)`` with float32 moments, r being
    ``correlation(first, second)``. A channel that is constant in either sequence contributes 0,
    even if both are equal.
    """
    numerator = 2.0 * r * _column(first.std32) * _row(second.std32)
    gap = _column(first.mean32) - _row(second.mean32)
    spread = _column(first.var32) + _row(second.var32)
    return (numerator / (spread + gap**2 + OFFICIAL_EPSILON)).mean(0)


def concordance_exact(first: Moments, second: Moments, r: Any) -> Any:
    """Lin's CCC, averaged over the channels; arguments and result as ``concordance_official``.

    No epsilon, float64 moments; a channel constant and equal in both sequences agrees perfectly
    and counts 1; constant in both but different, or constant in one, 0.
    """
    numerator = 2.0 * r * _column(first.std) * _row(second.std)
    gap = _column(first.mean) - _row(second.mean)
    denominator = _column(first.std**2) + _row(second.std**2) + gap**2
    equal_constants = denominator == 0.0
    return (numerator / (denominator + equal_constants) + equal_constants).mean(0)


def _column(values: Any) -> Any:
    return values.T[:, :, None]  # (25, n, 1)


def _row(values: Any) -> Any:
    return values.T[:, None, :]  # (25, 1, n)


class BestConcordance:
    """Finds how well samples agree with the appropriate reaction that each agrees with best.

    Several threads may call one.

    Args:
        truth: float32 (N, T, 25), all real reactions.
        known: In which frames they are known; None where that is everywhere.
        device: A device of torch such as ``cuda``; None for the processor.

    Raises:
        InputError: The device cannot be used.
    """

    def __init__(self, truth: np.ndarray, known: KnownFrames | None, device: str | None):
        self._known = known
        self._move: Callable[[Moments], Moments] = lambda found: found
        if device:
            from react24.devices import choose_device  # torch is needed for this only
            from react24.metrics import on_device

            self._move = on_device.move_moments(choose_device(device))
        self._truth = self._move(gather_moments(truth, len(truth)))

    def __call__(
        self, clips: np.ndarray, appropriate: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Highest CCC of every sample of some clips.

        Args:
            clips: float32 (n, S, T, 25).
            appropriate: For each clip the indices of the appropriate reactions.

        Returns:
            Official and exact CCC, float64 (n, S) each; each takes its own maximum. The exact one
            counts known frames alone, and is NaN for a clip without an appropriate reaction that
            is known.
        """
        official, exact = self._over_all_frames(clips, appropriate)
        for row, rows in enumerate(appropriate):
            if self._known and self._known.is_partial(rows):
                exact[row] = self._over_known_frames(clips[row], rows, self._known)
        return official, exact

    def _over_all_frames(
        self, clips: np.ndarray, appropriate: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        official, exact = np.empty((2, *clips.shape[:2]))
        for row, (clip, rows) in enumerate(zip(clips, appropriate, strict=True)):
            made = self._move(moments(np.ascontiguousarray(clip.transpose(0, 2, 1))))
            real = self._truth.take(rows)
            r = correlation(made, real)
            official[row] = to_numpy(concordance_official(made, real, r)).max(axis=1)
            exact[row] = to_numpy(concordance_exact(made, real, r)).max(axis=1)
        return official, exact

    def _over_known_frames(
        self, clip: np.ndarray, rows: np.ndarray, known: KnownFrames
    ) -> np.ndarray:
        """Highest exact CCC of each sample of a clip, (S,)."""
        whole, part = known.split(rows)
        best = np.full(len(clip), -np.inf)
        if len(whole):
            best = self._over_all_frames(clip[None], [whole])[1][0]
        for j in part:
            frames = known.valid[j]
            made = moments(np.ascontiguousarray(clip[:, frames].transpose(0, 2, 1)))
            real = moments(np.ascontiguousarray(known.values[j, frames].T)[None])
            ccc = concordance_exact(made, real, correlation(made, real))[:, 0]
            best = np.maximum(best, ccc)
        return np.where(np.isfinite(best), best, np.nan)


def summarize_frcorr(official: np.ndarray, exact: np.ndarray) -> FRCorr:
    """Average what ``BestConcordance`` found of every clip and sample, float64 (N, S) each."""
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
    return summarize_frcorr(
        *compare_with_truth(BestConcordance, predictions, truth, matrix, valid=valid, device=device)
    )
