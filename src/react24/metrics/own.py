"""Metrics of the user's own: their values of every direction (``docs/add_a_metric.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from react24.contracts.metric import Direction, Metric
from react24.log import progress
from react24.metrics.arrays import (
    ClipArray,
    appropriate_clips,
    defined_mean,
    finite_clip,
    hold_clips,
)


def score_own(
    metrics: Sequence[Metric],
    reactions: ClipArray,
    behaviour: ClipArray,
    valid: np.ndarray,
    listeners: np.ndarray,
    matrix: np.ndarray,
) -> dict[Metric, np.ndarray]:
    """What metrics make of every direction, float64 (N,); NaN where one is not defined.

    Args:
        metrics: In the order of the table; none reads nothing.
        reactions: P (N, S, T, 25).
        behaviour: What both persons did, (N, T, 25); row n is the speaker of direction n.
        valid: Frames in which it is known, bool (N, T).
        listeners: Row of the listener of each direction, (N,).
        matrix: M (N, N).

    Raises:
        InputError: A function that cannot be used, or returns no number; NaN in the arrays.
    """
    if not metrics:
        return {}
    held = hold_clips(behaviour, "behaviour")
    held.setflags(write=False)  # a function that changed it would change what others see
    near = appropriate_clips(matrix, len(listeners))
    values = {metric: np.empty(len(listeners)) for metric in metrics}
    rows = range(len(listeners))
    for row in progress(rows, what="metrics of your own", unit="clip", total=len(rows)):
        made = finite_clip(reactions[row], row, "reactions")
        made.setflags(write=False)
        own, others = listeners[row], listeners[near[row]]
        known = (valid[own], valid[row], valid[others])
        direction = Direction(made, held[own], held[row], held[others], *known)
        for metric, found in values.items():
            found[row] = metric.value(direction)
    return values


def write_own(file: h5py.File, values: Mapping[Metric, np.ndarray]) -> None:
    """Add what ``score_own`` returned: the means as group ``own``, the values to ``clips``."""
    if not values:
        return
    group = file.create_group("own", track_order=True)
    for metric, found in values.items():
        about = group.create_group(metric.name)
        about.attrs.update(title=metric.title, arrow=metric.arrow, decimals=metric.decimals)
        about.attrs["mean"] = defined_mean(found)
        about.attrs["defined"] = float(np.isfinite(found).mean())
        file["clips"].create_dataset(metric.name, data=found)
