"""Whose face is whose, decided when a whole video has been seen.

The tracklets of a video (``follow``) are put together to persons. Two tracklets are linked where
they look alike (``looks``). Where one continues the other near the same place, as large, without a
cut between them, they may look less alike, the less the shorter the gap. Links are made in the
order of their strength, and never between people who are in the picture at the same time.

The person a video is about is the one with the most time in it, large faces counting more: frames
times width. So who set up the camera, or passes by, gives way to who sat down later. A face that
never moves, a portrait on the wall say, comes after all that do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from react24.faces.follow import PATIENCE, REACH, SAME_PLACE, Sighting, apart, share, width
from react24.faces.looks import Exemplars, spread, unlikeness

SAME = 1.4
"""Two tracklets at any times that look no less alike show one person."""

SAME_AT_PLACE = 1.7
"""Likewise, where the later one begins near the place where the earlier one ended, as large,
without a cut between them."""

SAME_AFTER_LOSS = 1.8
"""Likewise, where one continues the other after a loss of up to ``PATIENCE`` frames, or a jump."""

SAME_AFTER_BLINK = 2.5
"""Likewise, after a loss of up to ``BLINK`` frames: nobody changes seats in half a second."""

BLINK = 12
"""Frames."""

OWN = 1.5
"""A face that differs from itself by more than ``SAME`` / OWN, may differ by OWN times as much."""

OWN_LIMIT = 2.2
"""But not by more than this."""

AS_LARGE = 1.6
"""Ratio of widths within which a face is as large as before."""

COMPARED = (100, 10)
"""The longest tracklets, so many, are compared with each other whatever their time, and all others
with the first few of them."""

OVERLAP = 12
"""Frames, and at most half of the shorter one, for which two tracklets of one person may overlap: a
lost face is found anew before the old place is given up."""

SHORTEST = 12
"""Frames that a person must be seen to be counted as one."""

STILL, STILL_FRAMES = 0.004, 125
"""A face whose edges spread by less than this, in its widths (root mean square), over so many
frames or more, is a picture. Portraits in compressed video are at 0.0005 to 0.003, the stillest
of the real faces measured at 0.006, after three seconds."""


@dataclass
class Tracklet:
    """A stretch of ticks in which one face was followed without a doubt.

    Attributes:
        start: First tick.
        stop: One past the last.
        boxes: First and last box.
        heir_of: Number of the tracklet that ended in a jump to this one.
        exemplars: What the face looked like.
        sums: Width and centre x of the face, summed over the ticks, pixels.
        way: Of the edges of the box from the first box, and its square, summed over the ticks.
        left_out: It shows no face to follow.
    """

    start: int
    stop: int
    boxes: tuple[np.ndarray, np.ndarray]
    heir_of: int | None
    exemplars: Exemplars = field(default_factory=Exemplars)
    sums: np.ndarray = field(default_factory=lambda: np.zeros(2))
    way: np.ndarray = field(default_factory=lambda: np.zeros((2, 4)))
    left_out: bool = False

    @property
    def frames(self) -> int:
        """Length, ticks."""
        return self.stop - self.start

    def add(self, tick: int, seen: Sighting) -> None:
        """Take note of the face in one more picture."""
        self.stop = tick + 1
        self.boxes = (self.boxes[0], seen.box)
        self.exemplars.add(seen.look)
        self.sums += (width(seen.box), (seen.box[0] + seen.box[2]) / 2)
        way = seen.box.astype(np.float64) - self.boxes[0]
        self.way += (way, way**2)

    def spread(self) -> float:
        """Variance of the edges of the box, summed over the ticks, pixels squared."""
        total, squares = self.way
        return float((squares - total**2 / self.frames).mean())


@dataclass(frozen=True)
class SeenPerson:
    """Everything that is known of one person in a video.

    Attributes:
        tracklets: Numbers, in order of time.
        spans: int (n, 2), start and stop of each, ticks.
        frames: Ticks in which the person is seen.
        width: Mean width of the face, pixels.
        x: Mean centre, pixels from the left.
        still: The face never moves: it is a picture of one.
    """

    tracklets: tuple[int, ...]
    spans: np.ndarray
    frames: int
    width: float
    x: float
    still: bool = False

    @property
    def weight(self) -> float:
        """Time times size."""
        return self.frames * self.width

    def present(self, ticks: int) -> np.ndarray:
        """Bool (ticks,): when the person is seen."""
        return _covered(self.spans, ticks)


class Tracklets:
    """Collects the sightings of a video."""

    def __init__(self) -> None:
        self.all: list[Tracklet] = []
        self.cuts: list[int] = []

    def add(self, tick: int, sightings: Iterable[Sighting], *, cut: bool) -> None:
        """Take note of what ``Follower.see`` saw at a tick; ``cut``: the whole picture changed."""
        if cut:
            self.cuts.append(tick)
        for seen in sightings:
            if seen.tracklet == len(self.all):
                self.all.append(Tracklet(tick, tick, (seen.box, seen.box), seen.heir_of))
            self.all[seen.tracklet].add(tick, seen)

    def leave_out(self, numbers: Iterable[int]) -> None:
        """Have no person made of these tracklets."""
        for number in numbers:
            self.all[number].left_out = True

    def present(self, kinds: Mapping[int, int], ticks: int) -> dict[int, np.ndarray]:
        """Kind -> bool (ticks,): when one of the tracklets of that kind is in the picture."""
        found: dict[int, np.ndarray] = {}
        for number, kind in kinds.items():
            seen = found.setdefault(kind, np.zeros(ticks, bool))
            seen[self.all[number].start : self.all[number].stop] = True
        return found

    def persons(self) -> list[SeenPerson]:
        """The persons of the video, the one with the most time times size first.

        Faces that never move come after all others.
        """
        groups = _link(self.all, self.cuts)
        persons = [self._person(group) for group in groups]
        persons.sort(key=lambda person: (person.still, -person.weight))
        return [p for p in persons if p.frames >= SHORTEST] or persons[:1]

    def passes(self, person: SeenPerson) -> list[int]:
        """Ticks at which somebody else takes the place of a person from one picture to the next."""
        own = set(person.tracklets)
        ends = [self.all[number] for number in own]
        others = [
            part
            for number, part in enumerate(self.all)
            if number not in own and not part.left_out and part.frames >= SHORTEST
        ]
        return sorted({part.start for part in others if any(_takes_over(part, e) for e in ends)})

    def _person(self, numbers: list[int]) -> SeenPerson:
        parts = [self.all[number] for number in numbers]
        spans = np.array([(part.start, part.stop) for part in parts])
        sums = np.sum([part.sums for part in parts], axis=0)
        total = sum(part.frames for part in parts)
        frames = int(_covered(spans, int(spans.max())).sum())
        mean = float(sums[0] / total)
        spread = np.sqrt(max(sum(part.spread() for part in parts), 0.0) / total)
        still = total >= STILL_FRAMES and spread < STILL * mean
        return SeenPerson(tuple(numbers), spans, frames, mean, float(sums[1] / total), bool(still))


def _covered(spans: np.ndarray, ticks: int) -> np.ndarray:
    """Bool (ticks,): within one of the spans, int (n, 2)."""
    covered = np.zeros(ticks, bool)
    for start, stop in spans:
        covered[start:stop] = True
    return covered


def choose_person(persons: list[SeenPerson], side: str = "") -> int:
    """Index of the one of the persons, largest first, that a video is about.

    ``side`` is ``left`` or ``right`` for the one on that side of the first two; empty: the first.
    """
    if not side or len(persons) < 2:
        return 0
    first_is_left = persons[0].x <= persons[1].x
    return 0 if first_is_left == (side == "left") else 1


def _link(tracklets: list[Tracklet], cuts: list[int]) -> list[list[int]]:
    """Numbers of tracklets, group by group, each in order of time."""
    group = {number: [number] for number, part in enumerate(tracklets) if not part.left_out}
    for _, one, other in sorted(_edges(tracklets, cuts)):
        if one not in group or other not in group:
            continue
        if group[one] is group[other] or _overlap(tracklets, group[one], group[other]):
            continue
        merged = sorted(group[one] + group[other], key=lambda n: tracklets[n].start)
        for number in merged:
            group[number] = merged
    unique = {id(numbers): numbers for numbers in group.values()}
    return list(unique.values())


def _overlap(tracklets: list[Tracklet], ones: list[int], others: list[int]) -> bool:
    """Whether two groups are in the picture at the same time."""
    spans = sorted((tracklets[n].start, tracklets[n].stop) for n in ones + others)
    last = spans[0]
    for span in spans[1:]:
        shorter = min(last[1] - last[0], span[1] - span[0])
        if min(last[1], span[1]) - span[0] > min(OVERLAP, shorter // 2):
            return True
        last = max(last, span, key=lambda s: s[1])
    return False


def _edges(tracklets: list[Tracklet], cuts: list[int]) -> list[tuple[float, int, int]]:
    """Pairs that may be one person: unlikeness in parts of what is allowed, and both numbers."""
    looks = [tracklet.exemplars.looks() for tracklet in tracklets]
    spreads = [spread(look) for look in looks]
    longest = sorted(range(len(tracklets)), key=lambda n: (-tracklets[n].frames, n))
    allowed = {}
    for rank, one in enumerate(longest):
        for other in longest[: COMPARED[0] if rank < COMPARED[0] else COMPARED[1]]:
            own = min(OWN_LIMIT, OWN * max(spreads[one], spreads[other]))
            same = SAME_AT_PLACE if _returns(tracklets[one], tracklets[other], cuts) else SAME
            allowed[min(one, other), max(one, other)] = max(same, own)
    allowed.update(
        (pair, max(limit, allowed.get(pair, 0.0)))
        for pair, limit in _continuations(tracklets, cuts)
    )
    edges = []
    for (one, other), limit in allowed.items():
        if one != other:
            ratio = unlikeness(looks[one], looks[other]) / limit
            if ratio <= 1:
                edges.append((ratio, one, other))
    return edges


def _continuations(
    tracklets: list[Tracklet], cuts: list[int]
) -> Iterable[tuple[tuple[int, int], float]]:
    """Pairs of which one may continue the other, with the unlikeness that is allowed."""
    order = sorted(range(len(tracklets)), key=lambda n: tracklets[n].start)
    starts = [tracklets[n].start for n in order]
    for one, before in enumerate(tracklets):
        begin = bisect_left(starts, max(before.start + 1, before.stop - OVERLAP))
        end = bisect_left(starts, before.stop + PATIENCE + 1)
        for other in order[begin:end]:
            after = tracklets[other]
            if other == one or not _returns(before, after, cuts):
                continue
            blink = after.heir_of is None and after.start - before.stop <= BLINK
            limit = SAME_AFTER_BLINK if blink else SAME_AFTER_LOSS
            yield (min(one, other), max(one, other)), limit


def _takes_over(after: Tracklet, before: Tracklet) -> bool:
    at_once = 0 <= after.start - before.stop <= 1
    return at_once and share(before.boxes[1], after.boxes[0]) > SAME_PLACE


def _returns(one: Tracklet, other: Tracklet, cuts: list[int]) -> bool:
    """Whether the later of two begins where the earlier ended, as large, without a cut between."""
    before, after = sorted((one, other), key=lambda tracklet: tracklet.start)
    return _is_near(before.boxes[1], after.boxes[0]) and not _cut_between(
        cuts, before.stop, after.start
    )


def _cut_between(cuts: list[int], stop: int, start: int) -> bool:
    at = bisect_left(cuts, min(stop, start))
    return at < len(cuts) and cuts[at] <= start


def _is_near(one: np.ndarray, other: np.ndarray) -> bool:
    ratio = width(one) / max(width(other), 1e-6)
    near = apart(one, other) <= REACH * max(width(one), width(other))
    return near and 1 / AS_LARGE <= ratio <= AS_LARGE
