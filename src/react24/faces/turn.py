"""Pictures that stand on their head or lie on their side.

The landmark model takes any face for an upright one: upside down it gives points that look like a
face and mean nothing, and is sure of them. The detector is less sure of a face that is upside down
(about 0.65 where an upright one has 0.9), and on one that lies on its side it finds the eyes one
above the other. So it is asked how sure it is of a face with level eyes in the picture as it is and
in the turned ones.

The answer is wanted for the whole video, which is refused if it is turned, and for every stretch in
which one face is followed: a camera may be turned on the way.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np

from react24.faces.follow import FindsFaces, Sighting

SURE = 0.85
"""A face with level eyes that is found with this score is upright; turned ones stay below."""

LIKELY = 0.7
"""Least score of the face in the turned picture."""

BETTER = 0.1
"""By so much the score in the turned picture must exceed that in the picture as it is."""

ROOM = 2.5
"""Side of the part of the picture that is turned, in longer sides of the face's box."""

ENOUGH = 192
"""Pixels of a side that the detector needs; it works on 128."""

FEWEST = 3
"""Probes that a verdict takes."""

MOST = 0.8
"""Share of the probes that must agree."""

DENSE, SPARSE = 20, 250
"""Ticks between two probes, at the beginning and later."""

NEW = 8
"""Ticks between the first ``FEWEST`` probes of a face that is newly followed."""


def turn_needed(detector: FindsFaces, rgb: np.ndarray, box: np.ndarray | None = None) -> int | None:
    """By how much a picture must be turned for its face to be upright.

    Args:
        detector: Of faces.
        rgb: uint8 (H, W, 3), read-only.
        box: (4,) where the face is thought to be; None to look at the whole picture.

    Returns:
        Degrees counter-clockwise: 0, 90, 180 or 270; None where no face is seen.
    """
    part = rgb if box is None else _part_around(rgb, box)
    thin = max(1, min(part.shape[:2]) // ENOUGH)
    part = part[::thin, ::thin]
    upright = _best_score(detector, part)
    if upright >= SURE:
        return 0
    scores = {turns * 90: _best_score(detector, np.rot90(part, turns)) for turns in (1, 2, 3)}
    degrees = max(scores, key=scores.__getitem__)
    if scores[degrees] >= LIKELY and scores[degrees] >= upright + BETTER:
        return degrees
    return 0 if upright != 0 else None


class TurnWatch:
    """Probes the pictures of a video now and then."""

    def __init__(self, detector: FindsFaces):
        self._detector = detector
        self._next = 0
        self.votes: Counter[int] = Counter()
        self._of: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._last: dict[int, int] = {}

    def see(self, tick: int, rgb: np.ndarray, face: Sighting | None) -> None:
        """Probe the read-only picture of a tick, if it is time.

        ``face`` is the largest that is followed; None where there is none.
        """
        regular = tick >= self._next
        if not regular and not self._is_new(tick, face):
            return
        degrees = turn_needed(self._detector, rgb, None if face is None else face.box)
        if regular:
            self._next = tick + min(max(tick // 4, DENSE), SPARSE)
            if degrees is not None:
                self.votes[degrees] += 1
        if face is not None:
            self._last[face.tracklet] = tick
            if degrees is not None:
                self._of[face.tracklet][degrees] += 1

    def _is_new(self, tick: int, face: Sighting | None) -> bool:
        """Whether too little is known of a face to say if it is turned."""
        if face is None or self._of[face.tracklet].total() >= FEWEST:
            return False
        return tick >= self._last.get(face.tracklet, -NEW) + NEW

    def turned(self) -> dict[int, int]:
        """Tracklets that show a turned face, with the degrees as in ``verdict``."""
        verdicts = {tracklet: _verdict(votes) for tracklet, votes in self._of.items()}
        return {tracklet: degrees for tracklet, degrees in verdicts.items() if degrees}

    @property
    def probes(self) -> int:
        """Probes in which a face was seen."""
        return self.votes.total()

    def verdict(self) -> int:
        """Degrees counter-clockwise by which the whole video must be turned; 0 where upright."""
        return _verdict(self.votes)


def _verdict(votes: Counter[int]) -> int:
    if votes.total() < FEWEST:
        return 0
    degrees, most = votes.most_common(1)[0]
    return degrees if most >= MOST * votes.total() else 0


def _best_score(detector: FindsFaces, rgb: np.ndarray) -> float:
    """How sure the detector is of a face with level eyes."""
    rgb = np.ascontiguousarray(rgb)
    rgb.flags.writeable = False
    scores = [face.score * math.cos(face.region.rotation) for face in detector.find(rgb)]
    return max(scores, default=0.0)


def _part_around(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    half = ROOM / 2 * float(max(box[2] - box[0], box[3] - box[1]))
    x, y = (box[:2] + box[2:]) / 2
    low = np.maximum(np.round([x - half, y - half]).astype(int), 0)
    high = np.round([x + half, y + half]).astype(int)
    part = rgb[low[1] : max(high[1], 1), low[0] : max(high[0], 1)]
    return part if min(part.shape[:2]) > 16 else rgb
