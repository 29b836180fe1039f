"""Following one face through the pictures of a video.

While a face is followed, its next region comes from its last points, so it stays the same face
whoever else is in the picture. At the start and after a loss the detector runs: around the place
where the face was last seen, on the whole picture, and now and then on overlapping parts of it,
which finds the small face of a person filmed whole. At the start the largest face is taken. After
a loss only a face near the lost one continues the track (the nearest one), for ``PATIENCE``
frames; then again the largest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from react24.faces.mesh import Detection, Mesh, Region, Window, box_of, region_of

REACH = 1.5
"""A face whose centre is this many widths of the lost one away, or nearer, can be the lost one."""

PATIENCE = 50
"""Frames (2 s) after a loss in which no face elsewhere is taken."""

SEARCH_EVERY = 25
"""A lost face is searched in parts of the picture at its loss and then every so many frames."""

SMALLEST_PART = 256
"""Side of the smallest part that is searched, pixels."""


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


class Follower:
    """Follows one face. Make a new one for every video: it remembers where the face was."""

    def __init__(self, detector: FindsFaces, landmarks: FindsPoints):
        self._detector = detector
        self._landmarks = landmarks
        self._region: Region | None = None
        self._last_box: np.ndarray | None = None
        self._lost = 0

    def see(self, rgb: np.ndarray) -> Mesh | None:
        """The followed face in the next picture, uint8 (H, W, 3); None where it is not found."""
        mesh = self._landmarks.find(rgb, self._region) if self._region else None
        mesh = mesh or self._search(rgb)
        if mesh is None:
            self._region = None
            self._lost += 1
            return None
        self._region = region_of(mesh.points)
        self._last_box = box_of(mesh.points)
        self._lost = 0
        return mesh

    def _search(self, rgb: np.ndarray) -> Mesh | None:
        for faces in self._looks(rgb):
            for face in self._candidates(faces):
                mesh = self._landmarks.find(rgb, face.region)
                if mesh is not None:
                    return mesh
        return None

    def _looks(self, rgb: np.ndarray) -> Iterator[list[Detection]]:
        """Detections from ever closer looks; each is made only if the one before was in vain."""
        if self._last_box is not None:
            window = _window_around(self._last_box, rgb.shape)
            if window is not None:
                yield self._detector.find(rgb, window)
        yield self._detector.find(rgb)
        if self._lost % SEARCH_EVERY == 0:
            for windows in search_windows(rgb.shape[1], rgb.shape[0]):
                yield [face for part in windows for face in self._detector.find(rgb, part)]

    def _candidates(self, faces: list[Detection]) -> list[Detection]:
        """The faces that may be taken, best first."""
        if self._last_box is None or self._lost >= PATIENCE:
            return sorted(faces, key=lambda face: -_area(face.box))
        reach = REACH * float(self._last_box[2] - self._last_box[0])
        apart = [_distance(face.box, self._last_box) for face in faces]
        near = sorted((d, i) for i, d in enumerate(apart) if d <= reach)
        return [faces[i] for _, i in near]


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


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.hypot(*((one[:2] + one[2:]) / 2 - (other[:2] + other[2:]) / 2)))
