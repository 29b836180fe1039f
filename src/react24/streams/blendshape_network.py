"""MediaPipe's published blendshape network: 52 ARKit coefficients from the landmarks of a face.

The network looks at x and y of 146 of the 478 landmarks. It moves and scales them itself, so that
where the face is in the picture, and how large, does not matter; the pixels have to be square. It
was trained on real people and knows nothing of how the person before it looks at rest. Some of its
outputs stay at 0 whatever the face does: ``DEAD``.

Its file is part of MediaPipe's Face Landmarker bundle (``face-landmarker`` in the weights
registry, Apache-2.0), see docs/weights.md.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from react24.rig.landmarks import BLENDSHAPE_POINTS
from react24.rig.shapes import NAMES
from react24.weights.tflite import Network, read_network

PART = "face_blendshapes.tflite"
"""The network's name in the bundle."""

PUBLISHED = "4f36dded049db18d76048567439b2a7f58f1daabc00d78bfe8f3ad396a2d2082"
"""SHA-256 of the network as it is published, by itself; its licence is known."""

POINTS = np.array(BLENDSHAPE_POINTS)
"""int (146,): the landmarks that the network takes, in its order."""

OUTPUTS = 52
"""``_neutral``, then ``NAMES`` without its last, tongueOut."""

DEAD = (
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip
"""What it says nothing of. It has no tongueOut; the others stay below 0.01 in all of 3,138 frames
of 13 people, posed faces among them."""

_ALIVE = np.array([name not in DEAD for name in NAMES])


class BlendshapeNetwork:
    """The network, on one thread: the same landmarks always give the same numbers.

    It takes one face at a time (its shapes are fixed), 0.9 ms each.

    Args:
        path: The Face Landmarker bundle (``.task``) or the network alone (``.tflite``).

    Attributes:
        name: File, its SHA-256 and the network's licence, for the attribute ``weights`` of what
            is made with it.

    Raises:
        InputError: No such file, or not this network.
    """

    def __init__(self, path: str | Path):
        source = read_network(path, PART)
        self._network = Network(source, (1, len(POINTS), 2), [(OUTPUTS,)])
        known = hashlib.sha256(source.content).hexdigest() == PUBLISHED
        licence = "Apache-2.0" if known else "licence unknown"
        self.name = f"{source.file} {source.sha256} {licence}"

    def scores(self, landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
        """Coefficients of faces.

        Args:
            landmarks: float32 (T, 478, 3), pixels.
            width: Of the picture. Not used, nor ``height``: the network scales the points itself.
            height: Of the picture.

        Returns:
            float32 (T, 52) in [0, 1], in the order of ``react24.rig.shapes.NAMES``; those of
            ``DEAD`` are 0. NaN for a face whose points all lie in one place.

        Raises:
            ValueError: Landmarks of another shape, or that are not finite.
        """
        if landmarks.ndim != 3 or landmarks.shape[1:] != (478, 3):
            raise ValueError(f"landmarks have shape {landmarks.shape}, expected (T, 478, 3)")
        points = np.ascontiguousarray(landmarks[:, POINTS, :2], dtype=np.float32)
        broken = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
        if len(broken):
            raise ValueError(f"landmarks of face {broken[0]} are not finite")
        result = np.zeros((len(points), len(NAMES)), np.float32)
        for row, face in zip(result, points, strict=True):
            row[:-1] = self._network.run(face[None])[0][1:]
        result[:, ~_ALIVE] = 0.0
        return result
