"""All metrics in one pass over the reactions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from react24.conventions import METRICS
from react24.log import progress
from react24.metrics.arrays import (
    ClipArray,
    appropriate_clips,
    check_behaviour,
    check_predictions,
    check_valid,
    clips_per_group,
    finite_clip,
    hold_clips,
    read_clips,
)
from react24.metrics.frcorr import BestConcordance, FRCorr, summarize_frcorr
from react24.metrics.frdist import FRDist, SmallestDistance, summarize_frdist
from react24.metrics.frvar import (
    BetweenClips,
    FRDiv,
    FRDvs,
    FRVar,
    check_time,
    clip_diversity,
    clip_variance,
    summarize_frdiv,
    summarize_frvar,
)
from react24.metrics.known import known_frames
from react24.metrics.summary import choose_metrics, clip_values, corrected_values, official_values
from react24.metrics.tlcc import TLCC, check_frames, clip_offsets, summarize_tlcc


@dataclass(frozen=True)
class Scores:
    """The results of the metrics; per-clip arrays are inside.

    Attributes:
        samples: S.
        frcorr: Result of the function of that name; None where it was not asked for.
        frdist: The same for each of the others.
        frdiv: See ``frdiv``.
        frvar: See ``frvar``.
        frdvs: See ``frdvs``.
        tlcc: See ``tlcc``.
    """

    samples: int
    frcorr: FRCorr | None = None
    frdist: FRDist | None = None
    frdiv: FRDiv | None = None
    frvar: FRVar | None = None
    frdvs: FRDvs | None = None
    tlcc: TLCC | None = None

    @property
    def results(self) -> dict[str, Any]:
        """Official name -> result, of those that were asked for."""
        found = {name: getattr(self, name.lower()) for name in METRICS}
        return {name: result for name, result in found.items() if result is not None}

    @property
    def official(self) -> dict[str, float]:
        """The numbers as the official evaluation prints them; TLCC in frames."""
        return official_values(self.results)

    @property
    def corrected(self) -> dict[str, float]:
        """What the official numbers were meant to say; ``docs/metrics.md`` explains each."""
        return corrected_values(self.results, self.samples)

    @property
    def per_clip(self) -> dict[str, np.ndarray]:
        """Arrays whose first axis is the clip; TLCC's are (N, S)."""
        return clip_values(self.results)


@dataclass(frozen=True)
class _Task:
    """One clip: its row, reactions (S, T, 25), the speaker (T, 25) and where that is known (T,)."""

    row: int
    clip: np.ndarray
    said: np.ndarray
    heard: np.ndarray | None


def evaluate(
    predictions: ClipArray,
    truth: ClipArray,
    speaker: ClipArray,
    matrix: np.ndarray,
    *,
    truth_valid: np.ndarray | None = None,
    speaker_valid: np.ndarray | None = None,
    metrics: Iterable[str] | None = None,
    threads: int = 1,
    device: str | None = None,
    name: str = "predictions",
) -> Scores:
    """All metrics or some, reading the predictions once, clip by clip.

    In memory: the ground truth (float32, and float64 for FRCorr), and per thread the clips that are
    compared side by side (12 MB of 750 frames, 150 MB with a device).

    Args:
        predictions: P (N, S, T, 25); N ≥ 2 for FRDvs, T ≥ 51 for TLCC.
        truth: G (N, T, 25).
        speaker: Q (N, T, 25).
        matrix: M (N, N).
        truth_valid: bool (N, T), in which frames the ground truth is known; None for all. The
            corrected numbers leave out the others.
        speaker_valid: bool (N, T), in which frames the speaker is known; None for all.
        metrics: Official names; None for all.
        threads: Clips scored side by side; the result does not depend on it.
        device: A device of torch such as ``cuda`` for FRCorr and FRDist; None computes on the
            processor, without torch.
        name: Of the predictions, for messages.

    Raises:
        InputError: An unknown metric, shapes that do not fit, NaN, a row of M without a 1, too few
            clips or frames, a device that cannot be used.
    """
    metrics = choose_metrics(metrics)
    clips, samples, frames = check_predictions(predictions)
    check_behaviour(truth, clips, frames, "ground truth")
    check_behaviour(speaker, clips, frames, "speaker behaviour")
    if "TLCC" in metrics:
        check_frames(frames)
    if "FRVar" in metrics:
        check_time(frames)
    heard = check_valid(speaker_valid, clips, frames, "speaker behaviour")
    score = _Scorer(truth, truth_valid, appropriate_clips(matrix, clips), metrics, device)
    between = BetweenClips()
    parts: dict[str, list[Any]] = {}
    tasks = _read(predictions, speaker, heard, name)
    shown = iter(progress(tasks, what=f"scoring {name}", unit="clip", total=clips))
    size = clips_per_group(samples, device)
    with ThreadPoolExecutor(threads) as pool:
        # Reading and FRDvs stay in this thread and in order; only a few clips are alive at once.
        while batch := list(islice(shown, size * threads)):
            groups = [batch[start : start + size] for start in range(0, len(batch), size)]
            scored = pool.map(score, groups)
            if "FRDvs" in metrics:
                for task in batch:
                    between.add(task.clip)
            for found in scored:
                for metric, values in found.items():
                    parts.setdefault(metric, []).extend(values)
    results = {metric: SUMMARIES[metric](values) for metric, values in parts.items()}
    if "FRDvs" in metrics:
        results["FRDvs"] = between.result()
    return Scores(samples, **{metric.lower(): result for metric, result in results.items()})


class _Scorer:
    """Scores some clips; may be called from several threads.

    Args:
        truth: G (N, T, 25), held whole where it is needed.
        truth_valid: bool (N, T), or None.
        neighbours: Appropriate reactions of each clip.
        metrics: Official names.
        device: Of torch; None for the processor.
    """

    def __init__(
        self,
        truth: ClipArray,
        truth_valid: np.ndarray | None,
        neighbours: Sequence[np.ndarray],
        metrics: Collection[str],
        device: str | None,
    ):
        self._neighbours, self._metrics = neighbours, metrics
        self._against_truth: dict[str, BestConcordance | SmallestDistance] = {}
        if not {"FRCorr", "FRDist"} & set(metrics):
            return
        held = hold_clips(truth, "ground truth")
        known = known_frames(held, truth_valid)
        if "FRCorr" in metrics:
            self._against_truth["FRCorr"] = BestConcordance(held, known, device)
        if "FRDist" in metrics:
            self._against_truth["FRDist"] = SmallestDistance(held, known, device)

    def __call__(self, tasks: list[_Task]) -> dict[str, list[Any]]:
        """Official name -> what ``SUMMARIES`` takes of each clip; all but FRDvs."""
        together = np.stack([task.clip for task in tasks])
        near = [self._neighbours[task.row] for task in tasks]
        found: dict[str, list[Any]] = {
            name: list(zip(*find(together, near), strict=True))
            for name, find in self._against_truth.items()
        }
        if "FRDiv" in self._metrics:
            found["FRDiv"] = [clip_diversity(task.clip) for task in tasks]
        if "FRVar" in self._metrics:
            found["FRVar"] = [clip_variance(task.clip) for task in tasks]
        if "TLCC" in self._metrics:
            found["TLCC"] = [clip_offsets(task.clip, task.said, task.heard) for task in tasks]
        return found


def _stacked(summarize: Callable[..., Any]) -> Callable[[list[Any]], Any]:
    """Of pairs of arrays (S,), one a clip, the summary of two arrays (N, S)."""
    return lambda found: summarize(*map(np.stack, zip(*found, strict=True)))


SUMMARIES: dict[str, Callable[[list[Any]], Any]] = {
    "FRCorr": _stacked(summarize_frcorr),
    "FRDist": _stacked(summarize_frdist),
    "FRDiv": summarize_frdiv,
    "FRVar": summarize_frvar,
    "TLCC": summarize_tlcc,
}
"""Official name -> result from what ``_Scorer`` found of all clips."""


def _read(
    predictions: ClipArray, speaker: ClipArray, heard: np.ndarray | None, name: str
) -> Iterator[_Task]:
    said = read_clips(speaker, "speaker behaviour")
    for row in range(predictions.shape[0]):
        known = None if heard is None else heard[row]
        yield _Task(row, finite_clip(predictions[row], row, name), next(said), known)
