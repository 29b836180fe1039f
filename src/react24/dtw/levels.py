"""Sequences in 16-bit levels, whose distances take two thirds of the time of float32.

Rounding to levels moves a frame by a known amount at most, and so a distance: close enough to tell
which reaction may be the nearest, not to say how far it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from react24.dtw.jit import compiled
from react24.dtw.plain import ALL, PARTS

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
