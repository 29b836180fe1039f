"""What the two landmark extractors share: the solve of a face track."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from react24.rig.model import load_rig
from react24.rig.solve import Solution, SolveSettings, solve_track

FACE_MESH = "mediapipe 0.10.14 FaceMesh (refined landmarks)"


class Track(Protocol):
    """The parts of ``react24.faces.track.FaceTrack`` that the extractors read."""

    landmarks: np.ndarray
    valid: np.ndarray
    width: int
    height: int


def weights_name() -> str:
    """What the values were made with, for the ``weights`` attribute."""
    return f"{FACE_MESH}, {load_rig().version}"


def solve_face(
    track: Track, *, focal: float | None = None, settings: SolveSettings | None = None
) -> Solution:
    """Pose and coefficients of a face track.

    Args:
        track: Landmarks (T, 478, 3), valid (T,), width, height.
        focal: Focal length in pixels; the picture's width by default.
        settings: Weights of the solve.

    Raises:
        InputError: No valid frame, or arrays of the wrong shape.
    """
    return solve_track(
        track.landmarks,
        track.valid,
        int(track.width),
        int(track.height),
        focal=focal,
        settings=settings,
    )
