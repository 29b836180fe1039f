"""The corrected numbers where the ground truth is not known in every frame.

A frame of a real reaction in which nobody saw the face holds no behaviour, but a held or made-up
value. The official numbers take it for behaviour. Here a reaction and a real one are compared over
the frames in which the real one is known, and those frames are cut out of both: what a reaction
does meanwhile cannot be judged. Pairs whose real reaction is known throughout are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from react24.dtw.nearest import Sequences, nearest_distances, prepare
from react24.metrics.arrays import ClipArray, check_valid, hold_clips
from react24.metrics.frcorr import (
    Moments,
    best_concordances,
    concordance_exact,
    correlation,
    moments,
)
from react24.metrics.frdist import smallest_distances

if TYPE_CHECKING:
    from react24.metrics.on_device import DeviceMoments, DeviceTruth

LEAST_FRAMES = 2
"""A real reaction with fewer known frames is compared with nothing."""


def known_frames(truth: ClipArray, valid: np.ndarray | None) -> KnownFrames | None:
    """The real reactions (N, T, 25) with bool (N, T); None where all frames are known."""
    found = check_valid(valid, *truth.shape[:2], "the ground truth")
    return None if found is None else KnownFrames(hold_clips(truth, "ground truth"), found)


@dataclass(frozen=True)
class KnownFrames:
    """Real reactions, some of which are not known throughout.

    Attributes:
        values: float32 (N, T, 25).
        valid: bool (N, T).
    """

    values: np.ndarray
    valid: np.ndarray

    def split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of some rows, those known throughout, and those known in part."""
        known = self.valid[rows].sum(axis=1)
        whole = known == self.valid.shape[1]
        return rows[whole], rows[~whole & (known >= LEAST_FRAMES)]

    def is_partial(self, rows: np.ndarray) -> bool:
        """Whether any of some rows is not known throughout."""
        return not self.valid[rows].all()


def known_concordances(
    clips: np.ndarray,
    exact: np.ndarray,
    truth: Moments,
    appropriate: Sequence[np.ndarray],
    known: KnownFrames,
    moved: DeviceMoments | None = None,
) -> np.ndarray:
    """The best exact CCC of some clips over the frames that are known.

    Args:
        clips: float32 (n, S, T, 25).
        exact: float64 (n, S), the same over all frames.
        truth: Moments of all N real reactions.
        appropriate: For each clip the indices of the appropriate ones.
        known: What is known of the real reactions.
        moved: As for ``best_concordances``.

    Returns:
        float64 (n, S); NaN for a clip without an appropriate reaction that is known.
    """
    exact = exact.copy()
    for row, rows in enumerate(appropriate):
        if not known.is_partial(rows):
            continue
        whole, part = known.split(rows)
        best = np.full(exact.shape[1], -np.inf)
        if len(whole):
            best = best_concordances(clips[row : row + 1], truth, [whole], moved)[1][0]
        for j in part:
            frames = known.valid[j]
            made = moments(np.ascontiguousarray(clips[row][:, frames].transpose(0, 2, 1)))
            real = moments(np.ascontiguousarray(known.values[j, frames].T)[None])
            ccc = concordance_exact(made, real, correlation(made, real))[:, 0]
            best = np.maximum(best, ccc)
        exact[row] = np.where(np.isfinite(best), best, np.nan)
    return exact


def known_distances(
    clips: np.ndarray,
    distances: np.ndarray,
    truth: Sequences,
    appropriate: Sequence[np.ndarray],
    known: KnownFrames,
    moved: DeviceTruth | None = None,
) -> np.ndarray:
    """Smallest distances of some clips over the frames that are known.

    A distance is the root of a sum over frames. Over n of T frames it is multiplied by sqrt(T / n),
    so that a reaction known in part is as far away as it would be if the rest were like that part.

    Args:
        clips: float32 (n, S, T, 25).
        distances: float64 (n, S), the same over all frames.
        truth: All N real reactions.
        appropriate: For each clip the indices of the appropriate ones.
        known: What is known of them.
        moved: As for ``smallest_distances``.

    Returns:
        float64 (n, S); NaN for a clip without an appropriate reaction that is known.
    """
    changed = [row for row, rows in enumerate(appropriate) if known.is_partial(rows)]
    if not changed:
        return distances
    best = distances.copy()
    best[changed] = np.inf
    parts = {row: known.split(appropriate[row]) for row in changed}
    some = [row for row in changed if len(parts[row][0])]
    if some:
        best[some] = smallest_distances(clips[some], truth, [parts[r][0] for r in some], moved)
    users: dict[int, list[int]] = {}
    for row in changed:
        for j in parts[row][1]:
            users.setdefault(int(j), []).append(row)
    for j, rows in users.items():  # all clips that are compared with one reaction, side by side
        best[rows] = np.minimum(best[rows], _distances_to(clips[rows], j, known))
    return np.where(np.isfinite(best), best, np.nan)


def _distances_to(clips: np.ndarray, row: int, known: KnownFrames) -> np.ndarray:
    """Distances of (n, S, T, 25) to one real reaction over its known frames, (n, S)."""
    frames = known.valid[row]
    made = prepare(clips[:, :, frames].reshape(-1, int(frames.sum()), clips.shape[3]))
    real = prepare(known.values[row, frames][None])
    only = [np.zeros(1, np.int64)] * len(made.values)
    found = nearest_distances(made, real, only).reshape(clips.shape[:2])
    return found * np.sqrt(len(frames) / frames.sum())
