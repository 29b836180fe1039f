"""Faces that stand still as none that is alive does: a stalled call, a camera that hangs."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from react24.faces.follow import Sighting
from react24.media.spans import find_spans

CHANGE = 0.2
"""Mean change of a face from one picture to the next, in grey levels, up to which it is the same
picture. Of a live face it is above 0.4 even in 160x120 pixels or out of focus; strong compression
repeats pictures of it, but for no longer than a third of a second. Of a stalled one it is 0, and
0.12 in single pictures, with which the codec mends the others."""

LONG = 50
"""Ticks (2 s) from which on a face that stands still is frozen."""

REFRESHED = 3
"""Ticks of change between two long stretches that are one: a codec draws a picture anew now and
then (a key picture) although nothing moves."""

FINE = 32
"""Pixels of a face that are compared along each side."""


class FrozenWatch:
    """Compares every face with what was at its place in the picture before."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._unchanged: defaultdict[int, array] = defaultdict(lambda: array("i"))

    def see(self, tick: int, rgb: np.ndarray, faces: Iterable[Sighting]) -> None:
        """Take note of the faces in the picture of a tick, uint8 (H, W, 3)."""
        if self._last is not None and self._last.shape == rgb.shape:
            for face in faces:
                if self._last is rgb or _change(self._last, rgb, face.box) <= CHANGE:
                    self._unchanged[face.tracklet].append(tick)
        self._last = rgb

    def frozen(
        self, tracklets: Iterable[int], ticks: int, shown: np.ndarray | None = None
    ) -> np.ndarray:
        """When a person with these tracklets is frozen, bool (ticks,).

        Only ticks that are ``shown``, bool (ticks,), count: those with a picture of their own time
        (others are told with the clock); None for all. Nowhere, if the person moves for less than
        ``LONG`` ticks: that is a photograph, and what it shows is meant.
        """
        frozen = np.zeros(ticks, bool)
        for number in tracklets:
            frozen[np.frombuffer(self._unchanged.get(number, array("i")), np.int32)] = True
        shown = np.ones(ticks, bool) if shown is None else shown
        frozen &= shown
        for one, other in pairwise(find_spans(frozen)):
            if other.start - one.stop <= REFRESHED and min(one.length, other.length) >= LONG // 2:
                frozen[one.stop : other.start] = True
        if shown.sum() - frozen.sum() < LONG:
            return np.zeros(ticks, bool)
        for stretch in find_spans(frozen):
            if stretch.length < LONG:
                frozen[stretch.start : stretch.stop] = False
        return frozen


def _change(last: np.ndarray, rgb: np.ndarray, box: np.ndarray) -> float:
    """Mean change of the green in a box, grey levels; infinite where nothing of it is inside."""
    x0, y0, x1, y1 = np.maximum(np.round(box).astype(int), 0)
    step = max(1, (x1 - x0) // FINE)
    now = rgb[y0:y1:step, x0:x1:step, 1].astype(np.float32)
    before = last[y0:y1:step, x0:x1:step, 1]
    return float(np.abs(now - before).mean()) if now.size else np.inf
