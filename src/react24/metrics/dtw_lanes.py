"""Dynamic time warping of sixteen pairs of sequences at once, given up where it cannot matter.

The distance is that of ``react24.metrics.dtw``, over the full window. Costs of single cells are
float32, each with a relative error of at most 7e-7; their sums have the type of the work arrays.
With float64 a distance is right to about 1e-8 relative (never worse than 4e-7); float32 is quicker
and right to ``SCREENING_ERROR``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from react24.metrics.jit import compiled
from react24.metrics.lanes import (
    LANES,
    add,
    aligned,
    any_within,
    fill,
    load,
    minimum,
    squared_distance,
    store,
)

SCREENING_ERROR = 2e-4
"""Bound of the relative error of sums in float32: 1500 additions, each to 2^-24, and the costs."""

STRIP = 16
"""Columns computed before going on to the next row: as many as stay in the fastest cache."""


@dataclass(frozen=True)
class Work:
    """Arrays that the kernel writes to, kept between calls; one set per thread.

    Attributes:
        x: float32 (T C LANES,) packed frames.
        y: float32 likewise.
        edge: float32 or float64 ((T + 1) LANES,).
        row: Likewise (STRIP LANES,).
    """

    x: np.ndarray
    y: np.ndarray
    edge: np.ndarray
    row: np.ndarray


class LaneWarper:
    """DTW of chosen pairs of two sets of sequences, on the processor.

    Args:
        samples: float32 (M, T, 25).
        truth: float32 (N, T, 25).
    """

    def __init__(self, samples: np.ndarray, truth: np.ndarray):
        self._samples, self._truth = samples, truth
        self._work: dict[tuple[type, int], Work] = {}

    def sums(
        self,
        pairs: np.ndarray,
        channels: slice,
        limits: np.ndarray,
        dtype: type,
    ) -> np.ndarray:
        """Smallest sum of squared distances along a path, per pair.

        Args:
            pairs: int64 (2, P), rows of the samples and of the truth. Neighbours are computed
                together, and should be likely to be given up at about the same place.
            channels: Which.
            limits: float64 (P,); a sum above may be given up.
            dtype: float64, or float32 to be quicker and right to ``SCREENING_ERROR``.

        Returns:
            float64 (P,); anything above the limit where it was given up.
        """
        out = np.full(pairs.shape[1], np.inf)
        count = channels.stop - channels.start
        key = (dtype, count)
        if key not in self._work:
            self._work[key] = make_work(self._truth.shape[1], count, dtype)
        work = self._work[key]
        for start in range(0, pairs.shape[1], LANES):
            part = slice(start, start + LANES)
            used = len(limits[part])
            pack(self._samples, pairs[0, part], channels.start, count, work.x)
            pack(self._truth, pairs[1, part], channels.start, count, work.y)
            limit = np.full(LANES, -np.inf, dtype)
            limit[:used] = limits[part]
            if warp(work.x, work.y, (0,) * count, limit, work.edge, work.row):
                out[part] = work.edge[-LANES:][:used]
        return out


def make_work(frames: int, channels: int, dtype: type) -> Work:
    """Work arrays for sequences of ``frames`` frames and ``channels`` channels."""
    return Work(
        x=aligned(frames * channels * LANES, np.float32),
        y=aligned(frames * channels * LANES, np.float32),
        edge=aligned((frames + 1) * LANES, dtype),
        row=aligned(STRIP * LANES, dtype),
    )


@compiled
def pack(sequences, rows, first, channels, out):
    """Lay the channels of some sequences side by side; lanes without a sequence get the last one.

    Args:
        sequences: float32 (n, T, 25).
        rows: int64 (1..LANES,), one sequence per lane.
        first: First channel.
        channels: How many.
        out: float32 (T * channels * LANES,), filled; channel c of frame t is the vector at
            ``(t * channels + c) * LANES``.
    """
    for t in range(sequences.shape[1]):
        for lane in range(LANES):
            row = rows[min(lane, rows.shape[0] - 1)]
            at = t * channels * LANES + lane
            for c in range(channels):
                out[at + c * LANES] = sequences[row, t, first + c]


@compiled
def warp(x, y, channels, limit, edge, row):
    """Smallest sums of squared distances along a path, for sixteen pairs.

    Strips of columns are computed one after the other, from their first row to their last.
    Between strips, ``edge`` keeps the sums at the last column, shifted by one row: ``edge[0]``
    is the corner above the first row. A row is left out where no pair has a sum within its limit
    that a path could come from; sums never decrease along a path, so what is left out could not
    have led to a result within the limit.

    Args:
        x: float32, packed (see ``pack``), rows.
        y: float32, packed, columns.
        channels: A tuple with one entry per channel.
        limit: Type of ``edge``, (LANES,); a sum above it may be given up. -inf for unused lanes.
        edge: float32 or float64 ((T + 1) * LANES,), work.
        row: Likewise (STRIP * LANES,), work.

    Returns:
        Whether any pair came through. The sums are then ``edge[-LANES:]``; those above their limit
        are meaningless.
    """
    width = len(channels) * LANES
    rows, columns = x.shape[0] // width, y.shape[0] // width
    infinite = fill(edge.dtype.type(np.inf))
    bound = load(limit, 0)
    edge[LANES:] = np.inf
    edge[:LANES] = 0.0
    first, last = 0, -1  # rows of the edge from which a path may enter the strip
    for start in range(0, columns, STRIP):
        count = min(STRIP, columns - start)
        for k in range(count):
            store(row, k * LANES, infinite)
        corner = load(edge, first * LANES)
        new_first, new_last = -1, -1
        for i in range(first, rows):
            entering = load(edge, (i + 1) * LANES)
            left, diagonal = entering, corner
            for j in range(count):
                cost = squared_distance(x, i * width, y, (start + j) * width, channels, edge)
                up = load(row, j * LANES)
                left = add(cost, minimum(minimum(up, diagonal), left))
                store(row, j * LANES, left)
                diagonal = up
            store(edge, (i + 1) * LANES, left)
            corner = entering
            if any_within(left, bound):
                new_first = i if new_first < 0 else new_first
                new_last = i
            if i > last and i % 8 == 7:
                lowest = load(row, 0)
                for j in range(1, count):
                    lowest = minimum(lowest, load(row, j * LANES))
                if not any_within(lowest, bound):
                    break  # what the edge holds further down is above the limit already
        if new_first < 0:
            return False
        # Only the first row of the first strip may start from nothing.
        store(edge, 0, infinite)
        first, last = new_first, new_last
    return True
