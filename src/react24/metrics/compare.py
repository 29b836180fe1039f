"""Whether two models differ: the same clips, scored twice, compared clip by clip.

``compare_files`` is what ``react24 compare`` does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from react24.conventions import CLIP_FRAMES
from react24.errors import InputError
from react24.files import contract
from react24.log import progress
from react24.metrics.readers import open_ground_truth
from react24.metrics.score_files import (
    Evaluation,
    Resampling,
    ScoreOptions,
    interval_as_list,
    number,
    resampling_as_dict,
    score_predictions,
    warn_few,
)
from react24.metrics.uncertainty import Difference, clip_terms, mean_terms, paired_difference

logger = logging.getLogger(__name__)

SUMS = ("FRCorr", "FRDist")
"""Official numbers that grow with the number of samples."""


@dataclass(frozen=True)
class Comparison:
    """Two models on the same clips; ``differences`` by the names of the numbers."""

    first: Evaluation
    second: Evaluation
    differences: dict[str, Difference]
    resampling: Resampling

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is undefined is None."""
        return {
            "first": self.first.predictions,
            "second": self.second.predictions,
            "split": self.first.split,
            "N": self.first.clips,
            "S": [self.first.samples, self.second.samples],
            "T": self.first.frames,
            "test": "paired permutation, two-sided",
            **resampling_as_dict(self.resampling, self.first.groups),
            "differences": {
                name: {
                    "first": number(d.first),
                    "second": number(d.second),
                    "difference": number(d.difference),
                    "interval": interval_as_list(d.interval),
                    "p": number(d.p),
                }
                for name, d in self.differences.items()
            },
        }


def compare(first: Evaluation, second: Evaluation, resampling: Resampling) -> Comparison:
    """Compare two evaluations that kept their terms.

    Raises:
        InputError: Not the same clips, or different numbers of samples.
    """
    if (first.groups, first.split) != (second.groups, second.split):
        raise InputError(
            f"{first.predictions} and {second.predictions} were not scored on the same clips"
        )
    if first.samples != second.samples:
        raise InputError(
            f"{first.predictions} has {first.samples} samples per clip, {second.predictions} "
            f"{second.samples}: {' and '.join(SUMS)} are sums over them; compare with --samples "
            f"{min(first.samples, second.samples)}"
        )
    warn_few(first.groups, resampling.by)
    names = [name for name in first.terms if name in second.terms]
    differences = {
        name: paired_difference(
            first.terms[name],
            second.terms[name],
            first.groups,
            level=resampling.level,
            seed=resampling.seed,
            resamples=resampling.resamples,
        )
        for name in progress(names, what="comparing", unit="number")
    }
    return Comparison(first, second, differences, resampling)


def compare_files(
    first: Path,
    second: Path,
    data: Path,
    split: str,
    *,
    appropriate: Path | None = None,
    options: ScoreOptions | None = None,
    resampling: Resampling,
) -> Comparison:
    """Score two sets of predictions on the same clips and compare them; see ``evaluate_files``.

    Raises:
        InputError, StoreError, FileNotFoundError: What cannot be used, by name.
    """
    options = options or ScoreOptions()
    truth = open_ground_truth(data, split, appropriate=appropriate, any_range=options.any_range)
    return compare(
        score_predictions(first, truth, options, resampling),
        score_predictions(second, truth, options, resampling),
        resampling,
    )


def compare_metrics_files(first: Path, second: Path, resampling: Resampling) -> Comparison:
    """Compare two metrics files of the workflow, without scoring anything again.

    Raises:
        InputError: Not the same clips or space, or different numbers of samples.
        StoreError: Not metrics files.
    """
    spaces = []
    found = []
    for path in (first, second):
        if path.suffix != ".h5":
            raise InputError(
                f"{path}: not a metrics file; predictions are compared with --data and --split"
            )
        with contract.open_file(path, "metrics") as file:
            spaces.append(str(file.attrs["space"]))
            found.append(_read_metrics_file(file, path, resampling))
    if len(set(spaces)) > 1:
        raise InputError(f"{first} is scored in {spaces[0]} units, {second} in {spaces[1]}")
    return compare(found[0], found[1], resampling)


def _read_metrics_file(file: h5py.File, path: Path, resampling: Resampling) -> Evaluation:
    if "index" not in file:
        raise InputError(f"{path}: does not say of which clips it is; rerun score_reactions")
    index, samples = file["index"][:], int(file.attrs["samples"])
    half = len(index) // 2
    per_clip = {name: values[:] for name, values in file["clips"].items()}
    parts = mean_terms(per_clip["FRDvs"]) if "FRDvs" in per_clip else None
    if resampling.by == "session":
        groups = tuple(row["session"].decode() for row in index)
    else:
        groups = tuple(f"{row['session'].decode()} {row['clip']}" for row in index[:half]) * 2
    return Evaluation(
        predictions=str(path),
        data=str(path),
        split=str(file.attrs["split"]),
        appropriate=str(file.attrs["appropriate_source"]),
        clips=len(index),
        samples=samples,
        frames=CLIP_FRAMES,
        official=dict(file["official"].attrs),
        corrected=dict(file["corrected"].attrs),
        groups=groups,
        terms=clip_terms(per_clip, samples, parts),
        resampling=resampling,
    )
