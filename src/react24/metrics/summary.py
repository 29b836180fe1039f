"""The numbers of a table, by name, from the results of the metrics that were computed.

Results are keyed by the official names (``METRICS``); what was not computed is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from react24.conventions import METRICS
from react24.errors import InputError, nearest


def choose_metrics(names: Iterable[str] | None) -> tuple[str, ...]:
    """The official names asked for, in the order of the tables; None for all.

    Raises:
        InputError: An unknown name.
    """
    if names is None:
        return METRICS
    known = {name.lower(): name for name in METRICS}
    chosen = set()
    for name in names:
        if name.lower() not in known:
            near = nearest(name, known)
            hint = f"; did you mean {known[near]}?" if near else ""
            raise InputError(f"unknown metric {name!r}; known: {', '.join(METRICS)}{hint}")
        chosen.add(known[name.lower()])
    if not chosen:
        raise InputError(f"no metric was named; known: {', '.join(METRICS)}")
    return tuple(name for name in METRICS if name in chosen)


def official_values(results: Mapping[str, Any]) -> dict[str, float]:
    """The numbers as the official evaluation prints them; TLCC in frames."""
    return {name: results[name].official for name in METRICS if name in results}


def corrected_values(results: Mapping[str, Any], samples: int) -> dict[str, float]:
    """What the official numbers were meant to say; ``docs/metrics.md`` explains each."""
    several = samples > 1
    values: dict[str, float] = {}
    if "FRCorr" in results:
        values["FRCorr_mean"] = results["FRCorr"].mean
        values["FRCorr_exact_mean"] = results["FRCorr"].exact_mean
    if "FRDist" in results:
        values["FRDist_mean"] = results["FRDist"].mean
    if "FRDiv" in results:  # one sample has no diversity, which is not a diversity of 0
        values["FRDiv_defined"] = results["FRDiv"].official if several else math.nan
    if "FRDvs" in results and "FRDiv" in results:
        between = results["FRDvs"].official - results["FRDiv"].official
        values["FRDvs_between"] = between if several else math.nan
    if "TLCC" in results:
        values["TLCC_all_samples"] = results["TLCC"].all_samples
        values["TLCC_defined"] = results["TLCC"].defined
        values["TLCC_defined_share"] = results["TLCC"].defined_share
    return values


def clip_values(results: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays whose first axis is the clip; TLCC's are (N, S)."""
    values: dict[str, np.ndarray] = {}
    if "FRCorr" in results:
        values["FRCorr"] = results["FRCorr"].per_clip
        values["FRCorr_exact_mean"] = results["FRCorr"].per_clip_exact
    if "FRDist" in results:
        values["FRDist_mean"] = results["FRDist"].per_clip_mean
    for name in ("FRDist", "FRDiv", "FRVar"):
        if name in results:
            values[name] = results[name].per_clip
    if "TLCC" in results:
        values["TLCC_offset"] = results["TLCC"].offsets
        values["TLCC_defined_offset"] = results["TLCC"].defined_offsets
        values["TLCC_is_defined"] = results["TLCC"].is_defined
    return values
