"""The REACT metrics: the official numbers, and beside them what they were meant to say.

One function per metric, and ``evaluate`` for all of them in one pass, on arrays of NumPy or torch
(or HDF5 datasets, read clip by clip): predictions ``P`` (N, S, T, 25), listener ground truth ``G``
(N, T, 25), speaker behaviour ``Q`` (N, T, 25) and the matrix ``M`` (N, N) whose entry
``M[i, j] == 1`` makes ``G[j]`` appropriate for direction i.

``react24 evaluate`` applies them to prediction files of any origin,
``react24.metrics.score_samples`` to those of the pipeline. Formulas and quirks:
``docs/metrics.md``.
"""

from react24.metrics.all_metrics import Scores, evaluate
from react24.metrics.frcorr import FRCorr, frcorr
from react24.metrics.frdist import FRDist, frdist
from react24.metrics.frvar import FRDiv, FRDvs, FRVar, frdiv, frdvs, frvar
from react24.metrics.tlcc import TLCC, tlcc

__all__ = [
    "TLCC",
    "FRCorr",
    "FRDist",
    "FRDiv",
    "FRDvs",
    "FRVar",
    "Scores",
    "evaluate",
    "frcorr",
    "frdist",
    "frdiv",
    "frdvs",
    "frvar",
    "tlcc",
]
