"""Following the faces in the pictures of a video.

While a face is followed, its next region comes from its last points, so it stays the same face
whoever else is in the picture. The detector looks for further faces at the start, after a loss, and
every ``LOOK_EVERY`` frames: around the places where faces were lost, on the whole picture and,
while nobody is in view, now and then on overlapping parts of it, which finds the small face of a
person filmed whole.

A stretch in which one face is followed without a doubt is a *tracklet*. A loss ends it, and so does
a jump: the face is suddenly elsewhere, looks different at once, or the whole picture changes; but
where every point of it stays in place, it is the light that changed. Whose
face a tracklet shows is not decided here but when all of them are known (``whose``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from react24.faces.cuts import CutWatch
from react24.faces.looks import describe, distance, shape_distance
from react24.faces.mesh import (
    Detection,
    Mesh,
    Region,
    Window,
    box_of,
    region_of,
)

REACH = 1.5
"""A face whose centre is this many widths of a lost one away, or nearer, can be the lost one."""

PATIENCE = 50
"""Frames (2 s) after a loss in which the detector looks at every picture."""

LOOK_EVERY = 25
"""Frames between two looks for further faces while somebody is followed."""

RETURN_EVERY = 10
"""Frames between two looks at the places of lost faces, later on, while others are followed."""

SEARCH_EVERY = 25
"""While nobody is in view, parts of the picture are searched every so many frames."""

SEARCH_SELDOM = 250
"""While somebody is in view, they are searched every so many frames for further small faces."""

MOST_PARTS = 24
"""But not if there are more parts than this of one size."""

SMALLEST_PART = 256
"""Side of the smallest part that is searched, pixels."""

MOST_FACES = 4
"""Faces that are followed at a time; more are not looked for."""

SMALLEST_SHARE = 0.25
"""A face narrower than this share of the widest one in view is not followed."""

JUMP = 0.6
"""Way of a face from one picture to the next that is a jump, in its widths."""

NEW_LOOK = 1.5
"""Change of the look from one picture to the next that is a jump; see ``looks``."""

STILL = 0.016
"""Mean way of the points from one picture to the next, in widths of the face, up to which it is
the same face in another light, however different it looks: another person's face has another pose
and expression ..."""

STILL_SHAPE = 0.7
"""... and another shape; see ``looks``."""

SAME_PLACE = 0.4
"""Two boxes that share this part of their union show one face."""


class FindsFaces(Protocol):
    """A detector."""

    def find(self, rgb: np.ndarray, window: Window | None = None) -> list[Detection]:
        """All faces in a picture or in a window of it."""
        ...


class FindsPoints(Protocol):
    """A landmark model."""

    def find(self, rgb: np.ndarray, region: Region) -> Mesh | None:
        """The face in a region, if there is one."""
        ...


@dataclass(frozen=True)
class Sighting:
    """One face in one picture.

    Attributes:
        tracklet: Number of the stretch it belongs to, counted from 0.
        mesh: Its landmarks.
        box: float (4,), around them.
        region: Where to look for them in the next picture.
        look: What it looks like; see ``looks``.
        heir_of: At the first sighting of a tracklet: the one that ended here in a jump, while the
            picture as a whole went on.
    """

    tracklet: int
    mesh: Mesh
    box: np.ndarray
    region: Region
    look: np.ndarray
    heir_of: int | None = None


@dataclass
class _Lost:
    """Where a face was when it was lost, and for how many frames it had been followed."""

    box: np.ndarray
    age: int


class Follower:
    """Follows faces. Make a new one for every video: it remembers where they were.

    Attributes:
        cut: Whether the picture seen last differs from the one before as a whole.
    """

    def __init__(
        self,
        detector: FindsFaces,
        landmarks: FindsPoints,
        look: Callable[[np.ndarray, np.ndarray, Region], np.ndarray] = describe,
    ):
        self._detector = detector
        self._landmarks = landmarks
        self._look = look
        self._cuts = CutWatch()
        self._faces: list[Sighting] = []
        self._ages: dict[int, int] = {}
        self._lost: list[_Lost] = []
        self._picture = 0
        self._loss = 0
        self.cut = False

    def see(self, rgb: np.ndarray) -> list[Sighting]:
        """The faces in the next picture, uint8 (H, W, 3), those followed longest first."""
        self.cut = self._cuts.is_cut(rgb)
        self._continue(rgb)
        if len(self._faces) < MOST_FACES:
            for faces in self._looks(rgb):
                self._take_up(rgb, faces)
        for face in self._faces:
            self._ages[face.tracklet] += 1
        self._picture += 1
        return list(self._faces)

    def _continue(self, rgb: np.ndarray) -> None:
        """Find the followed faces again, near where they were."""
        kept: list[Sighting] = []
        for last in self._faces:
            mesh = self._landmarks.find(rgb, last.region)
            face = None if mesh is None else self._next(rgb, last, mesh)
            if face is None:
                self._lose(last)
            elif not any(share(face.box, other.box) > SAME_PLACE for other in kept):
                kept.append(face)
        self._faces = kept

    def _next(self, rgb: np.ndarray, last: Sighting, mesh: Mesh) -> Sighting | None:
        """What was found where a face was expected; None if that says nothing, after a cut."""
        box, region = box_of(mesh.points), region_of(mesh.points)
        look = self._look(rgb, mesh.points, region)
        way = _way(mesh.points, last.mesh.points)
        if way <= STILL * width(last.box) and shape_distance(look, last.look) <= STILL_SHAPE:
            return Sighting(last.tracklet, mesh, box, region, look)
        if self.cut:
            return None
        # Points found from the detector's rough region are a little off, and so is their look.
        settled = self._ages[last.tracklet] > 1
        jumped = apart(box, last.box) > JUMP * width(last.box)
        if jumped or (settled and distance(look, last.look) > NEW_LOOK):
            return Sighting(self._number(), mesh, box, region, look, heir_of=last.tracklet)
        return Sighting(last.tracklet, mesh, box, region, look)

    def _number(self) -> int:
        number = len(self._ages)
        self._ages[number] = 0
        return number

    def _lose(self, face: Sighting) -> None:
        """Remember where a face was: of all, the two that had been there longest."""
        age = self._ages[face.tracklet]
        self._lost.append(_Lost(face.box, age))
        # Something that comes and goes is no reason to look at every picture for long.
        if age >= LOOK_EVERY or len(self._faces) <= 1:
            self._loss = self._picture
        self._lost = sorted(self._lost, key=lambda lost: -lost.age)[:2]

    def _looks(self, rgb: np.ndarray) -> Iterator[list[Detection]]:
        """Detections from the looks that are due; parts are searched only if all else fails."""
        since = self._picture - self._loss
        after_loss = bool(self._lost) and since <= PATIENCE
        every = after_loss or not self._faces or self._picture % LOOK_EVERY == 0
        if every or since % RETURN_EVERY == 0:
            for lost in list(self._lost):
                window = _window_around(lost.box, rgb.shape)
                if window is not None:
                    yield self._detector.find(rgb, window)
        if every:
            yield self._detector.find(rgb)
        if not self._faces and since % SEARCH_EVERY == 0:
            for windows in search_windows(rgb.shape[1], rgb.shape[0]):
                yield self._find_in(rgb, windows)
                if self._faces:
                    break
        if self._faces and self._picture % SEARCH_SELDOM == 0:
            for windows in search_windows(rgb.shape[1], rgb.shape[0]):
                if len(windows) <= MOST_PARTS:
                    yield self._find_in(rgb, windows)

    def _find_in(self, rgb: np.ndarray, windows: list[Window]) -> list[Detection]:
        return [face for part in windows for face in self._detector.find(rgb, part)]

    def _take_up(self, rgb: np.ndarray, found: list[Detection]) -> None:
        """Follow those of the detected faces that are not followed yet, the largest first."""
        for face in sorted(found, key=lambda face: -_area(face.box)):
            if len(self._faces) >= MOST_FACES or any(
                _holds(known.box, face.box) for known in self._faces
            ):
                continue
            mesh = self._landmarks.find(rgb, face.region)
            if mesh is None:
                continue
            box = box_of(mesh.points)
            widest = max((width(known.box) for known in self._faces), default=0.0)
            if width(box) < SMALLEST_SHARE * widest or any(
                share(box, known.box) > SAME_PLACE for known in self._faces
            ):
                continue
            self._lost = [
                lost for lost in self._lost if apart(box, lost.box) > REACH * width(lost.box)
            ]
            region = region_of(mesh.points)
            look = self._look(rgb, mesh.points, region)
            self._faces.append(Sighting(self._number(), mesh, box, region, look))


def search_windows(width: int, height: int) -> Iterator[list[Window]]:
    """Overlapping squares that cover a picture, level by level, each half as large."""
    side = min(width, height)
    while side >= SMALLEST_PART:
        if side < max(width, height):
            yield [
                (x, y, x + side, y + side)
                for y in _starts(height, side)
                for x in _starts(width, side)
            ]
        side //= 2


def _starts(length: int, side: int) -> list[int]:
    """Evenly spread starts of intervals that overlap by at least half."""
    steps = -(-(length - side) * 2 // side)
    return [round(i * (length - side) / steps) for i in range(steps + 1)] if steps else [0]


def _window_around(box: np.ndarray, shape: tuple[int, ...]) -> Window | None:
    """A square with room for the face within reach of where it was; None outside the picture."""
    half = (REACH + 0.5) * max(float(box[2] - box[0]), float(box[3] - box[1]))
    x, y = (float(v) for v in (box[:2] + box[2:]) / 2)
    x0, y0 = max(0, round(x - half)), max(0, round(y - half))
    x1, y1 = min(shape[1], round(x + half)), min(shape[0], round(y + half))
    return (x0, y0, x1, y1) if x1 - x0 > 16 and y1 - y0 > 16 else None


def width(box: np.ndarray) -> float:
    """Of a box x0, y0, x1, y1."""
    return float(box[2] - box[0])


def _way(points: np.ndarray, before: np.ndarray) -> float:
    """Mean way of points (478, 3) in the plane of the picture."""
    return float(np.sqrt(((points - before)[:, :2] ** 2).sum(axis=1)).mean())


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of the centres of two boxes."""
    return float(np.hypot(*((one[:2] + one[2:]) / 2 - (other[:2] + other[2:]) / 2)))


def share(one: np.ndarray, other: np.ndarray) -> float:
    """What two boxes have in common, as a part of what they cover together."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / (_area(one) + _area(other) - common + 1e-12)


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _holds(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether the centre of the other box lies inside."""
    x, y = (other[:2] + other[2:]) / 2
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])
