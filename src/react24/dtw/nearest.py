"""The nearest of several sequences by FRDist's distance, without computing all distances in full.

Only the smallest distance of each sequence to its candidates counts. Every pair has a lower and an
upper bound of each of its three parts; a pair whose lower bounds exceed the best distance known is
dropped, and a kernel that computes a part gives up once the part is certain to be too large. Parts
are first screened, which brackets them quickly; what could still be the smallest is confirmed. The
result is the smallest distance, whatever was dropped on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from react24.dtw.jit import compiled
from react24.dtw.lanes import LaneWarper
from react24.dtw.plain import (
    ALL,
    PARTS,
    WEIGHT_AFFECT,
    WEIGHT_AU,
    WEIGHT_EXPRESSION,
    nearest_distances_plainly,
)


@dataclass(frozen=True)
class Block:
    """Channels that are aligned together.

    Attributes:
        channels: Which.
        weight: Of the distance in the sum.
        effort: Time of screening, in units of that of valence and arousal.
    """

    channels: slice
    weight: float
    effort: float


BLOCKS = (
    Block(PARTS[0], WEIGHT_AU, 2.9),
    Block(PARTS[1], WEIGHT_AFFECT, 1.0),
    Block(PARTS[2], WEIGHT_EXPRESSION, 1.75),
)
WEIGHTS = np.array([block.weight for block in BLOCKS])
CHEAPEST = 1
"""Two channels that make up half of the distance or more: where the choice begins."""


TURN = 8 * ALL
"""Numbers in a handful of frames: long enough to be worked through in vectors."""

PAIRS_AT_ONCE = 4096
"""Pairs whose first bounds are computed together: 10 MB of sums."""

SLACK = 2e-4
"""Room for what float32 does to a distance, relative: a sum of thousands of squares is right to
less."""

LARGEST = 1e15
"""Beyond this, squares in float32 might overflow; such values are compared plainly."""


@dataclass(frozen=True)
class Sequences:
    """Sequences prepared for comparison.

    Attributes:
        values: float32 (n, T, 25).
        boxes: float32 (n, 2, TURN) smallest and largest value of each channel, repeated.
    """

    values: np.ndarray
    boxes: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """``values`` as (n, T * 25)."""
        return self.values.reshape(len(self.values), -1)


def prepare(values: np.ndarray) -> Sequences:
    """Sequences, (n, T, 25), with what is needed of them more than once."""
    values = np.ascontiguousarray(values, np.float32)
    found = np.full((len(values), 2, TURN), np.inf, np.float32)
    found[:, 1] = -np.inf
    extremes(values.reshape(len(values), -1), found)
    low, high = (side.reshape(-1, TURN // ALL, ALL) for side in (found[:, 0], found[:, 1]))
    boxes = np.stack([low.min(axis=1), high.max(axis=1)], axis=1)
    boxes = np.tile(boxes, TURN // ALL)  # (n, 2, TURN)
    return Sequences(values, boxes)


class Warper(Protocol):
    """Whatever computes DTW of chosen pairs; see ``LaneWarper``."""

    def screen(
        self, pairs: np.ndarray, channels: slice, limits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the distances of some pairs."""
        ...

    def confirm(self, pairs: np.ndarray, channels: slice, limits: np.ndarray) -> np.ndarray:
        """Distances of some pairs."""
        ...


def nearest_distances(
    samples: Sequences,
    truth: Sequences,
    candidates: Sequence[np.ndarray],
    warper: Warper | None = None,
) -> np.ndarray:
    """Distance of each sample to the nearest of its candidates.

    Samples are compared in lockstep, so several dozen in one call take less time than one by one.
    The result does not depend on what else is in the call.

    Args:
        samples: M sequences.
        truth: N sequences of the same length.
        candidates: For each sample the rows of ``truth``, at least one.
        warper: Computes DTW of these samples with this truth; None for the processor.

    Returns:
        float64 (M,), to about 1e-8 relative (never worse than 4e-7).
    """
    if max(np.abs(samples.boxes).max(), np.abs(truth.boxes).max()) > LARGEST:
        return nearest_distances_plainly(samples.values, truth.values, candidates)
    if warper is None:
        extremes_of = [side.boxes[..., :ALL] for side in (samples, truth)]
        low = np.minimum(*(found[:, 0].min(axis=0) for found in extremes_of))
        high = np.maximum(*(found[:, 1].max(axis=0) for found in extremes_of))
        warper = LaneWarper(samples.values, truth.values, low, high)
    search = _Search(samples, truth, candidates, warper)
    search.screen(CHEAPEST, search.select_contested())
    size = 1
    search.confirm(search.select_promising(size))
    while len(pairs := search.select_promising(size)):
        for block in search.order_blocks(pairs):
            search.screen(block, pairs)
            pairs = pairs[search.is_open[pairs]]
        search.is_screened[pairs] = True
        size *= 2
    while len(pairs := search.select_unconfirmed()):
        search.confirm(pairs)
    return search.best


class _Search:
    """The state of one search: bounds of every pair, and the best distance of every sample.

    Attributes:
        owner: int64 (P,) sample of each pair.
        target: int64 (P,) row of ``truth``.
        lower: float64 (P, 3) weighted distance of each part is at least this.
        upper: float64 (P, 3) at most this, up to the rounding of float32.
        is_open: bool (P,) neither dropped nor confirmed.
        is_screened: bool (P,) all parts were screened.
        limit: float64 (M,) the smallest distance is at most this.
        best: float64 (M,) smallest confirmed distance.
    """

    def __init__(
        self,
        samples: Sequences,
        truth: Sequences,
        candidates: Sequence[np.ndarray],
        warper: Warper,
    ):
        self._samples, self._truth, self._warper = samples, truth, warper
        count = len(candidates)
        self.owner = np.repeat(np.arange(count), [len(found) for found in candidates])
        self.target = np.concatenate(candidates).astype(np.int64)
        self.lower, self.upper = self._first_bounds()
        self.is_open = np.ones(len(self.owner), bool)
        self.is_screened = np.zeros(len(self.owner), bool)
        self.limit = np.full(count, np.inf)
        self.best = np.full(count, np.inf)
        self._lower_limits(np.arange(len(self.owner)))
        self._drop()

    def _first_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every part of every pair, float64 (P, 3) each.

        Above: frame by frame is a path. Below: every frame meets some frame of the other sequence,
        and none of those is nearer than the box of all of them.
        """
        samples, truth = self._samples, self._truth
        starts = [block.channels.start for block in BLOCKS]
        bounds = np.empty((len(self.owner), 3, len(BLOCKS)))
        for start in range(0, len(bounds), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            owner, target = self.owner[part], self.target[part]
            sums = np.zeros((len(owner), 3, TURN), np.float32)
            simple_sums(samples.flat, truth.flat, owner, target, samples.boxes, truth.boxes, sums)
            by_channel = sums.reshape(-1, 3, TURN // ALL, ALL).sum(axis=2, dtype=np.float64)
            bounds[part] = np.sqrt(np.add.reduceat(by_channel, starts, axis=-1)) * WEIGHTS
        return bounds[:, 1:].max(axis=1) * (1 - SLACK), bounds[:, 0]

    @staticmethod
    def _slack(distances: np.ndarray) -> np.ndarray:
        """Room for what float32 did to a distance."""
        return distances * (1 + SLACK)

    def _lower_limits(self, pairs: np.ndarray) -> None:
        """Take into account what is known of some pairs."""
        most = self._slack(self.upper[pairs].sum(axis=1))
        np.minimum.at(self.limit, self.owner[pairs], most)

    def _drop(self) -> None:
        """Leave out what is certain to lose."""
        self.is_open &= self.lower.sum(axis=1) <= self.limit[self.owner]

    def select_contested(self) -> np.ndarray:
        """Open pairs of the samples that have more than one, as indices."""
        count = np.bincount(self.owner[self.is_open], minlength=len(self.best))
        return np.flatnonzero(self.is_open & (count > 1)[self.owner])

    def select_promising(self, size: int) -> np.ndarray:
        """Of every contested sample up to ``size`` pairs not yet screened that promise most."""
        contested = self.select_contested()
        return self._most_promising(contested[~self.is_screened[contested]], size)

    def select_unconfirmed(self) -> np.ndarray:
        """Of every sample the open pair that promises most, as indices."""
        return self._most_promising(np.flatnonzero(self.is_open), 1)

    def _most_promising(self, pairs: np.ndarray, size: int) -> np.ndarray:
        promise = self.lower[pairs].sum(axis=1) + self.upper[pairs].sum(axis=1)
        pairs = pairs[np.lexsort((promise, self.owner[pairs]))]
        owners = self.owner[pairs]
        rank = np.arange(len(pairs)) - np.searchsorted(owners, owners)
        return pairs[rank < size]

    def order_blocks(self, pairs: np.ndarray) -> list[int]:
        """The parts that are not known yet; first the one that may tell most for its time."""
        gain = (self.upper[pairs] - self.lower[pairs]).sum(axis=0)
        gain = gain / [block.effort for block in BLOCKS]
        return [b for b in np.argsort(-gain) if b != CHEAPEST]

    def screen(self, block: int, pairs: np.ndarray) -> None:
        """Narrow the bounds of one part of some pairs, and drop those that cannot win."""
        order, limits = self._limits(block, pairs)
        pairs, weight = pairs[order], BLOCKS[block].weight
        low, high = self._warper.screen(self._rows(pairs), BLOCKS[block].channels, limits)
        came_through = np.isfinite(low)
        self.is_open[pairs[~came_through]] = False
        pairs, low, high = pairs[came_through], low[came_through], high[came_through]
        self.lower[pairs, block] = np.maximum(self.lower[pairs, block], low * weight)
        self.upper[pairs, block] = np.minimum(self.upper[pairs, block], high * weight)
        self._lower_limits(pairs)
        self._drop()

    def confirm(self, pairs: np.ndarray) -> None:
        """Compute some pairs, and learn from the smallest."""
        total = np.zeros(len(self.owner))
        for number, block in enumerate(BLOCKS):
            order, limits = self._limits(number, pairs)
            pairs = pairs[order]
            found = self._warper.confirm(self._rows(pairs), block.channels, limits)
            total[pairs] += found * block.weight
        self.is_open[pairs] = False
        np.minimum.at(self.best, self.owner[pairs], total[pairs])
        self.limit = np.minimum(self.limit, self.best)
        self._drop()

    def _rows(self, pairs: np.ndarray) -> np.ndarray:
        return np.stack([self.owner[pairs], self.target[pairs]])

    def _limits(self, block: int, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far one part may be before the pair is certain to lose.

        Returns:
            The order in which to work on the pairs, so that those that are given up at about the
            same place are neighbours; and the limits in that order, unweighted, float64.
        """
        rest = self.lower[pairs].sum(axis=1) - self.lower[pairs, block]
        most = np.minimum(self.limit[self.owner[pairs]] - rest, self.upper[pairs, block])
        reach = most / np.maximum(self.upper[pairs, block], np.finfo(float).tiny)
        order = np.argsort(-reach)
        return order, np.maximum(self._slack(most), 0.0)[order] / BLOCKS[block].weight


@compiled
def extremes(sequences, out):
    """Smallest and largest numbers, ``TURN`` columns at a time.

    Args:
        sequences: float32 (n, T * 25).
        out: float32 (n, 2, TURN), may be narrowed.
    """
    size = sequences.shape[1]
    for n in range(sequences.shape[0]):
        low, high = out[n, 0], out[n, 1]
        for start in range(0, size, TURN):
            part = sequences[n, start : min(start + TURN, size)]
            for k in range(len(part)):
                low[k] = min(low[k], part[k])
                high[k] = max(high[k], part[k])


@compiled
def _add_gaps(x, y, sums):
    for k in range(len(x)):
        gap = x[k] - y[k]
        sums[k] += gap * gap


@compiled
def _add_gaps_to_box(x, low, high, sums):
    for k in range(len(x)):
        gap = max(max(low[k] - x[k], x[k] - high[k]), np.float32(0.0))
        sums[k] += gap * gap


@compiled
def simple_sums(samples, truth, owner, target, sample_boxes, truth_boxes, out):
    """Sums of squares that need one look at each frame, ``TURN`` columns at a time.

    Args:
        samples: float32 (M, T * 25).
        truth: float32 (N, T * 25).
        owner: int64 (P,), rows of ``samples``.
        target: int64 (P,), rows of ``truth``.
        sample_boxes: float32 (M, 2, TURN), smallest and largest value of each channel, repeated.
        truth_boxes: float32 (N, 2, TURN).
        out: float32 (P, 3, TURN), added to: between frames of the same time, from the sample to
            the box of the truth, and from the truth to the box of the sample.
    """
    size = samples.shape[1]
    for p in range(len(owner)):
        n, m = owner[p], target[p]
        for start in range(0, size, TURN):  # several frames at a time make long inner loops
            stop = min(start + TURN, size)
            x, y = samples[n, start:stop], truth[m, start:stop]
            _add_gaps(x, y, out[p, 0])
            _add_gaps_to_box(x, truth_boxes[m, 0], truth_boxes[m, 1], out[p, 1])
            _add_gaps_to_box(y, sample_boxes[n, 0], sample_boxes[n, 1], out[p, 2])
