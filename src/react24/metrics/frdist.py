"""FRDist: how far reactions are from the nearest appropriate one, by dynamic time warping.

Official source: ``metric/FRD.py`` of baseline_react2024, reproduced to 1e-6 relative (in practice
to about 1e-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from react24.dtw import nearest_distances, prepare
from react24.metrics.arrays import ClipArray, defined_mean
from react24.metrics.known import KnownFrames, compare_with_truth


@dataclass(frozen=True)
class FRDist:
    """Result of ``frdist``.

    Attributes:
        official: Mean over clips of the SUM over samples of the smallest distance.
        mean: Mean over clips and samples of the smallest distance over the frames in which the real
            reaction is known; ``official / S`` where all are.
        per_clip: float64 (N,) sum over samples.
        per_clip_mean: float64 (N,), as ``mean``; NaN where no appropriate reaction is known.
        samples: S.
    """

    official: float
    mean: float
    per_clip: np.ndarray
    per_clip_mean: np.ndarray
    samples: int


class SmallestDistance:
    """Finds how far samples are from the nearest appropriate reaction.

    Several threads may call one.

    Args:
        truth: float32 (N, T, 25), all real reactions.
        known: In which frames they are known; None where that is everywhere.
        device: A device of torch such as ``cuda``; None for the processor.

    Raises:
        InputError: The device cannot be used.
    """

    def __init__(self, truth: np.ndarray, known: KnownFrames | None, device: str | None):
        self._known, self._truth, self._moved = known, prepare(truth), None
        if device:
            from react24.devices import choose_device  # torch is needed for this only
            from react24.metrics import on_device

            self._moved = on_device.DeviceTruth(self._truth, choose_device(device))

    def __call__(
        self, clips: np.ndarray, appropriate: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distance of every sample of some clips to the nearest appropriate reaction.

        Args:
            clips: float32 (n, S, T, 25).
            appropriate: For each clip the indices of the appropriate reactions.

        Returns:
            float64 (n, S) each: over all frames, and over those that are known; NaN in the latter
            for a clip without an appropriate reaction that is known.
        """
        every = self._over_all_frames(clips, appropriate)
        if self._known is None:
            return every, every
        return every, self._over_known_frames(clips, every, appropriate, self._known)

    def _over_all_frames(self, clips: np.ndarray, appropriate: Sequence[np.ndarray]) -> np.ndarray:
        samples = clips.shape[1]
        flat = prepare(clips.reshape(-1, *clips.shape[2:]))  # (n S, T, 25)
        candidates = [found for found in appropriate for _ in range(samples)]
        warper = self._moved.warper(flat) if self._moved else None
        return nearest_distances(flat, self._truth, candidates, warper).reshape(-1, samples)

    def _over_known_frames(
        self,
        clips: np.ndarray,
        every: np.ndarray,
        appropriate: Sequence[np.ndarray],
        known: KnownFrames,
    ) -> np.ndarray:
        changed = {
            row: known.split(rows) for row, rows in enumerate(appropriate) if known.is_partial(rows)
        }
        best = every.copy()
        best[list(changed)] = np.inf
        some = [row for row, (whole, _) in changed.items() if len(whole)]
        if some:
            best[some] = self._over_all_frames(clips[some], [changed[row][0] for row in some])
        concerned: dict[int, list[int]] = {}  # by a real reaction that is known in part
        for row, (_, part) in changed.items():
            for j in part:
                concerned.setdefault(int(j), []).append(row)
        for j, rows in concerned.items():  # all clips that are compared with it, side by side
            here = _distances_to(clips[rows], known.values[j], known.valid[j])
            best[rows] = np.minimum(best[rows], here)
        return np.where(np.isfinite(best), best, np.nan)


def _distances_to(clips: np.ndarray, real: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Distances (n, S), float64, of clips (n, S, T, 25) to a real reaction over its known frames.

    A distance is the root of a sum over frames. Over n of T frames it is multiplied by sqrt(T / n),
    so that a reaction known in part is as far away as it would be if the rest were like that part.
    """
    made = prepare(clips[:, :, frames].reshape(-1, int(frames.sum()), clips.shape[3]))
    only = [np.zeros(1, np.int64)] * len(made.values)
    found = nearest_distances(made, prepare(real[frames][None]), only).reshape(clips.shape[:2])
    return found * np.sqrt(len(frames) / frames.sum())


def summarize_frdist(distances: np.ndarray, known: np.ndarray) -> FRDist:
    """Average the smallest distances, float64 (N, S) over all frames and over known ones."""
    samples = distances.shape[1]
    per_clip, per_clip_known = distances.sum(axis=1), known.sum(axis=1)
    return FRDist(
        official=float(per_clip.mean()),
        mean=defined_mean(per_clip_known) / samples,
        per_clip=per_clip,
        per_clip_mean=per_clip_known / samples,
        samples=samples,
    )


def frdist(
    predictions: ClipArray,
    truth: ClipArray,
    matrix: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    device: str | None = None,
) -> FRDist:
    """Facial reaction distance.

    ``official = (1/N) Σ_n Σ_s min_{j: M[n, j] = 1} d(P[n, s], G[j])`` with ``d = DTW(AUs) / 15 +
    DTW(valence, arousal) + DTW(expressions) / 8``: it grows with S.

    Args:
        predictions: P (N, S, T, 25).
        truth: G (N, T, 25).
        matrix: M (N, N).
        valid: bool (N, T), in which frames the ground truth is known; None for all. Concerns
            ``mean`` alone.
        device: A device of torch such as ``cuda``; None computes on the processor, without torch.

    Raises:
        InputError: Shapes that do not fit, NaN, a row of M without a 1, a device that cannot be
            used.
    """
    return summarize_frdist(
        *compare_with_truth(
            SmallestDistance, predictions, truth, matrix, valid=valid, device=device
        )
    )
