"""The 58-D stream from landmarks: 52 ARKit coefficients, head rotation, head translation."""

from __future__ import annotations

import numpy as np

from react24.conventions import POSE_NAMES
from react24.rig.shapes import NAMES
from react24.rig.solve import Solution
from react24.streams.landmarks import LandmarksExtractor

FEATURE_NAMES: tuple[str, ...] = (*NAMES, *POSE_NAMES)
"""52 shapes in [0, 1] in alphabetical order, 3 angles in radians, 3 shifts in rig units."""


class LandmarksFaceVerse(LandmarksExtractor):
    """A stand-in for FaceVerse's 58 coefficients that needs no licensed model.

    The names are FaceVerse's (and ARKit's), the numbers are not: another neutral face, other
    displacement fields, and rotation and translation in the rig's frame (`react24.rig.pose`), where
    FaceVerse starts from angles (pi, 0, 0) and a camera of its own. ``cheekPuff``, ``jawForward``
    and ``tongueOut`` cannot be seen in landmarks and are always 0.
    """

    name = "faceverse-landmarks"
    stream = "faceverse"
    feature_names = FEATURE_NAMES

    def columns(self, solution: Solution, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients and pose, float32 (T, 58)."""
        return np.concatenate([coefficients, solution.rotation, solution.translation], axis=1)
