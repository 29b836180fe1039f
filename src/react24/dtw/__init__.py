"""Dynamic time warping: the plain definition, and one fast search held to it by tests.

This is all that the rest of the package sees of it; the files, from the plain one on, are
``plain`` (one pair, the definition), ``nearest`` (the search: which pairs can still be the nearest),
``lanes`` (sixteen pairs in lockstep, bracketed in 16-bit levels and then confirmed), ``kernels``
(the loops over the matrix of costs), ``vectors`` (sixteen numbers as one value) and ``jit``.

@@WHY@@
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
