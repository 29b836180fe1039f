"""How sure a number of the table is: confidence intervals, and whether two models differ.

What is resampled are whole recordings where they are known, otherwise clips: clips of one
recording show the same two people in the same conversation, and both directions of a clip share
them, so that treating clips as independent makes every interval too narrow.

Every number of the table is a ratio of sums over clips (``Terms``); resampling draws clips, or
recordings with all of their clips, and forms the ratio anew. Bootstrap and permutation test are
SciPy's. FRDvs is a mean over PAIRS of clips; ``frdvs_terms`` says what stands in for its clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from react24.errors import InputError
from react24.metrics.arrays import ClipArray, read_clips

RESAMPLES = 9999
"""Usual number of resamples; 9999 gives p-values in steps of 1/10000."""

BATCH = 500
"""Resamples made at once; bounds memory to a few MB per thousand clips."""


@dataclass(frozen=True)
class Terms:
    """A number as ``sum(numerator) / sum(denominator)`` over clips, float64 (N,) each."""

    numerator: np.ndarray
    denominator: np.ndarray

    @property
    def value(self) -> float:
        """The number; NaN where the denominators sum to 0."""
        total = float(self.denominator.sum())
        return float(self.numerator.sum()) / total if total else math.nan

    def by_group(self, groups: Sequence[str]) -> Terms:
        """The same with the clips of a group added up, (number of groups,) each."""
        _, of_clip = np.unique(np.asarray(groups), return_inverse=True)
        return Terms(np.bincount(of_clip, self.numerator), np.bincount(of_clip, self.denominator))


def mean_terms(per_clip: np.ndarray) -> Terms:
    """Terms of a plain mean over clips; those that are NaN are left out."""
    values = np.asarray(per_clip, np.float64)
    defined = ~np.isnan(values)
    return Terms(np.where(defined, values, 0.0), defined.astype(np.float64))


def frdvs_terms(predictions: ClipArray, mean: np.ndarray) -> Terms:
    """Each clip's part in FRDvs: values whose mean over clips is FRDvs.

    FRDvs is twice the unbiased variance between clips, so clip n has the part
    ``2 N / (N - 1) · mean over samples, frames and channels of (P[n] - mean over clips)²``.
    Drawing pairs of clips with replacement instead would pair clips with themselves, at distance
    0, and bias every resample by (N - 1) / N. Keeping the overall mean fixed leaves out a term of
    order 1 / N of the variance.

    Args:
        predictions: P (N, S, T, 25), N ≥ 2.
        mean: Of them over clips, float64 (S, T, 25), as ``FRDvs`` has it.
    """
    clips = predictions.shape[0]
    if clips < 2:
        raise InputError(f"FRDvs compares clips with each other and found {clips}")
    parts = [np.square(clip - mean).mean() for clip in read_clips(predictions, "predictions")]
    return mean_terms(2.0 * clips / (clips - 1) * np.array(parts))


def clip_terms(
    per_clip: Mapping[str, np.ndarray], samples: int, frdvs: Terms | None
) -> dict[str, Terms]:
    """Terms of all official and corrected numbers of ``summary.clip_values``, by name.

    Without ``frdvs``, from ``frdvs_terms``, what needs it is left out.
    """
    terms: dict[str, Terms] = {}
    for name in ("FRCorr", "FRDist"):
        if name in per_clip:
            terms[name] = mean_terms(per_clip[name])
            mean = per_clip.get(f"{name}_mean", per_clip[name] / samples)
            terms[f"{name}_mean"] = mean_terms(mean)
    if "FRCorr_exact_mean" in per_clip:
        terms["FRCorr_exact_mean"] = mean_terms(per_clip["FRCorr_exact_mean"])
    if "FRDiv" in per_clip:
        terms["FRDiv"] = mean_terms(per_clip["FRDiv"])
        if samples > 1:
            terms["FRDiv_defined"] = terms["FRDiv"]
    if "FRVar" in per_clip:
        terms["FRVar"] = mean_terms(per_clip["FRVar"])
    if frdvs is not None:
        terms["FRDvs"] = frdvs
        if "FRDiv_defined" in terms:
            terms["FRDvs_between"] = mean_terms(frdvs.numerator - terms["FRDiv"].numerator)
    if "TLCC_offset" in per_clip:
        terms |= _tlcc_terms(
            per_clip["TLCC_offset"], per_clip["TLCC_defined_offset"], per_clip["TLCC_is_defined"]
        )
    return terms


def _tlcc_terms(
    offsets: np.ndarray, defined_offsets: np.ndarray, is_defined: np.ndarray
) -> dict[str, Terms]:
    lags = np.abs(offsets)
    kept = np.where(is_defined, np.abs(defined_offsets), 0)
    return {
        "TLCC": mean_terms(lags[:, 0]),
        "TLCC_all_samples": mean_terms(lags.mean(axis=1)),
        "TLCC_defined": Terms(kept.sum(axis=1).astype(float), is_defined.sum(axis=1).astype(float)),
        "TLCC_defined_share": mean_terms(is_defined.mean(axis=1)),
    }


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends NaN where there is none."""

    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan)


def confidence_interval(
    terms: Terms, groups: Sequence[str], *, level: float, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Bootstrap interval (BCa, Efron 1987) of a number.

    Args:
        terms: The number.
        groups: Per clip, what is drawn as a whole: its recording, or the clip itself.
        level: Between 0 and 1, such as 0.95.
        seed: The same seed gives the same interval.
        resamples: Number of resamples.

    Returns:
        The interval; a single point where all groups agree, undefined for fewer than 2 groups or
        a number that is undefined.
    """
    return _interval([terms.by_group(groups)], level, seed, resamples)


@dataclass(frozen=True)
class Difference:
    """Whether two models differ in a number, on the same clips.

    Attributes:
        first: The number of the first model.
        second: Of the second.
        difference: first - second.
        interval: Bootstrap interval of the difference.
        p: Two-sided p-value of the permutation test: how often labels of models that are swapped
            at random, group by group, differ at least as much. NaN where undefined.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    p: float


def paired_difference(
    first: Terms,
    second: Terms,
    groups: Sequence[str],
    *,
    level: float,
    seed: int,
    resamples: int = RESAMPLES,
) -> Difference:
    """Compare a number of two models that were scored on the same clips.

    Args:
        first: Of the first model.
        second: Of the second; clips in the same order.
        groups: Per clip, what is drawn or swapped as a whole.
        level: Of the interval.
        seed: The same seed gives the same result.
        resamples: Of bootstrap and permutation test; the latter is exact where there are fewer
            ways to swap.

    Raises:
        InputError: Different numbers of clips.
    """
    if len(first.numerator) != len(second.numerator):
        raise InputError(
            f"{len(first.numerator)} clips against {len(second.numerator)}: only models scored on "
            "the same clips can be compared"
        )
    pair = [first.by_group(groups), second.by_group(groups)]
    return Difference(
        first=first.value,
        second=second.value,
        difference=first.value - second.value,
        interval=_interval(pair, level, seed, resamples),
        p=_permutation_p(pair, seed, resamples),
    )


def _interval(parts: Sequence[Terms], level: float, seed: int, resamples: int) -> Interval:
    """Of the number, or of the difference of two."""
    from scipy.stats import bootstrap

    values = [part.value for part in parts]
    estimate = values[0] - sum(values[1:])
    if len(parts[0].numerator) < 2 or math.isnan(estimate):
        return UNDEFINED
    influence = sum(
        sign * (part.numerator - part.value * part.denominator) / part.denominator.sum()
        for sign, part in zip((1, -1), parts, strict=False)
    )
    if np.abs(influence).max() <= 1e-12 * max(1.0, *map(abs, values)):  # all groups agree
        return Interval(estimate, estimate)

    def statistic(*arrays: np.ndarray, axis: int) -> np.ndarray:
        sums = [array.sum(axis=axis) for array in arrays]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = [n / d for n, d in zip(sums[::2], sums[1::2], strict=True)]
        return ratios[0] - ratios[1] if len(ratios) > 1 else ratios[0]

    found = bootstrap(
        [array for part in parts for array in (part.numerator, part.denominator)],
        statistic,
        n_resamples=resamples,
        batch=BATCH,
        vectorized=True,
        paired=True,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def _permutation_p(pair: Sequence[Terms], seed: int, resamples: int) -> float:
    from scipy.stats import permutation_test

    groups = len(pair[0].numerator)
    if groups < 2 or any(math.isnan(part.value) for part in pair):
        return math.nan
    # What is swapped are positions, so that numerator and denominator of a group go together.
    numerator = np.concatenate([part.numerator for part in pair])
    denominator = np.concatenate([part.denominator for part in pair])

    def statistic(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (
                numerator[rows].sum(axis=axis) / denominator[rows].sum(axis=axis) for rows in (x, y)
            )
        return first - second

    return float(
        permutation_test(
            (np.arange(groups), groups + np.arange(groups)),
            statistic,
            permutation_type="samples",
            vectorized=True,
            n_resamples=resamples,
            batch=BATCH,
            rng=np.random.default_rng(seed),
        ).pvalue
    )
