"""Dynamic time warping kernels (numba). All of them live here because they call each other.

Distance of two sequences: square root of the smallest sum of squared Euclidean distances along a
path with steps (1, 0), (0, 1), (1, 1) from the first pair of frames to the last; no
normalisation by length. Float64. The same definition, and the same numbers to the last digits, as
tslearn's ``dtw``, which the official code calls. FRDist finds its smallest distances sooner with
``react24.dtw.lanes``.
"""

from __future__ import annotations

import math

import numpy as np

from react24.dtw.jit import compiled

AUS, AFFECT, ALL = 15, 17, 25
PARTS = (slice(0, AUS), slice(AUS, AFFECT), slice(AFFECT, ALL))
"""Channels that are aligned together: AUs, valence and arousal, expressions."""

WEIGHT_AU, WEIGHT_AFFECT, WEIGHT_EXPRESSION = 1 / 15, 1.0, 1 / 8


@compiled
def block_dtw(x, y, band):
    """Three independent DTW distances: AUs, valence/arousal, expressions.

    Args:
        x: float64 (Tx, 25).
        y: float64 (25, Ty), channel-major, so that a row of costs is computed in vectors.
        band: Frames by which the path may leave the diagonal (Sakoe-Chiba); max(Tx, Ty) for the
            full window.

    Returns:
        The three distances.
    """
    rows, columns = x.shape[0], y.shape[1]
    cost = np.empty((3, columns))
    last0 = np.full(columns + 1, np.inf)
    last1 = np.full(columns + 1, np.inf)
    last2 = np.full(columns + 1, np.inf)
    last0[0] = last1[0] = last2[0] = 0.0
    for i in range(rows):
        start, stop = max(0, i - band), min(columns, i + band + 1)
        row_costs(x[i], y, start, stop, cost)
        left0 = left1 = left2 = np.inf
        corner0, corner1, corner2 = last0[start], last1[start], last2[start]
        # Nothing lies left of the band, and the virtual start serves the first row only.
        last0[start] = last1[start] = last2[start] = np.inf
        for j in range(start, stop):
            # The three recurrences advance together: each waits for its own left neighbour.
            up0, up1, up2 = last0[j + 1], last1[j + 1], last2[j + 1]
            best0 = corner0 if corner0 < up0 else up0
            best1 = corner1 if corner1 < up1 else up1
            best2 = corner2 if corner2 < up2 else up2
            left0 = cost[0, j] + (left0 if left0 < best0 else best0)
            left1 = cost[1, j] + (left1 if left1 < best1 else best1)
            left2 = cost[2, j] + (left2 if left2 < best2 else best2)
            last0[j + 1], last1[j + 1], last2[j + 1] = left0, left1, left2
            corner0, corner1, corner2 = up0, up1, up2
    return math.sqrt(last0[columns]), math.sqrt(last1[columns]), math.sqrt(last2[columns])


@compiled
def row_costs(frame, y, start, stop, cost):
    """Squared distances of one frame to the frames start..stop of y, per block.

    Args:
        frame: float64 (25,).
        y: float64 (25, Ty).
        start: First frame of y.
        stop: Last frame of y plus one.
        cost: float64 (3, Ty); columns start..stop are overwritten.
    """
    cost[:, start:stop] = 0.0
    for channel in range(ALL):
        block = 0 if channel < AUS else (1 if channel < AFFECT else 2)
        value = frame[channel]
        target = cost[block, start:stop]
        source = y[channel, start:stop]
        for j in range(stop - start):
            difference = value - source[j]
            target[j] += difference * difference


@compiled
def weighted(au, affect, expression):
    """The blocks' distances as FRDist weighs them."""
    return WEIGHT_AU * au + WEIGHT_AFFECT * affect + WEIGHT_EXPRESSION * expression


@compiled
def banded_distances(sequences, i, band, out):
    """Weighted DTW distances of sequence i to all later ones, warped by at most ``band`` frames.

    Args:
        sequences: float64 (N, 25, T).
        i: Row.
        band: Half width of the Sakoe-Chiba band, in frames.
        out: float64 (N,); entries after i are filled.
    """
    x = sequences[i].T.copy()
    for j in range(i + 1, sequences.shape[0]):
        au, affect, expression = block_dtw(x, sequences[j], band)
        out[j] = weighted(au, affect, expression)
