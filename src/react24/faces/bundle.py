"""The networks of MediaPipe's Face Landmarker bundle, run by LiteRT, without mediapipe.

They do what ``mesh.Detector`` and ``mesh.LandmarkModel`` do, with newer networks. What surrounds a
network (where its input is cut out, how its output is read) follows MediaPipe's face landmarker
graphs. mediapipe's Tasks interface runs the same bundle, but takes whole pictures only: it decides
itself which face is followed and does not say how sure the landmark network is.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from react24.faces.mesh import POINTS, Detection, Mesh, Region, Window, region_around
from react24.weights.tflite import Network, read_network

DETECTOR = "face_detector.tflite"
LANDMARKS = "face_landmarks_detector.tflite"

LOOK = 128
"""Side of what the detector sees, pixels."""

VIEW = 256
"""Side of what the landmark network sees, pixels."""

LEAST_SCORE = 0.5
"""A face, for the detector and for the landmark network."""

OVERLAP = 0.3
"""Boxes whose intersection over union is larger are the same face."""


class BundleDetector:
    """The detector of a bundle (InputError: it holds none). About 2 ms on one core."""

    def __init__(self, path: str | Path):
        anchors = len(_ANCHORS)
        shapes = [(1, anchors, 16), (1, anchors, 1)]
        self._network = Network(read_network(path, DETECTOR), (1, LOOK, LOOK, 3), shapes)

    def find(self, rgb: np.ndarray, window: Window | None = None) -> list[Detection]:
        """All faces in a picture or a part of it, see `react24.faces.mesh.Detector.find`."""
        x0, y0, x1, y1 = window or (0, 0, rgb.shape[1], rgb.shape[0])
        shown = Region((x1 - x0) / 2, (y1 - y0) / 2, max(x1 - x0, y1 - y0), 0.0)
        look = cut_out(rgb[y0:y1, x0:x1], shown, LOOK, outside="black")
        values, logits = self._network.run(look[None] / np.float32(127.5) - np.float32(1))
        # The square that was shown begins left of or above the window where that is not square.
        corner = np.array([x0 + shown.x, y0 + shown.y]) - shown.side / 2
        faces = read_detections(values[0], logits[0, :, 0])
        found = []
        for points, score in faces:
            points = corner + points * shown.side
            box = points[:2].ravel()
            found.append(Detection(box, score, region_around(box, points[2], points[3])))
        return found


class BundleLandmarks:
    """The 478-point landmark network of a bundle (InputError: it holds none). About 7 ms a face."""

    def __init__(self, path: str | Path):
        # The last output is about the tongue and not used by MediaPipe either.
        shapes = [(1, 1, 1, 3 * POINTS), (1, 1, 1, 1), (1, 1)]
        self._network = Network(read_network(path, LANDMARKS), (1, VIEW, VIEW, 3), shapes)

    def find(self, rgb: np.ndarray, region: Region) -> Mesh | None:
        """The landmarks in a region, see `react24.faces.mesh.LandmarkModel.find`."""
        view = cut_out(rgb, region, VIEW, outside="edge")
        points, logit, _ = self._network.run(view[None] / np.float32(255))
        presence = float(sigmoid(logit.ravel())[0])
        if presence < LEAST_SCORE:
            return None
        points = points.reshape(POINTS, 3).astype(np.float64)
        matrix, step = _from_cut(region, VIEW), region.side / VIEW
        flat = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        whole = np.concatenate([flat, points[:, 2:] * step], axis=1)
        return Mesh(whole.astype(np.float32), presence)


def cut_out(rgb: np.ndarray, region: Region, size: int, *, outside: str) -> np.ndarray:
    """A region of a picture, upright, as MediaPipe shows it to its networks, uint8 (size, size, 3).

    It is sampled bilinearly, also where that skips pixels. ``outside`` the picture there is
    ``black``, or its ``edge`` goes on.
    """
    import cv2

    border = {"black": cv2.BORDER_CONSTANT, "edge": cv2.BORDER_REPLICATE}[outside]
    return cv2.warpAffine(
        np.ascontiguousarray(rgb),
        _from_cut(region, size),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )


def _from_cut(region: Region, size: int) -> np.ndarray:
    """float64 (2, 3): from pixels of what is cut out to pixels of the picture."""
    step = region.side / size
    turn = step * np.array(
        [
            [math.cos(region.rotation), -math.sin(region.rotation)],
            [math.sin(region.rotation), math.cos(region.rotation)],
        ]
    )
    centre = np.array([region.x, region.y]) - turn @ np.full(2, size / 2)
    return np.concatenate([turn, centre[:, None]], axis=1)


def _anchors() -> np.ndarray:
    """float64 (896, 2): centres of the detector's cells, the side of what it sees being 1.

    Two boxes for each of 16 x 16 cells, then six for each of 8 x 8.
    """
    grids = []
    for cells, boxes in ((16, 2), (8, 6)):
        centres = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(centres, centres)
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), boxes, axis=0))
    return np.concatenate(grids)


_ANCHORS = _anchors()


def read_detections(values: np.ndarray, logits: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Faces in the detector's output: boxes that overlap the best are averaged with it.

    Args:
        values: float (896, 16): centre, width and height of a box and six points of the face,
            in pixels of what it sees; centre and points relative to the cell.
        logits: float (896,).

    Returns:
        Per face, best first, float64 (8, 2): two corners of the box and the points, the side of
        what the detector sees being 1; and its score, above ``LEAST_SCORE``.
    """
    scores = sigmoid(logits)
    kept = np.flatnonzero(scores >= LEAST_SCORE)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    scores = scores[kept]
    raw = values[kept].reshape(-1, 8, 2) / LOOK
    points = raw + _ANCHORS[kept, None]
    centre, half = points[:, 0], raw[:, 1] / 2
    points[:, 0], points[:, 1] = centre - half, centre + half
    faces = []
    while len(points):
        same = overlap(points[0, :2].ravel(), points[:, :2].reshape(-1, 4)) > OVERLAP
        same[0] = True  # also a box without an area
        weights = scores[same] / scores[same].sum()
        faces.append((np.tensordot(weights, points[same], 1), float(scores[0])))
        points, scores = points[~same], scores[~same]
    return faces


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) x0, y0, x1, y1 with boxes (n, 4): float (n,)."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    common = (high - low).clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    union = areas + (box[2:] - box[:2]).clip(0).prod() - common
    return np.divide(common, union, out=np.zeros(len(boxes)), where=union > 0)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities; logits beyond 100 count as 100, as in MediaPipe."""
    return 1 / (1 + np.exp(-logits.astype(np.float64).clip(-100, 100)))
