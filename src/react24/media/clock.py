"""The 25 fps clock: which source picture is shown at which tick.

Tick ``k`` is the instant ``k / 25`` s after the role's zero. Its picture is the one whose
presentation time is nearest (the earlier one if two are equally near). That reproduces a 25 fps
recording exactly, and is right for any other rate, for variable rates and for streams that start
late. All arithmetic is on integers, so no rounding error can move a tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

TICKS_PER_SECOND = 25
EDGE = Fraction(1, 2 * TICKS_PER_SECOND)
"""A tick this close (s) to the first picture still counts as inside the recording."""

MAX_DISTANCE = Fraction(1, 10)
"""A tick further (s) than this from every picture lies in a dropped stretch.

It leaves recordings down to 5 pictures per second untouched.
"""

ROUNDING = Fraction(1, 250)
"""Lengths this little (s) short of a tick are taken as full: containers round to milliseconds."""


@dataclass(frozen=True)
class TickMap:
    """Which picture is shown at each tick.

    Attributes:
        frame: int32 (T,), index into the pictures in order of presentation.
        valid: bool (T,); False before the first picture, after the end of the last one, and in
            stretches without any picture within ``MAX_DISTANCE``.
    """

    frame: np.ndarray
    valid: np.ndarray


def count_ticks(length: Fraction) -> int:
    """Whole ticks in a length in seconds (30 s: 750)."""
    return max(0, math.floor((length + ROUNDING) * TICKS_PER_SECOND))


def find_nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of the nearest of increasing times, n >= 1, to each wanted one; of two, the earlier."""
    after = np.searchsorted(times, wanted).clip(min(1, len(times) - 1), len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted - times[before] <= times[after] - wanted, before, after)


def map_ticks(
    pts: np.ndarray, time_base: Fraction, zero: Fraction, end: Fraction, ticks: int
) -> TickMap:
    """Assign a source picture to every tick.

    Args:
        pts: int64 (n,), strictly increasing presentation times in units of ``time_base``, n >= 1.
        time_base: Seconds per unit.
        zero: Presentation time of tick 0, in seconds on the clock of ``pts``.
        end: When the last picture disappears, in seconds on the clock of ``pts``.
        ticks: T.

    Returns:
        The map, T entries.
    """
    first = math.floor(zero / time_base)  # recordings may count from 1970, too far for 64 bit
    zero, end = zero - first * time_base, end - first * time_base
    unit = math.lcm(
        time_base.denominator,
        zero.denominator,
        end.denominator,
        EDGE.denominator,
        MAX_DISTANCE.denominator,
    )

    def integer(seconds: Fraction) -> int:
        return int(seconds * unit)

    times = (np.asarray(pts, np.int64) - first) * integer(time_base)
    wanted = integer(zero) + np.arange(ticks, dtype=np.int64) * (unit // TICKS_PER_SECOND)
    frame = find_nearest(times, wanted)
    valid = np.abs(times[frame] - wanted) <= integer(MAX_DISTANCE)
    valid &= wanted >= times[0] - integer(EDGE)
    valid &= wanted < integer(end)
    return TickMap(frame.astype(np.int32), valid)
