"""The two loops over the matrix of costs, for sixteen pairs of sequences at once.

``warp`` goes from the first frames to the last in 16-bit levels, ``warp_back`` from the last to the
first in numbers, near the path that the levels found. ``react24.dtw.lanes`` calls them.
"""

from __future__ import annotations

import numpy as np

from react24.dtw.jit import compiled
from react24.dtw.vectors import (
    LANES,
    add,
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
        y: int16, packed, columns.
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
