"""All metrics in one pass over the reactions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from react24.log import progress
from react24.metrics.arrays import (
    ClipArray,
    appropriate_clips,
    check_behaviour,
    check_predictions,
    clips_per_group,
    finite_clip,
    hold_clips,
    read_clips,
)
from react24.metrics.correlation import (
    FRCorr,
    best_concordances,
    gather_moments,
    move_moments,
    summarize_frcorr,
)
from react24.metrics.distance import (
    FRDist,
    move_sequences,
    smallest_distances,
    summarize_frdist,
)
from react24.metrics.nearest import prepare
from react24.metrics.summary import METRICS, clip_values, corrected_values, official_values
from react24.metrics.synchrony import TLCC, ClipOffsets, check_frames, clip_offsets, summarize_tlcc
from react24.metrics.variance import (
    BetweenClips,
    FRDiv,
    FRDvs,
    FRVar,
    clip_diversity,
    clip_variance,
)


@dataclass(frozen=True)
class Scores:
    """The result of every metric; per-clip arrays are inside."""

    frcorr: FRCorr
    frdist: FRDist
    frdiv: FRDiv
    frvar: FRVar
    frdvs: FRDvs
    tlcc: TLCC

    @property
    def results(self) -> dict[str, Any]:
        """Official name -> result."""
        return {name: getattr(self, name.lower()) for name in METRICS}

    @property
    def official(self) -> dict[str, float]:
        """The numbers as the official evaluation prints them; TLCC in frames."""
        return official_values(self.results)

    @property
    def corrected(self) -> dict[str, float]:
        """What the official numbers were meant to say; ``docs/metrics.md`` explains each."""
        return corrected_values(self.results, self.frcorr.samples)

    @property
    def per_clip(self) -> dict[str, np.ndarray]:
        """Arrays whose first axis is the clip; TLCC's are (N, S)."""
        return clip_values(self.results)


@dataclass(frozen=True)
class _ClipScores:
    concordance: np.ndarray
    concordance_exact: np.ndarray
    distance: np.ndarray
    variance: float
    diversity: float
    offsets: ClipOffsets


@dataclass(frozen=True)
class _Task:
    """One clip: its row, reactions (S, T, 25), and the speaker's behaviour (T, 25)."""

    row: int
    clip: np.ndarray
    said: np.ndarray


def evaluate(
    predictions: ClipArray,
    truth: ClipArray,
    speaker: ClipArray,
    matrix: np.ndarray,
    *,
    threads: int = 1,
    device: str | None = None,
    name: str = "predictions",
) -> Scores:
    """Every metric, reading the predictions once, clip by clip.

    In memory: the ground truth (float32, and float64 for FRCorr), and per thread the clips that are
    compared side by side (6 MB of 750 frames, 150 MB with a device).

    Args:
        predictions: P (N, S, T, 25), N ≥ 2, T ≥ 51.
        truth: G (N, T, 25).
        speaker: Q (N, T, 25).
        matrix: M (N, N).
        threads: Clips scored side by side; the result does not depend on it.
        device: A device of torch such as ``cuda`` for FRCorr and FRDist; None computes on the
            processor, without torch.
        name: Of the predictions, for messages.

    Raises:
        InputError: Shapes that do not fit, NaN, a row of M without a 1, fewer than 2 clips, a
            device that cannot be used.
    """
    clips, samples, frames = check_predictions(predictions)
    check_behaviour(truth, clips, frames, "ground truth")
    check_behaviour(speaker, clips, frames, "speaker behaviour")
    check_frames(frames)
    neighbours = appropriate_clips(matrix, clips)
    sequences = prepare(hold_clips(truth, "ground truth"))
    prepared = gather_moments(sequences.values, clips)

    moved = move_moments(prepared, device), move_sequences(sequences, device)

    def score(tasks: list[_Task]) -> list[_ClipScores]:
        together = np.stack([task.clip for task in tasks])
        found = [neighbours[task.row] for task in tasks]
        official, exact = best_concordances(together, prepared, found, moved[0])
        distances = smallest_distances(together, sequences, found, moved[1])
        return [
            _ClipScores(
                concordance=official[i],
                concordance_exact=exact[i],
                distance=distances[i],
                variance=clip_variance(task.clip),
                diversity=clip_diversity(task.clip),
                offsets=clip_offsets(task.clip, task.said),
            )
            for i, task in enumerate(tasks)
        ]

    between = BetweenClips()
    results: list[_ClipScores] = []
    tasks = _read(predictions, speaker, name)
    shown = iter(progress(tasks, what="scoring", unit="clip", total=clips))
    size = clips_per_group(samples, device)
    with ThreadPoolExecutor(threads) as pool:
        # Reading and FRDvs stay in this thread and in order; only a few clips are alive at once.
        while batch := list(islice(shown, size * threads)):
            groups = [batch[start : start + size] for start in range(0, len(batch), size)]
            scored = pool.map(score, groups)
            for task in batch:
                between.add(task.clip)
            for scores in scored:
                results.extend(scores)
    return _summarize(results, between)


def _read(predictions: ClipArray, speaker: ClipArray, name: str) -> Iterator[_Task]:
    said = read_clips(speaker, "speaker behaviour")
    for row in range(predictions.shape[0]):
        yield _Task(row, finite_clip(predictions[row], row, name), next(said))


def _summarize(results: list[_ClipScores], between: BetweenClips) -> Scores:
    variance = np.array([r.variance for r in results])
    diversity = np.array([r.diversity for r in results])
    return Scores(
        frcorr=summarize_frcorr(
            np.stack([r.concordance for r in results]),
            np.stack([r.concordance_exact for r in results]),
        ),
        frdist=summarize_frdist(np.stack([r.distance for r in results])),
        frdiv=FRDiv(official=float(diversity.mean()), per_clip=diversity),
        frvar=FRVar(official=float(variance.mean()), per_clip=variance),
        frdvs=between.result(),
        tlcc=summarize_tlcc([r.offsets for r in results]),
    )
