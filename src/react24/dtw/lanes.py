"""Dynamic time warping of sixteen pairs of sequences at once, given up where it cannot matter.

The distance is that of ``react24.dtw.plain``, over the full window. ``screen`` brackets it from
16-bit levels, which take two thirds of the time of float32: rounding to levels moves a frame by a
known amount at most, and so a distance, close enough to tell which reaction may be the nearest, not
to say how far it is. ``confirm`` does the same, and then goes back from the last frames to the
first in float64, near the path that the levels found: float32 costs of single cells, each with a
relative error of at most 7e-7, and their sums to about 1e-8 relative, never worse than 4e-7.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from react24.dtw.jit import compiled
from react24.dtw.kernels import STRIP, pack, warp, warp_back
from react24.dtw.plain import ALL, PARTS
from react24.dtw.vectors import LANES, aligned

WORDS = (0, 8, 9, 13)
"""Where each of ``PARTS`` begins in a frame of levels, in int32: two channels in each, the odd AU
beside a zero."""

PLACES = np.concatenate(
    [2 * at + np.arange(part.stop - part.start) for at, part in zip(WORDS, PARTS, strict=False)]
)
"""Where each channel lies in a frame of levels, in int16."""

SMALLEST = 1e-30
"""Width of values that is told from none."""

ROUNDING = 1.01
"""Levels that the difference of two numbers may be off: two halves, and what float32 adds."""

ALL_LANES = np.arange(LANES)


@dataclass(frozen=True)
class Grid:
    """The levels of the channels.

    Attributes:
        low: float32 (25,) value of level 0.
        per_unit: float32 (25,) levels per unit, the same for the channels of a block.
    """

    low: np.ndarray
    per_unit: np.ndarray

    def step(self, first: int) -> float:
        """Units between two levels of the block that begins at channel ``first``."""
        return 1.0 / float(self.per_unit[first])


def make_grid(low: np.ndarray, high: np.ndarray) -> Grid:
    """As fine as squared distances of a block fit int32.

    Args:
        low: float32 (25,) smallest value of each channel.
        high: float32 (25,) largest.
    """
    per_unit = np.ones(ALL, np.float32)
    for part in PARTS:
        most = min(2**15, math.isqrt(2**31 // (part.stop - part.start))) - 1
        width = float((high - low)[part].max())
        if width > SMALLEST:
            per_unit[part] = most / width
    return Grid(low, per_unit)


def make_levels(count: int, frames: int) -> np.ndarray:
    """Room for the levels of some sequences, int16 (count, frames, 26)."""
    return np.zeros((count, frames, 2 * WORDS[-1]), np.int16)


def words_of(channels: slice) -> slice:
    """Where a block lies in a frame of levels, in int32."""
    part = PARTS.index(channels)
    return slice(WORDS[part], WORDS[part + 1])


def uncertainty(channels: int, frames: int, step: float) -> float:
    """How far the DTW distance of levels may be from that of the sequences, either way.

    A path has fewer than ``frames`` cells; along any path, the distance of the levels and of the
    sequences differ by no more than the length of all roundings together.

    Args:
        channels: Of the block.
        frames: Of both sequences together.
        step: Units between two levels.
    """
    return ROUNDING * step * math.sqrt(channels * frames)


@compiled
def quantise(sequences, rows, low, per_unit, levels):
    """Nearest levels.

    Args:
        sequences: float32 (n, T, 25).
        rows: int64 (m,), which.
        low: float32 (25,).
        per_unit: float32 (25,).
        levels: int16 (n, T, 26), these rows are written to.
    """
    for row in rows:
        for t in range(sequences.shape[1]):
            for c in range(sequences.shape[2]):
                level = (sequences[row, t, c] - low[c]) * per_unit[c]
                levels[row, t, PLACES[c]] = np.int16(level + np.float32(0.5))


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

    def _array(self, dtype: DTypeLike, vectors: int, name: str) -> np.ndarray:
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
