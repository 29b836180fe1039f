"""Scoring prediction files of any form against ground truth of any form.

``evaluate_files`` is what ``react24 evaluate`` does; ``docs/metrics.md`` explains the numbers.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from react24.conventions import METRICS
from react24.errors import InputError
from react24.log import progress
from react24.metrics.all_metrics import evaluate
from react24.metrics.frrea.frrea import NO_FRAMES, FRRea
from react24.metrics.readers import GroundTruth, open_ground_truth, open_predictions
from react24.metrics.summary import clip_values, corrected_values, official_values
from react24.metrics.uncertainty import (
    RESAMPLES,
    Interval,
    Terms,
    clip_terms,
    confidence_interval,
    frdvs_terms,
)

logger = logging.getLogger(__name__)

GROUPS = ("session", "clip")
"""What is resampled as a whole: recordings, or the two directions of a clip."""

FEW_GROUPS = 10


@dataclass(frozen=True)
class Resampling:
    """How confidence intervals are made.

    Attributes:
        level: Of the interval, such as 0.95.
        by: One of ``GROUPS``.
        resamples: How many.
        seed: Of the resampling.

    Raises:
        InputError: A level, kind or number that cannot be.
    """

    level: float
    by: str = "session"
    resamples: int = RESAMPLES
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.level < 1:
            raise InputError(
                f"confidence level {self.level:g}; it lies between 0 and 1, such as 0.95"
            )
        if self.by not in GROUPS:
            raise InputError(f"resampling by {self.by!r}; accepted: {', '.join(GROUPS)}")
        if self.resamples < 100:
            raise InputError(f"{self.resamples} resamples; at least 100 are needed")


@dataclass(frozen=True)
class Evaluation:
    """The numbers of one set of predictions.

    Attributes:
        predictions: Where they come from.
        data: Where the ground truth comes from.
        split: Its name.
        appropriate: Where the matrix of appropriate reactions comes from.
        clips: N, directions scored.
        samples: S.
        frames: T.
        official: Name -> number, as the official evaluation prints it.
        corrected: Name -> number, repaired.
        terms: Name -> terms over clips, where resampling was asked for.
        intervals: Name -> confidence interval, likewise.
        groups: Per clip, what is resampled as a whole.
        resampling: How; None where it was not asked for.
        frrea: Realism of rendered frames, or why there is no number.
    """

    predictions: str
    data: str
    split: str
    appropriate: str
    clips: int
    samples: int
    frames: int
    official: dict[str, float]
    corrected: dict[str, float]
    groups: tuple[str, ...]
    terms: dict[str, Terms] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    resampling: Resampling | None = None
    frrea: FRRea = field(default_factory=lambda: FRRea(None, NO_FRAMES))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is undefined is None."""
        found: dict[str, Any] = {
            "official": {name: number(value) for name, value in self.official.items()},
            "corrected": {name: number(value) for name, value in self.corrected.items()},
            "FRRea": self.frrea.as_dict(),
            "N": self.clips,
            "S": self.samples,
            "T": self.frames,
            "split": self.split,
            "predictions": self.predictions,
            "data": self.data,
            "appropriate": self.appropriate,
        }
        if self.resampling:
            found["confidence"] = {
                **resampling_as_dict(self.resampling, self.groups),
                "intervals": {n: interval_as_list(i) for n, i in self.intervals.items()},
            }
        return found


def number(value: float) -> float | None:
    """A number as JSON can hold it."""
    return None if math.isnan(value) else value


def interval_as_list(interval: Interval) -> list[float | None]:
    """Both ends."""
    return [number(interval.low), number(interval.high)]


def resampling_as_dict(resampling: Resampling, groups: Sequence[str]) -> dict[str, Any]:
    """How intervals were made, for JSON."""
    return {
        "level": resampling.level,
        "method": "bootstrap (BCa)",
        "resampled": resampling.by,
        "groups": len(set(groups)),
        "resamples": resampling.resamples,
        "seed": resampling.seed,
    }


def resampling_groups(truth: GroundTruth, by: str) -> tuple[str, ...]:
    """Per direction, the name of what is resampled as a whole."""
    if by == "session":
        return truth.sessions
    half = truth.rows // 2
    return tuple(str(row % half) for row in range(truth.rows))


@dataclass(frozen=True)
class ScoreOptions:
    """How predictions are scored.

    Attributes:
        metrics: Official names.
        samples: Score the first so many samples of each clip; None for all.
        any_range: Accept values far outside the released ranges.
        threads: Clips scored side by side; the result does not depend on it.
        device: Of torch, such as ``cuda``, for FRCorr and FRDist; None for the processor.
    """

    metrics: tuple[str, ...] = METRICS
    samples: int | None = None
    any_range: bool = False
    threads: int = 1
    device: str | None = None


def score_predictions(
    predictions: Path, truth: GroundTruth, options: ScoreOptions, resampling: Resampling | None
) -> Evaluation:
    """Score predictions, and keep what resampling needs where it is asked for.

    Raises:
        InputError, StoreError, FileNotFoundError: What cannot be used, by name.
    """
    groups = resampling_groups(truth, resampling.by if resampling else "session")
    with open_predictions(
        predictions, truth, samples=options.samples, any_range=options.any_range
    ) as opened:
        _, count, frames, _ = opened.shape
        results = evaluate(
            opened,
            truth.listener,
            truth.speaker,
            truth.matrix,
            truth_valid=truth.listener_valid,
            speaker_valid=truth.valid,
            metrics=options.metrics,
            threads=options.threads,
            device=options.device,
        ).results
        parts = None
        if resampling and "FRDvs" in results:
            parts = frdvs_terms(opened, results["FRDvs"].mean)
    return Evaluation(
        predictions=str(predictions),
        data=truth.source,
        split=truth.split,
        appropriate=truth.appropriate,
        clips=truth.rows,
        samples=count,
        frames=frames,
        official=official_values(results),
        corrected=corrected_values(results, count),
        groups=groups,
        terms=clip_terms(clip_values(results), count, parts) if resampling else {},
        resampling=resampling,
    )


def evaluate_files(
    predictions: Path,
    data: Path,
    split: str,
    *,
    appropriate: Path | None = None,
    options: ScoreOptions | None = None,
    resampling: Resampling | None = None,
) -> Evaluation:
    """Score predictions.

    Args:
        predictions: See ``readers.open_predictions``.
        data: See ``readers.open_ground_truth``.
        split: Which split of the data.
        appropriate: Matrix in place of the usual one.
        options: What is scored, and how.
        resampling: How to make confidence intervals; None for none.

    Raises:
        InputError, StoreError, FileNotFoundError: What cannot be used, by name.
    """
    options = options or ScoreOptions()
    truth = open_ground_truth(data, split, appropriate=appropriate, any_range=options.any_range)
    found = score_predictions(predictions, truth, options, resampling)
    if resampling is None:
        return found
    warn_few(found.groups, resampling.by)
    shown = progress(found.terms.items(), what="resampling", unit="number", total=len(found.terms))
    intervals = {
        name: confidence_interval(
            terms,
            found.groups,
            level=resampling.level,
            seed=resampling.seed,
            resamples=resampling.resamples,
        )
        for name, terms in shown
    }
    return replace(found, intervals=intervals)


def warn_few(groups: Sequence[str], by: str) -> None:
    """Say where there is too little to resample."""
    count = len(set(groups))
    if count < FEW_GROUPS:
        logger.warning(
            "only %d %ss to resample: intervals and p-values are rough, and undefined for 1",
            count,
            by,
        )
