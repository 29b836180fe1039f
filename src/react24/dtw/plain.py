"""Dynamic time warping of one pair of sequences: the plain definition, in float64.

Distance of two sequences: square root of the smallest sum of squared Euclidean distances along a
path with steps (1, 0), (0, 1), (1, 1) from the first pair of frames to the last; no
normalisation by length. The same definition, and the same numbers to the last digits, as tslearn's
``dtw``, which the official code calls.

Used as it stands for the stand-in of the appropriate reactions (``banded_distances``) and for
values that the fast search of ``nearest`` cannot hold (``nearest_distances_plainly``), which tests
hold to it everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from react24.conventions import ACTION_UNITS, AFFECT, EMOTION_DIM
from react24.dtw.jit import compiled

ALL = EMOTION_DIM
AUS = len(ACTION_UNITS)
AFFECT_END = AUS + len(AFFECT)
PARTS = (slice(0, AUS), slice(AUS, AFFECT_END), slice(AFFECT_END, ALL))
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
        block = 0 if channel < AUS else (1 if channel < AFFECT_END else 2)
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


def nearest_distances_plainly(
    samples: np.ndarray, truth: np.ndarray, candidates: Sequence[np.ndarray]
) -> np.ndarray:
    """Distance of each sample to the nearest of its candidates, by all distances in full.

    Args:
        samples: (M, T, 25).
        truth: (N, T, 25).
        candidates: For each sample the rows of ``truth``, at least one.

    Returns:
        float64 (M,).
    """
    best = np.full(len(candidates), np.inf)
    for row, (sample, found) in enumerate(zip(samples, candidates, strict=True)):
        x = sample.astype(np.float64)
        for other in truth[found]:
            y = np.ascontiguousarray(other.T, np.float64)
            best[row] = min(best[row], weighted(*block_dtw(x, y, y.shape[1])))
    return best


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
