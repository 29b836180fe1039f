"""The REACT metrics: the official numbers, and beside them what they were meant to say.

One function per metric, on arrays (or HDF5 datasets, read clip by clip): predictions ``P``
(N, S, T, 25), listener ground truth ``G`` (N, T, 25), speaker behaviour ``Q`` (N, T, 25) and the
matrix ``M`` (N, N) whose entry ``M[i, j] == 1`` makes ``G[j]`` appropriate for direction i.
``react24.metrics.score`` applies them to the files of the pipeline. Formulas and quirks:
``docs/metrics.md``.
"""

from react24.metrics.correlation import FRCorr, frcorr
from react24.metrics.distance import FRDist, frdist
from react24.metrics.synchrony import TLCC, tlcc
from react24.metrics.variance import FRDiv, FRDvs, FRVar, frdiv, frdvs, frvar

__all__ = [
    "TLCC",
    "FRCorr",
    "FRDist",
    "FRDiv",
    "FRDvs",
    "FRVar",
    "frcorr",
    "frdist",
    "frdiv",
    "frdvs",
    "frvar",
    "tlcc",
]
