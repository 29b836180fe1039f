"""The 58-D stream from landmarks: 52 ARKit coefficients, head rotation, head translation."""

from __future__ import annotations

import numpy as np

from react24.extractors.landmarks_common import Track, solve_face, weights_name
from react24.rig.shapes import NAMES
from react24.rig.solve import SolveSettings
from react24.store import Features

POSE_NAMES = (
    "rotation_x",
    "rotation_y",
    "rotation_z",
    "translation_x",
    "translation_y",
    "translation_z",
)
FEATURE_NAMES: tuple[str, ...] = (*NAMES, *POSE_NAMES)
"""52 shapes in [0, 1] in alphabetical order, 3 angles in radians, 3 shifts in rig units."""


class LandmarksFaceVerse:
    """A stand-in for FaceVerse's 58 coefficients that needs no licensed model.

    The names are FaceVerse's (and ARKit's), the numbers are not: another neutral face, other
    displacement fields, and rotation and translation in the rig's frame (`react24.rig.pose`), where
    FaceVerse starts from angles (pi, 0, 0) and a camera of its own. ``cheekPuff``, ``jawForward``
    and ``tongueOut`` cannot be seen in landmarks and are always 0.

    Args:
        focal: Focal length of the camera in pixels; the picture's width by default.
        settings: Weights of the solve.
    """

    name = "faceverse-landmarks"
    feature_names = FEATURE_NAMES

    def __init__(self, focal: float | None = None, settings: SolveSettings | None = None):
        self.focal = focal
        self.settings = settings

    def extract(self, source: Track) -> Features:
        """Coefficients and pose of one person.

        Args:
            source: A face track.

        Returns:
            Features with values float32 (T, 58).

        Raises:
            InputError: No valid frame, or arrays of the wrong shape.
        """
        solution = solve_face(source, focal=self.focal, settings=self.settings)
        values = np.concatenate(
            [solution.coefficients, solution.rotation, solution.translation], axis=1
        )
        return Features(
            values=values,
            valid=solution.valid,
            feature_names=FEATURE_NAMES,
            stream="faceverse",
            backend="landmarks",
            pretrained=True,
            weights=weights_name(),
        )
