"""The REACT metrics: the official numbers, and beside them what they were meant to say.

One function per metric, and ``evaluate`` for all of them in one pass, on arrays of NumPy or torch
(or HDF5 datasets, read clip by clip): predictions ``P`` (N, S, T, 25), listener ground truth ``G``
(N, T, 25), speaker behaviour ``Q`` (N, T, 25) and the matrix ``M`` (N, N) whose entry
``M[i, j] == 1`` makes ``G[j]`` appropriate for direction i.

``react24 evaluate`` applies them to prediction files of any origin (``score_files``), the workflow
to its own (``score_samples``). Formulas and quirks: ``docs/metrics.md``. Each metric is in the file
of its name; ``moments`` is what FRCorr and TLCC share, ``known`` which frames of the truth count.

One number from its rule on, FRDist (the others part in ``all_metrics``):

1. ``workflow/rules/score.smk``: the rule ``score_reactions`` and its files;
2. ``workflow/scripts/score_reactions.py``: calls
3. ``score_samples.score_reactions``: opens samples, clips and appropriate reactions, writes
   ``results/metrics/{model}/seed{seed}/{split}.h5``, and calls
4. ``all_metrics.evaluate``: reads the reactions once, a few clips at a time, for all metrics;
5. ``frdist.SmallestDistance`` of those clips, ``frdist.summarize_frdist`` of all;
6. ``react24/dtw/plain.py``: the distance of one pair, which ``react24.dtw`` finds the smallest of.
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
