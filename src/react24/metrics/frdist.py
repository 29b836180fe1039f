"""FRDist: how far reactions are from the nearest appropriate one, by dynamic time warping.

Official source: ``metric/FRD.py`` of baseline_react2024, reproduced to 1e-6 relative (in practice
to about 1e-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from react24.dtw.nearest import Sequences, nearest_distances, prepare
from react24.metrics.arrays import (
    ClipArray,
    appropriate_clips,
    check_behaviour,
    check_predictions,
    clips_per_group,
    defined_mean,
    hold_clips,
    read_groups,
)

if TYPE_CHECKING:
    from react24.metrics.on_device import DeviceTruth


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


def move_sequences(truth: Sequences, device: str | None) -> DeviceTruth | None:
    """The ground truth on a device of torch; None where none is asked for.

    Raises:
        InputError: The device cannot be used.
    """
    if device is None:
        return None
    from react24.metrics import on_device  # torch is needed for this only

    return on_device.DeviceTruth(truth, on_device.choose_device(device))


def smallest_distances(
    clips: np.ndarray,
    truth: Sequences,
    appropriate: Sequence[np.ndarray],
    moved: DeviceTruth | None = None,
) -> np.ndarray:
    """Distance of each sample of some clips to the nearest appropriate reaction.

    Args:
        clips: float32 (n, S, T, 25).
        truth: All ground-truth sequences.
        appropriate: For each clip the indices of the appropriate ones.
        moved: ``move_sequences(truth, ...)``.

    Returns:
        float64 (n, S).
    """
    samples = clips.shape[1]
    flat = prepare(clips.reshape(-1, *clips.shape[2:]))  # (n S, T, 25)
    candidates = [found for found in appropriate for _ in range(samples)]
    warper = moved.warper(flat) if moved else None
    return nearest_distances(flat, truth, candidates, warper).reshape(-1, samples)


def summarize_frdist(distances: np.ndarray, known: np.ndarray | None = None) -> FRDist:
    """Average the smallest distance of every clip and sample.

    Args:
        distances: float64 (N, S) over all frames.
        known: float64 (N, S) over the frames that are known; None where all are.
    """
    per_clip = distances.sum(axis=1)
    samples = distances.shape[1]
    official = float(per_clip.mean())
    return FRDist(
        official=official,
        mean=official / samples if known is None else defined_mean(known),
        per_clip=per_clip,
        per_clip_mean=per_clip / samples if known is None else known.mean(axis=1),
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
    from react24.metrics import known  # builds on this module

    clips, samples, frames = check_predictions(predictions)
    check_behaviour(truth, clips, frames, "ground truth")
    neighbours = appropriate_clips(matrix, clips)
    partly = known.known_frames(truth, valid)
    prepared = prepare(hold_clips(truth, "ground truth"))
    moved = move_sequences(prepared, device)
    every, over_known = [], []
    for rows, group in read_groups(predictions, "predictions", clips_per_group(samples, device)):
        every.append(smallest_distances(group, prepared, neighbours[rows], moved))
        if partly:
            over_known.append(
                known.known_distances(group, every[-1], prepared, neighbours[rows], partly, moved)
            )
    return summarize_frdist(
        np.concatenate(every), np.concatenate(over_known) if over_known else None
    )
