"""By how much models beat the naive baselines that any model has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Value:
    """A metric over seeds.

    Attributes:
        mean: Over seeds.
        std: Standard deviation over seeds (ddof 1; 0 for one seed).
        by_seed: Seed -> value.
    """

    mean: float
    std: float
    by_seed: Mapping[int, float]


def over_seeds(by_seed: Mapping[int, float]) -> Value:
    """Mean and standard deviation."""
    values = np.array(list(by_seed.values()), np.float64)
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Value(float(values.mean()), std, dict(by_seed))


@dataclass(frozen=True)
class Comparison:
    """A metric in which a model should do better than a naive baseline.

    Attributes:
        name: Column, e.g. ``FRCorr_over_Random``.
        title: For people.
        metric: An official metric.
        baseline: Name of the baseline.
        sign: 1 where more is better, -1 where less is.
    """

    name: str
    title: str
    metric: str
    baseline: str
    sign: int


COMPARISONS = (
    Comparison("FRCorr_over_Random", "FRCorr above Random", "FRCorr", "Random", 1),
    Comparison("FRCorr_over_MeanFr", "FRCorr above MeanFr", "FRCorr", "MeanFr", 1),
    Comparison("FRDist_under_Random", "FRDist below Random", "FRDist", "Random", -1),
)


def margins(
    rows: Sequence[tuple[str, Mapping[str, Value]]], baselines: Sequence[str]
) -> dict[str, dict[str, Value]]:
    """Margins of every model over the baselines in the table, seed by seed.

    Args:
        rows: Name and official metrics of every model and baseline.
        baselines: Which of the names are baselines.

    Returns:
        Model -> name of the comparison -> margin in the metric's own unit, positive where the
        model is better. Comparisons with a baseline that is not in the table are left out.
    """
    metrics = dict(rows)
    return {
        model: {
            c.name: _margin(found[c.metric], metrics[c.baseline][c.metric], c.sign)
            for c in COMPARISONS
            if c.baseline in metrics
        }
        for model, found in rows
        if model not in baselines
    }


def _margin(model: Value, baseline: Value, sign: int) -> Value:
    others = baseline.by_seed
    return over_seeds(
        {s: sign * (v - others.get(s, baseline.mean)) for s, v in model.by_seed.items()}
    )
