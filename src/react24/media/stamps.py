"""Time stamps as a container states them: which of them tell the time, and where they jump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

REORDERED = 16
"""Pictures by which the order of decoding may differ from that of presentation (H.264, HEVC)."""

FEW = 8
"""So many stamps in a row can be wrong against those around them."""

SMALLEST_WILD = Fraction(1)
"""A single stamp further (s) than this from those around it is wrong."""

FAR_APART = Fraction(60)
"""A few pictures at an end of the file, further (s) than this from all others, are misdated."""

BACKWARD_JUMP = Fraction(1, 5)
"""Stamps that go back by more than this (s) come from a broken or glued file.

Less is the jitter of recorders that take the time of day.
"""

FORWARD_JUMP = Fraction(1, 4)
"""A stretch without pictures or sound that is longer than this (s) is told."""

ENDLESS_JUMP = Fraction(6 * 3600)
"""A jump forward by more than this (s) is no pause in a conversation: the clock was set."""


@dataclass(frozen=True)
class Jump:
    """A stretch of a stream without pictures or sound: where it begins and how long it is, s."""

    second: Fraction
    size: Fraction


@dataclass(frozen=True)
class Stamps:
    """The stamps of a stream, put in order.

    Attributes:
        kept: int64 (n,), strictly increasing, up to the jump back where there is one.
        wild: int64 (m, 2), single stamps that contradict those around them, in order of the file:
            what is stated, and about when their turn was.
        back: (latest stamp before, first stamp after) a jump back; None where there is none.
    """

    kept: np.ndarray
    wild: np.ndarray
    back: tuple[int, int] | None


def order_stamps(pts: Sequence[int], decoding: Sequence[int | None], time_base: Fraction) -> Stamps:
    """Leave out single absurd stamps, stop where the clock goes back, sort the rest.

    Args:
        pts: (n,) presentation times in the order of the file, in units of ``time_base``.
        decoding: (n,) decoding times, which should never go back; None where unknown.
        time_base: Seconds per unit.
    """
    shown = np.asarray(pts, np.int64)
    step = usual_step(np.unique(shown)) or 0
    around = _stamps_around(shown)
    limit = max(SMALLEST_WILD / time_base, 20 * step)
    wild = _find_wild(shown, around, limit, max(FAR_APART / time_base, limit))
    kept = shown[~wild]
    known = np.array([time is not None for time in decoding], bool) & ~wild
    clock = np.array([time for time, use in zip(decoding, known, strict=True) if use], np.int64)
    falls = np.flatnonzero(np.diff(clock) < -max(BACKWARD_JUMP / time_base, 4 * step))
    back = None
    if len(falls):
        after = int(np.flatnonzero(known)[falls[0] + 1])
        before = shown[:after][~wild[:after]]
        back = int(before.max()), int(shown[after])
        kept = before
    return Stamps(np.unique(kept), np.stack([shown, around], 1)[wild], back)


def _stamps_around(shown: np.ndarray) -> np.ndarray:
    """Median of the 17 stamps around each in the order of the file, int64 (n,).

    Where stamps only grow, each is its own median, however unequal the steps are.
    """
    if len(shown) < 4:
        return shown
    from scipy.ndimage import median_filter

    relative = shown - shown[0]
    return median_filter(relative, size=2 * FEW + 1, mode="mirror") + shown[0]


def _find_wild(shown: np.ndarray, around: np.ndarray, limit: float, apart: float) -> np.ndarray:
    """Which stamps are wrong, bool (n,).

    Those that are further than ``limit`` from the ones around them and contradict the order of the
    file, unless many others agree with them; and a few at its beginning or end that are further
    than ``apart`` from all others.
    """
    count = len(shown)
    if count < 4:
        return np.zeros(count, bool)
    order = np.argsort(shown, kind="stable")
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    gaps = np.diff(shown[order])
    later = np.append(np.minimum.accumulate(shown[::-1])[::-1][1:], shown.max())
    earlier = np.insert(np.maximum.accumulate(shown)[:-1], 0, shown.min())
    contradicts = (shown - later > limit) | (earlier - shown > limit)
    misplaced = np.abs(rank - np.arange(count)) > REORDERED
    wild = (np.abs(shown - around) > limit) & contradicts & (misplaced | _few(gaps > limit, rank))
    at_an_end = (rank < FEW) | (rank >= count - FEW)
    return wild | (at_an_end & _few(gaps > apart, rank))


def _few(breaks: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Which stamps have hardly any others, and less than half of all, between the breaks."""
    group = np.concatenate(([0], np.cumsum(breaks)))[rank]
    return np.bincount(group)[group] <= min(FEW, (len(rank) - 1) // 2)


def usual_step(pts: np.ndarray) -> int | None:
    """Median distance of stamps in order; None for fewer than two."""
    return int(np.median(np.diff(pts))) if len(pts) > 1 else None


def find_jumps(pts: np.ndarray, time_base: Fraction) -> tuple[Jump, ...]:
    """Stretches without a picture that are longer than usual by more than ``FORWARD_JUMP``.

    ``pts`` are int64 (n,), strictly increasing, in units of ``time_base`` s.
    """
    step = usual_step(pts)
    if step is None:
        return ()
    gaps = np.diff(pts) - step
    places = np.flatnonzero(gaps > FORWARD_JUMP / time_base)
    return tuple(
        Jump((int(pts[place]) + step) * time_base, int(gaps[place]) * time_base) for place in places
    )
