"""Dynamic time warping of sixteen pairs of sequences at once, given up where it cannot matter.

The distance is that of ``react24.dtw.plain``, over the full window. ``screen`` brackets it from
16-bit levels. ``confirm`` does the same, and then goes back from the last frames to the first in
float64, near the path that the levels found: float32 costs of single cells, each with a relative
error of at most 7e-7, and their sums to about 1e-8 relative, never worse than 4e-7.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from react24.dtw.jit import compiled
from react24.dtw.levels import make_grid, make_levels, quantise, uncertainty, words_of
from react24.dtw.vectors import (
    LANES,
    add,
    aligned,
    any_within,
    fill,
    load,
    minimum,
    multiply,
    squared_distance,
    store,
    widen,
)

STRIP = 16
"""Columns computed before going on to the next rows: as many as stay in the fastest cache."""

ALL_LANES = np.arange(LANES)


def rounding_error(frames: int) -> float:
    """Bound of the relative error of a distance whose squares were added up in float32.

    Args:
        frames: Of both sequences together; a path has fewer cells.
    """
    return (frames + 8) * 2.0**-25  # half of that of the sum; what else is rounded is in the 8


class LaneWarper:
    """DTW of chosen pairs of two sets of sequences, on the processor.

    Args:
        samples: float32 (M, T, 25).
        truth: float32 (N, T, 25).
        low: (25,) smallest value of each channel in both.
        high: (25,) largest.
    """

    def __init__(self, samples: np.ndarray, truth: np.ndarray, low: np.ndarray, high: np.ndarray):
        self._sides = samples, truth
        self._grid = make_grid(low, high)
        # Quantised when first asked for; what is not is not even held.
        self._levels = [make_levels(*side.shape[:2]) for side in self._sides]
        self._quantised = [np.zeros(len(side), bool) for side in self._sides]
        self._rows, self._columns = (side.shape[1] for side in self._sides)
        self._error = rounding_error(self._rows + self._columns)
        self._memory: dict[tuple, np.ndarray] = {}

    def screen(
        self, pairs: np.ndarray, channels: slice, limits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the distances of some channels.

        Args:
            pairs: int64 (2, P), rows of the samples and of the truth. Neighbours are computed
                together, and should be likely to be given up at about the same place.
            channels: Of a block.
            limits: float64 (P,); a distance that is certain to be larger may be given up.

        Returns:
            float64 (P,) each: not more and not less than the distance; inf where it was given up.
        """
        self._quantise(pairs)
        sums = np.full(pairs.shape[1], np.inf)
        for part in _groups(pairs):
            sums[part] = self._warp_levels(pairs[:, part], channels, limits[part])
        return self._bracket(sums, channels)

    def confirm(self, pairs: np.ndarray, channels: slice, limits: np.ndarray) -> np.ndarray:
        """Distances of some channels.

        Args:
            pairs: See ``screen``.
            channels: Of a block.
            limits: float64 (P,); a distance above may be given up.

        Returns:
            float64 (P,); inf where it was given up.
        """
        self._quantise(pairs)
        found = np.full(pairs.shape[1], np.inf)
        for part in _groups(pairs):
            some = pairs[:, part]
            sums = self._warp_levels(some, channels, limits[part], keep=True)
            most = np.minimum(self._bracket(sums, channels)[1], limits[part])
            found[part] = self._go_back(some, channels, sums, most)
        return np.where(found <= limits, found, np.inf)

    def _quantise(self, pairs: np.ndarray) -> None:
        """Make the levels of what was not asked for before."""
        state = zip(self._sides, self._levels, self._quantised, pairs, strict=True)
        for sequences, levels, done, rows in state:
            new = np.unique(rows[~done[rows]])
            quantise(sequences, new, self._grid.low, self._grid.per_unit, levels)
            done[new] = True

    def _off(self, channels: slice) -> float:
        count, frames = channels.stop - channels.start, self._rows + self._columns
        return uncertainty(count, frames, self._grid.step(channels.start))

    def _bracket(self, sums: np.ndarray, channels: slice) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the distances from the sums of levels."""
        found = self._grid.step(channels.start) * np.sqrt(sums)
        off = self._off(channels)
        low = np.maximum(found * (1 - self._error) - off, 0.0)
        return low, found * (1 + self._error) + off

    def _warp_levels(
        self, pairs: np.ndarray, channels: slice, limits: np.ndarray, *, keep: bool = False
    ) -> np.ndarray:
        """Sums of squared differences of levels of up to LANES pairs.

        Args:
            pairs: int64 (2, P).
            channels: Of a block.
            limits: float64 (P,), of distances.
            keep: Keep the sums at the edges of all strips, for ``_go_back``.

        Returns:
            float64 (P,); inf where the distance is certain to be above its limit.
        """
        words = words_of(channels)
        packed = [
            self._pack(levels.view(np.int32), rows, words, side).view(np.int16)
            for side, (levels, rows) in enumerate(zip(self._levels, pairs, strict=True))
        ]
        step = self._grid.step(channels.start)
        most = ((limits * (1 + self._error) + self._off(channels)) / step) ** 2
        hop = (self._rows + 2) * LANES if keep else 0
        edge = self._edges() if keep else self._array(np.float32, self._rows + 2, "edge")
        row = self._array(np.float32, STRIP, "row")
        limit = _in_lanes(most, -np.inf).astype(np.float32)
        vectors = (0,) * (words.stop - words.start)
        if not warp(*packed, vectors, limit, edge, hop, row):
            return np.full(len(limits), np.inf)
        sums = edge[-2 * LANES : -LANES][: len(limits)].astype(np.float64)
        return np.where(sums <= most, sums, np.inf)

    def _go_back(
        self, pairs: np.ndarray, channels: slice, sums: np.ndarray, limits: np.ndarray
    ) -> np.ndarray:
        """Distances of up to LANES pairs, of which ``_warp_levels`` has just kept the edges.

        Args:
            pairs: int64 (2, P).
            channels: Of a block.
            sums: float64 (P,), what ``_warp_levels`` returned.
            limits: float64 (P,), of distances.

        Returns:
            float64 (P,), inf or anything above the limit where it was given up.
        """
        packed = [
            self._pack(sequences, rows, channels, side)
            for side, (sequences, rows) in enumerate(zip(self._sides, pairs, strict=True))
        ]
        # What a sum S of levels says of the distance d to the same cell, d >= a sqrt(S) - off, is
        # convex when squared, so its tangent at the last cell bounds d^2 at all cells.
        size = np.sqrt(np.where(np.isfinite(sums), sums, 0.0))
        a, off = self._grid.step(channels.start) * (1 - self._error), self._off(channels)
        tells = a * size > 2 * off
        slope = np.where(tells, a * a - a * off / np.where(tells, size, 1.0), 1.0)
        shift = np.where(tells, off * off - a * off * size, -1e300)
        squared = np.where(np.isfinite(sums), (limits * (1 + self._error)) ** 2, -np.inf)
        edge, lowest = (
            self._array(np.float64, self._rows + 2, name) for name in ("edge", "lowest")
        )
        came_through = warp_back(
            *packed, (0,) * (channels.stop - channels.start),
            _in_lanes(squared, -np.inf), self._edges(),
            _in_lanes(slope, 1.0), _in_lanes(shift, 0.0),
            edge, lowest, self._array(np.float64, STRIP, "row"),
        )  # fmt: skip
        return np.sqrt(edge[: len(sums)]) if came_through else np.full(len(sums), np.inf)

    def _pack(
        self, sequences: np.ndarray, rows: np.ndarray, columns: slice, side: int
    ) -> np.ndarray:
        count = columns.stop - columns.start
        frames = sequences.shape[1] + (side == 0)  # the kernels take a row more
        out = self._array(sequences.dtype, frames * count, f"side {side}")
        pack(sequences, rows[np.minimum(ALL_LANES, len(rows) - 1)], columns.start, count, out)
        return out

    def _edges(self) -> np.ndarray:
        """Memory for the edges left of all strips and right of the last one."""
        strips = -(-self._columns // STRIP)
        return self._array(np.float32, (strips + 1) * (self._rows + 2), "edges")

    def _array(self, dtype: type | np.dtype, vectors: int, name: str) -> np.ndarray:
        """Memory for so many vectors, kept for the next call."""
        key = np.dtype(dtype), vectors, name
        if key not in self._memory:
            self._memory[key] = aligned(vectors * LANES, dtype)
        return self._memory[key]


def _groups(pairs: np.ndarray) -> Iterator[slice]:
    for start in range(0, pairs.shape[1], LANES):
        yield slice(start, start + LANES)


def _in_lanes(values: np.ndarray, rest: float) -> np.ndarray:
    """float64 (P,) -> (LANES,), filled up."""
    out = np.full(LANES, rest)
    out[: len(values)] = values
    return out


@compiled
def pack(sequences, rows, first, columns, out):
    """Lay some columns of sixteen sequences side by side.

    Args:
        sequences: float32 or int32 (n, T, D).
        rows: int64 (LANES,), one sequence per lane.
        first: First column.
        columns: How many.
        out: Of the same type, (at least T * columns * LANES,), filled; column c of frame t is the
            vector at ``(t * columns + c) * LANES``.
    """
    found = out.reshape(-1, columns, LANES)
    for lane in range(0, LANES, 4):  # four at a time: enough to write, few enough to follow
        a, b = sequences[rows[lane]], sequences[rows[lane + 1]]
        c, d = sequences[rows[lane + 2]], sequences[rows[lane + 3]]
        for t in range(sequences.shape[1]):
            for k in range(columns):
                found[t, k, lane] = a[t, first + k]
                found[t, k, lane + 1] = b[t, first + k]
                found[t, k, lane + 2] = c[t, first + k]
                found[t, k, lane + 3] = d[t, first + k]


@compiled
def warp(x, y, vectors, limit, edge, hop, row):
    """Smallest sums of squared distances of levels along a path, for sixteen pairs.

    Strips of columns are computed one after the other, from their first row to their last, two
    rows at a time: neither waits for the other's last number. Between strips, ``edge`` keeps the
    sums at the last column, shifted by one row: its first vector is the corner above the first row.
    A row is left out where no pair has a sum within its limit that a path could come from; sums
    never decrease along a path, so what is left out could not have led to a result within it.

    Args:
        x: int16, packed (see ``pack``), rows and any frame more.
        y: Likewise, columns.
        vectors: A tuple with one entry per vector of a frame (see ``squared_distance``).
        limit: float32 (LANES,); a sum above it may be given up. -inf for unused lanes.
        edge: float32, at least ((T + 2) LANES,), work.
        hop: How much further each strip writes its edge than the one before: 0, or (T + 2) LANES
            to keep all of them, in an ``edge`` that holds one more than there are strips.
        row: float32 (STRIP * LANES,), work.

    Returns:
        Whether any pair came through. The sums are then the second last vector of the last edge;
        those above their limit are meaningless, and so are sums above it in other edges.
    """
    width = len(vectors) * 2 * LANES
    rows, columns = x.shape[0] // width - 1, y.shape[0] // width
    infinite = fill(np.float32(np.inf))
    bound = load(limit, 0)
    edge[LANES:] = np.inf
    edge[:LANES] = 0.0
    first, last = 0, -1  # rows of the edge from which a path may enter the strip
    old = 0
    for start in range(0, columns, STRIP):
        count = min(STRIP, columns - start)
        new = old + hop
        for k in range(count):
            store(row, k * LANES, infinite)
        corner = load(edge, old + first * LANES)
        new_first, new_last = -1, -1
        for i in range(first, rows, 2):  # the row after the last one is worked out for nothing
            entering, below = load(edge, old + (i + 1) * LANES), load(edge, old + (i + 2) * LANES)
            left, diagonal = entering, corner
            lower_left, lower_diagonal = below, entering
            for j in range(count):
                at = (start + j) * width
                up = load(row, j * LANES)
                cost = squared_distance(x, i * width, y, at, vectors, edge)
                left = add(cost, minimum(minimum(up, diagonal), left))
                cost = squared_distance(x, (i + 1) * width, y, at, vectors, edge)
                lower_left = add(cost, minimum(minimum(left, lower_diagonal), lower_left))
                store(row, j * LANES, lower_left)
                diagonal, lower_diagonal = up, left
            store(edge, new + (i + 1) * LANES, left)
            store(edge, new + (i + 2) * LANES, lower_left)
            corner = below
            if any_within(left, bound) or any_within(lower_left, bound):
                new_first = i if new_first < 0 else new_first
                new_last = i + 1
            if i > last and i % 8 >= 6:
                lowest = load(row, 0)
                for j in range(1, count):
                    lowest = minimum(lowest, load(row, j * LANES))
                if not any_within(lowest, bound):
                    break  # what the edge holds further down is above the limit already
        if new_first < 0:
            return False
        # Only the first row of the first strip may start from nothing.
        store(edge, new, infinite)
        first, last = new_first, new_last
        old = new
    return True


@compiled
def warp_back(x, y, vectors, limit, edges, slope, shift, edge, lowest, row):
    """The same of the sequences, from the last frames to the first, near the best path only.

    ``edges`` tells what it costs at least to come to a cell, the sums so far what it costs to go on
    from there. Where these two together exceed the limit, no pair's best path can run.

    Args:
        x: float32, packed, rows and any frame more.
        y: float32, packed, columns.
        vectors: A tuple with one entry per channel.
        limit: float64 (LANES,); a sum above it may be given up. -inf for unused lanes.
        edges: float32, what ``warp`` kept of all strips.
        slope: float64 (LANES,); coming to a cell costs ``slope * edges + shift`` at least.
        shift: float64 (LANES,).
        edge: float64 ((T + 2) LANES,), work.
        lowest: float64 likewise, work.
        row: float64 (STRIP * LANES,), work.

    Returns:
        Whether any pair came through. The sums are then the first vector of ``edge``; those above
        their limit are meaningless.
    """
    width = len(vectors) * LANES
    rows, columns = x.shape[0] // width - 1, y.shape[0] // width
    infinite = fill(np.inf)
    bound, factor, summand = load(limit, 0), load(slope, 0), load(shift, 0)
    edge[:] = np.inf
    edge[rows * LANES : (rows + 1) * LANES] = 0.0  # beyond the last row
    first, last = rows, rows - 1  # rows of the edge to which a path may leave the strip
    for strip in range((columns - 1) // STRIP, -1, -1):
        start = strip * STRIP
        count = min(STRIP, columns - start)
        kept = strip * (rows + 2) * LANES  # the edge left of the strip, shifted by one row
        least = infinite
        for i in range(last + 1):
            least = minimum(least, widen(load(edges, kept + i * LANES)))
            store(lowest, i * LANES, add(multiply(least, factor), summand))
        for k in range(count):
            store(row, k * LANES, infinite)
        corner = load(edge, (last + 1) * LANES)
        store(edge, (last + 1) * LANES, infinite)
        new_first, new_last = -1, -1
        for i in range(last, -1, -1):
            leaving = load(edge, i * LANES)
            right, diagonal = leaving, corner
            for j in range(count - 1, -1, -1):
                down = load(row, j * LANES)
                cost = squared_distance(x, i * width, y, (start + j) * width, vectors, edge)
                right = add(cost, minimum(minimum(down, diagonal), right))
                store(row, j * LANES, right)
                diagonal = down
            corner = leaving
            before = minimum(load(edges, kept + i * LANES), load(edges, kept + (i + 1) * LANES))
            before = add(multiply(widen(before), factor), summand)
            if any_within(add(before, right), bound):
                store(edge, i * LANES, right)
                new_last = i if new_last < 0 else new_last
                new_first = i
            else:
                store(edge, i * LANES, infinite)
            if i < first and i % 4 == 0:
                best = load(row, 0)
                for j in range(1, count):
                    best = minimum(best, load(row, j * LANES))
                if not any_within(add(best, load(lowest, i * LANES)), bound):
                    break  # further up, the edge is infinite already
        if new_last < 0:
            return False
        first, last = new_first, new_last
    return True
