"""Dynamic time warping (DTW): the plain definition, and one fast search held to it by tests.

The rest of the package imports what ``__all__`` names and nothing else. Read the files in this
order: ``plain`` (the definition, one pair of sequences), ``nearest`` (the search: which reactions
can still be the nearest), ``lanes`` (sixteen pairs in lockstep, bracketed in 16-bit levels and then
confirmed), ``kernels`` (the loops over the matrix of costs), ``vectors`` (sixteen numbers as one
value) and ``jit`` (how kernels are compiled).

Why by hand: FRDist asks for the nearest of many reactions by three alignments of 750 x 750 cells
each, most of the time of the whole table, and no library that we know searches for the nearest
sequence by a sum of exact, unbounded alignments. Computing all distances in full by ``plain``,
which is compiled, too, takes 5.4 (reactions unrelated to the truth) to 8.5 times as long as the
search on the data of ``benchmarks/metrics.py``, which prints the ratio; the official code takes 27
to 53 times as long.
"""

from react24.dtw.jit import compiled
from react24.dtw.lanes import rounding_error
from react24.dtw.nearest import Sequences, Warper, nearest_distances, prepare
from react24.dtw.plain import banded_distances, nearest_distances_plainly

__all__ = [
    "Sequences",
    "Warper",
    "banded_distances",
    "compiled",
    "nearest_distances",
    "nearest_distances_plainly",
    "prepare",
    "rounding_error",
]
