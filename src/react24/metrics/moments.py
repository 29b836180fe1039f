"""Sequences reduced once to what correlation needs, instead of once per pair that is compared."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from react24.dtw import compiled

OFFICIAL_EPSILON = np.float32(1e-8)
"""Added to the official denominator of CCC; it shrinks channels with a standard deviation near
1e-4."""


@dataclass(frozen=True)
class Moments:
    """Sequences (n, 25, T) prepared for CCC with any other; arrays of NumPy, or tensors.

    Attributes:
        unit: float64 (n, 25, T), centred and scaled to norm 1; 0 where a channel is constant.
        mean: float64 (n, 25).
        std: float64 (n, 25), over time, ddof 0.
        mean32: float32 (n, 25), rounded as NumPy's float32 arithmetic does.
        var32: float32 (n, 25), rounded in the same way, ddof 0.
        std32: float32 (n, 25), its root.
    """

    unit: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    mean32: np.ndarray
    var32: np.ndarray
    std32: np.ndarray

    def take(self, rows: np.ndarray) -> Moments:
        """The moments of some of the sequences."""
        return Moments(*(getattr(self, field.name)[rows] for field in fields(self)))


class Units(NamedTuple):
    """Centred sequences of norm 1.

    Attributes:
        unit: float64, of the sequences' shape; 0 where a sequence is constant.
        mean: float64, their means over the last axis.
        norm: float64, of the centred sequences before scaling; exactly 0 for constant ones.
    """

    unit: np.ndarray
    mean: np.ndarray
    norm: np.ndarray


def make_units(values: np.ndarray) -> Units:
    """Centre sequences, float32 (..., T) and C-contiguous, and scale them to norm 1."""
    unit, mean, norm = np.empty(values.shape), *np.empty((2, *values.shape[:-1]))
    flat = (values.reshape(-1, values.shape[-1]), unit.reshape(-1, values.shape[-1]))
    fill_units(*flat, mean.reshape(-1), norm.reshape(-1))
    return Units(unit, mean, norm)


@compiled(reorder=True)
def fill_units(values, unit, mean, norm):
    """``make_units`` of float32 (n, T) into float64 (n, T), (n,) and (n,).

    The sum of equal float32 values is exact in float64, so that constant means exactly 0.
    """
    frames = values.shape[1]
    for n in range(len(values)):
        source, target = values[n], unit[n]
        total = 0.0
        for t in range(frames):
            total += source[t]
        centre = total / frames
        squares = 0.0
        for t in range(frames):
            difference = source[t] - centre
            target[t] = difference
            squares += difference * difference
        mean[n], norm[n] = centre, math.sqrt(squares)
        if squares > 0.0:
            scale = 1.0 / norm[n]
            for t in range(frames):
                target[t] *= scale


def moments(values: np.ndarray) -> Moments:
    """Means, spreads and unit vectors of sequences, float32 (n, 25, T), C-contiguous.

    The float32 moments depend on the order of summation, and only a contiguous time axis is summed
    as in the official code.
    """
    made = make_units(values)
    mean32 = values.mean(axis=-1)
    var32 = values.var(axis=-1, mean=mean32[..., None])
    return Moments(
        unit=made.unit,
        mean=made.mean,
        std=made.norm / np.sqrt(values.shape[-1]),
        mean32=mean32,
        var32=var32,
        std32=np.sqrt(var32),
    )


def gather_moments(clips: Iterable[np.ndarray], count: int) -> Moments:
    """Moments of so many sequences that come one at a time, float32 (T, 25) each."""
    for row, clip in enumerate(clips):
        one = vars(moments(np.ascontiguousarray(clip.T)[None]))
        if row == 0:
            gathered = {k: np.empty((count, *v.shape[1:]), v.dtype) for k, v in one.items()}
        for name, values in one.items():
            gathered[name][row] = values[0]
    return Moments(**gathered)
