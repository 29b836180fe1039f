"""Which frames of the ground truth are known: the corrected numbers leave the others out.

A frame of a real reaction in which nobody saw the face holds no behaviour, but a held or made-up
value. The official numbers take it for behaviour. The corrected ones compare a reaction and a real
one over the frames in which the real one is known, cut out of both: what a reaction does meanwhile
cannot be judged. Pairs whose real reaction is known throughout are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from react24.metrics.arrays import (
    ClipArray,
    appropriate_clips,
    check_behaviour,
    check_predictions,
    check_valid,
    clips_per_group,
    hold_clips,
    read_groups,
)

LEAST_FRAMES = 2
"""A real reaction with fewer known frames is compared with nothing."""


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


def known_frames(truth: np.ndarray, valid: np.ndarray | None) -> KnownFrames | None:
    """The real reactions (N, T, 25) with bool (N, T); None where all frames are known.

    Raises:
        InputError: Validity of another shape.
    """
    found = check_valid(valid, len(truth), truth.shape[1], "the ground truth")
    return None if found is None else KnownFrames(truth, found)


Finder = Callable[[np.ndarray, Sequence[np.ndarray]], tuple[np.ndarray, ...]]
"""Of float32 (n, S, T, 25) and the appropriate reactions of each of the n, arrays (n, S)."""


def compare_with_truth(
    finder: Callable[[np.ndarray, KnownFrames | None, str | None], Finder],
    predictions: ClipArray,
    truth: ClipArray,
    matrix: np.ndarray,
    *,
    valid: np.ndarray | None,
    device: str | None,
) -> list[np.ndarray]:
    """What FRCorr or FRDist finds of every sample, read a group of clips at a time.

    Args:
        finder: ``BestConcordance`` or ``SmallestDistance``.
        predictions: P (N, S, T, 25).
        truth: G (N, T, 25).
        matrix: M (N, N).
        valid: bool (N, T), in which frames the ground truth is known; None for all.
        device: A device of torch; None for the processor.

    Returns:
        The finder's arrays, each (N, S).

    Raises:
        InputError: Shapes that do not fit, NaN, a row of M without a 1, a device that cannot be
            used.
    """
    clips, samples, frames = check_predictions(predictions)
    check_behaviour(truth, clips, frames, "ground truth")
    neighbours = appropriate_clips(matrix, clips)
    real = hold_clips(truth, "ground truth")
    find = finder(real, known_frames(real, valid), device)
    groups = read_groups(predictions, "predictions", clips_per_group(samples, device))
    found = [find(group, neighbours[rows]) for rows, group in groups]
    return [np.concatenate(side) for side in zip(*found, strict=True)]
