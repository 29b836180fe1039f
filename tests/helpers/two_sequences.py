"""The distances behind FRDist of one pair of sequences, which the package computes by groups."""

from typing import NamedTuple

import numpy as np

from react24.dtw.plain import block_dtw


class BlockDistances(NamedTuple):
    """Distance in each block of channels."""

    au: float
    affect: float
    expression: float


def block_distances(first, second):
    """Of (T1, 25) and (T2, 25), each block with its own alignment and no band."""
    x = np.ascontiguousarray(first, np.float64)
    y = np.ascontiguousarray(np.asarray(second).T, np.float64)
    return BlockDistances(*block_dtw(x, y, max(len(x), y.shape[1])))
