"""Whether two recordings show the same: compared by how their pictures change, not by bytes.

A fingerprint is a row of tiny grey pictures with their times. Two recordings are the same where,
at one and the same shift in time, the small pictures of both *change* alike. What stands still (a
wall, a chair, the seat of the same person) tells nothing and is taken away first: people who are
recorded one after the other before the same wall look alike, but do not move alike. Encoding
again, scaling, another container, another frame rate, a mirror and a cut start change none of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from react24.media.clock import find_nearest

SIDE = 16
"""Width and height of the small pictures."""

TOLERANCE = 0.1
"""Pictures of two recordings this far (s) apart, after the shift, are compared as simultaneous."""

FEWEST = 40
"""Pairs of simultaneous pictures (8 s where both were looked at closely) below which nothing is
said."""

BLOCK = 10
"""Pairs within which changes are compared."""

FEWEST_MOVING = 3
"""Blocks in which both recordings must move."""

LIKENESS = 0.85
"""Likeness from which on two recordings are the same.

Measured on drawn people before one wall, 20 to 30 s each: the same encoded again, scaled, noisy,
cut at the start, at another rate or under flickering light 0.89 or more (without flicker 0.95),
others 0.63 at most, also where lights flicker or cameras go on alike. A cut of more than 12 s at
the start is not recognised: too little is left of what was looked at closely.
"""

STIRRING = 0.01
"""Changes smaller than this share of a picture's contrast (root mean square) are noise."""

WORTH_A_LOOK = 0.5
"""Correlation at a quick look below which no close one follows."""

_LEAST_CONTRAST = 8.0  # grey levels; a dark picture's noise must not be blown up

_CANDIDATES = 24
"""Shifts that are looked at closely, the most promising of all."""


@dataclass(frozen=True)
class Fingerprint:
    """What a recording shows, in small.

    Attributes:
        times: float32 (n,), s after the first picture, rising.
        pictures: float16 (n, 16, 16), grey, 0 to 255.
    """

    times: np.ndarray
    pictures: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """The pictures as rows, float32 (n, 256), of mean 0 and contrast 1.

        So the light, which changes alike for all who sit in one room, is gone.
        """
        flat = self.pictures.reshape(len(self.pictures), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        return flat / np.maximum(flat.std(axis=1, keepdims=True), _LEAST_CONTRAST)

    @property
    def mirrored(self) -> Fingerprint:
        """Of the same recording with left and right exchanged, as calls show oneself."""
        return Fingerprint(self.times, self.pictures[..., ::-1])


@dataclass(frozen=True)
class Likeness:
    """The shift at which two recordings are most alike.

    Attributes:
        correlation: Of the changes of their pictures, -1 to 1; see `compare`.
        shift: Time in the first minus time in the second of what both show, s.
        pairs: Pictures compared.
        mirrored: One of the two is mirrored.
    """

    correlation: float
    shift: float
    pairs: int
    mirrored: bool = False

    @property
    def same(self) -> bool:
        """Whether the two are one recording."""
        return self.correlation >= LIKENESS

    def describe(self) -> str:
        """For people, in brackets."""
        mirrored = ", one of them mirrored" if self.mirrored else ""
        return f"likeness {self.correlation:.2f}, {self.shift:+.1f} s apart{mirrored}"


def compare(first: Fingerprint, second: Fingerprint) -> Likeness | None:
    """How alike two recordings are, as they are or mirrored; None where there is too little.

    For each shift s the pictures at t of the first and at t - s of the second are paired, in
    order, and cut into blocks. The likeness is the correlation of the changes within the blocks:
    the smaller one of that of all together and the median over the blocks. Alone, the first would
    be ruled by one event that is alike everywhere (a camera that goes on, a person who leaves),
    the second would come about by chance, as there is not much to compare in a block.
    """
    if min(len(first.times), len(second.times)) < FEWEST:
        return None
    found = [*_likenesses(first, second), *_likenesses(first, second.mirrored, mirrored=True)]
    return max(found, key=lambda likeness: likeness.correlation, default=None)


def _likenesses(
    first: Fingerprint, second: Fingerprint, *, mirrored: bool = False
) -> Iterator[Likeness]:
    for shift in _candidates(first, second):
        rows, columns = _pairs(first.times, second.times, shift)
        found = _correlate(first.rows[rows], second.rows[columns])
        if found is not None:
            yield Likeness(found, float(shift), len(rows), mirrored)


def _correlate(left: np.ndarray, right: np.ndarray) -> float | None:
    """Likeness of paired pictures (n, 256); None where too few of them move."""
    blocks = len(left) // BLOCK
    if len(left) < FEWEST:
        return None
    left, right = (
        _changes(side[: blocks * BLOCK].reshape(blocks, BLOCK, -1)) for side in (left, right)
    )
    product, one, other = (
        (x * y).mean((1, 2)) for x, y in ((left, right), (left, left), (right, right))
    )
    moving = np.minimum(one, other) >= STIRRING**2
    if moving.sum() < FEWEST_MOVING:
        return None
    product, one, other = (part[moving] for part in (product, one, other))
    together = product.sum() / np.sqrt(one.sum() * other.sum())
    return float(min(together, np.median(product / np.sqrt(one * other))))


def _changes(pictures: np.ndarray) -> np.ndarray:
    """Pictures (..., n, 256) without what stands still: their mean over n is 0."""
    return pictures - pictures.mean(axis=-2, keepdims=True)


def _candidates(first: Fingerprint, second: Fingerprint) -> np.ndarray:
    """Shifts (s) worth a close look: those at which changes from the mean correlate best."""
    left, right = _changes(first.rows), _changes(second.rows)
    shifts = first.times[:, None] - second.times[None]
    bucket = np.round(shifts / TOLERANCE).astype(np.int64)
    offset = int(bucket.min())
    bucket = (bucket - offset).ravel()

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(bucket, np.broadcast_to(values, shifts.shape).ravel())

    product = total(left @ right.T)
    energy = total(np.square(left).sum(1)[:, None]) * total(np.square(right).sum(1)[None])
    score = product / np.sqrt(np.maximum(energy, 1e-12))
    score[np.bincount(bucket) < FEWEST // 4] = -1.0  # uneven times spread over a few buckets
    best = np.argsort(score)[::-1][:_CANDIDATES]
    best = best[score[best] >= WORTH_A_LOOK]
    return (best + offset) * TOLERANCE


def _pairs(first: np.ndarray, second: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both with the same time after the shift; each picture at most once per side."""
    wanted = first - shift
    nearest = find_nearest(second, wanted)
    rows = np.flatnonzero(np.abs(second[nearest] - wanted) <= TOLERANCE + 1e-6)
    columns, kept = np.unique(nearest[rows], return_index=True)
    return rows[kept], columns
