"""Whether two recordings show the same: compared by how their pictures change, not by bytes.

A fingerprint is a row of tiny grey pictures with their times. Two recordings are the same where,
at one and the same shift in time, the small pictures of both *change* alike. What stands still (a
wall, a chair, the seat of the same person) tells nothing and is taken away first: people who are
recorded one after the other before the same wall look alike, but do not move alike. Encoding
again, scaling, another container, another frame rate and a cut start change none of this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = 16
"""Width and height of the small pictures."""

TOLERANCE = 0.1
"""Pictures of two recordings this far (s) apart, after the shift, are compared as simultaneous."""

FEWEST = 20
"""Pairs of simultaneous pictures without which nothing is said."""

LIKENESS = 0.85
"""Correlation of the changes from which on two recordings are the same."""

STIRRING = 0.4
"""Changes smaller than this (grey levels of 255, root mean square) are noise of the encoder."""

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


@dataclass(frozen=True)
class Likeness:
    """The shift at which two recordings are most alike.

    Attributes:
        correlation: Of the changes of their pictures, -1 to 1.
        shift: Time in the first minus time in the second of what both show, s.
        pairs: Pictures compared.
    """

    correlation: float
    shift: float
    pairs: int

    @property
    def same(self) -> bool:
        """Whether the two are one recording."""
        return self.correlation >= LIKENESS


def compare(first: Fingerprint, second: Fingerprint) -> Likeness | None:
    """How alike two recordings are; None where there is too little to tell.

    For each shift s the pictures at t of the first and at t - s of the second are paired. The
    likeness is the correlation of the paired pictures after the mean of each side over all pairs
    has been taken away.
    """
    if not len(first.times) or not len(second.times):
        return None
    best = None
    for shift in _candidates(first, second):
        rows, columns = _pairs(first.times, second.times, shift)
        if len(rows) < FEWEST:
            continue
        left, right = (
            changes(part.pictures[index]) for part, index in ((first, rows), (second, columns))
        )
        strengths = [float(np.sqrt(np.mean(np.square(side)))) for side in (left, right)]
        if min(strengths) < STIRRING:
            continue
        found = float(np.mean(left * right)) / (strengths[0] * strengths[1])
        if best is None or found > best.correlation:
            best = Likeness(found, float(shift), len(rows))
    return best


def changes(pictures: np.ndarray) -> np.ndarray:
    """Pictures (n, 16, 16) without what stands still: float32 (n, 256), mean 0 over n."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return flat - flat.mean(axis=0)


def _candidates(first: Fingerprint, second: Fingerprint) -> np.ndarray:
    """Shifts (s) worth a close look: correlated best, with each side's mean over all times."""
    left, right = changes(first.pictures), changes(second.pictures)
    shifts = first.times[:, None] - second.times[None]
    bucket = np.round(shifts / TOLERANCE).astype(np.int64)
    offset = int(bucket.min())
    bucket = (bucket - offset).ravel()

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(bucket, np.broadcast_to(values, shifts.shape).ravel())

    product = total(left @ right.T)
    energy = total(np.square(left).sum(1)[:, None]) * total(np.square(right).sum(1)[None])
    score = product / np.sqrt(np.maximum(energy, 1e-12))
    score[np.bincount(bucket) < FEWEST // 2] = -1.0
    best = np.argsort(score)[::-1][:_CANDIDATES]
    return (best + offset) * TOLERANCE


def _pairs(first: np.ndarray, second: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both with the same time after the shift; each picture at most once per side."""
    wanted = first - shift
    after = np.clip(np.searchsorted(second, wanted), 1, max(1, len(second) - 1))
    before = after - 1
    after = np.minimum(after, len(second) - 1)
    nearest = np.where(wanted - second[before] <= second[after] - wanted, before, after)
    rows = np.flatnonzero(np.abs(second[nearest] - wanted) <= TOLERANCE + 1e-6)
    columns, kept = np.unique(nearest[rows], return_index=True)
    return rows[kept], columns
