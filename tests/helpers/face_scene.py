"""Stand-ins for detector and landmark model: faces are squares at known places that have a look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from react24.faces.follow import Follower
from react24.faces.looks import RIGID
from react24.faces.mesh import POINTS, Detection, Mesh, region_around
from react24.faces.whose import Tracklets

SIZE = 400


@dataclass(frozen=True)
class Face:
    """One face in view: centre and width in pixels, whose it is, how far it sways, in widths."""

    x: float
    y: float
    width: float
    who: float = 0.0
    sway: float = 0.02

    def at(self, tick):
        return replace(self, y=self.y + self.sway * self.width * np.sin(tick / 4))


class Scene:
    """Detector, landmark model and describer in one; ``faces`` are what is in view."""

    def __init__(self):
        self.faces: list[Face] = []
        self.looks = 0
        self.reach = 0.5
        """How far from the middle of a region a face is found in it, in its widths."""

    def find(self, rgb, where=None):
        if hasattr(where, "side"):
            near = [(np.hypot(f.x - where.x, f.y - where.y) / f.width, f) for f in self.faces]
            inside = [f for way, f in sorted(near, key=lambda n: n[0]) if way < self.reach]
            return mesh_of(inside[0]) if inside else None
        self.looks += 1
        x0, y0, x1, y1 = where or (0, 0, rgb.shape[1], rgb.shape[0])
        return [self._detection(f) for f in self.faces if x0 <= f.x <= x1 and y0 <= f.y <= y1]

    def describe(self, rgb, points, region):
        """A look that says whose face lies there: people are 3 apart in shape."""
        x, y = points[2:].mean(axis=0)[:2]
        face = min(self.faces, key=lambda f: np.hypot(f.x - x, f.y - y))
        look = np.zeros(3 * len(RIGID) + 2, np.float32)
        look[0], look[-1] = 3 * face.who, 1
        return look

    @staticmethod
    def _detection(face):
        box = np.array([face.x, face.y, face.x, face.y], float)
        box += face.width / 2 * np.array([-1, -1, 1, 1])
        return Detection(box, 0.9, region_around(box, box[:2], box[[2, 1]]))


def mesh_of(face: Face) -> Mesh:
    points = np.full((POINTS, 3), [face.x, face.y, 0], np.float32)
    points[0, :2] -= face.width / 2
    points[1, :2] += face.width / 2
    return Mesh(points, 0.99)


def follow_script(script, pictures=None):
    """Follow what a script shows: a list of lists of faces, one per tick.

    Args:
        script: Faces per tick.
        pictures: Grey level per tick; a step of it is a cut.

    Returns:
        (scene, tracklets).
    """
    scene = Scene()
    follower = Follower(scene, scene, scene.describe)
    tracklets = Tracklets()
    for tick, faces in enumerate(script):
        scene.faces = [face.at(tick) for face in faces]
        level = pictures[tick] if pictures is not None else 0
        picture = np.full((SIZE, SIZE, 3), level, np.uint8)
        tracklets.add(tick, follower.see(picture), cut=follower.cut)
    return scene, tracklets
