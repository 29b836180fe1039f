"""The one picture behind all faces of the demo corpus, and where its landmarks lie.

The picture is ``astronaut`` of scikit-image: a NASA portrait in the public domain. Its landmarks
and its pose are kept beside this module (``portrait_v1.npz``), made once by ``measure_portrait``,
so that making a video needs no face tracker and the truth does not move with the solve.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

MEASURES_FILE = Path(__file__).with_name("portrait_v1.npz")


@dataclass(frozen=True)
class Portrait:
    """What is known of the picture.

    Attributes:
        landmarks: float32 (478, 3), face-mesh landmarks in its pixels (x right, y down, z into
            the scene).
        rotation: float32 (3,), angles of the head about x, y, z in radians: the turn that lays
            the rig's rigid points on the landmarks. It sets the zero of all true rotations.
    """

    landmarks: np.ndarray
    rotation: np.ndarray


def portrait_picture() -> np.ndarray:
    """The portrait, uint8 (512, 512, 3), RGB."""
    from skimage.data import astronaut

    return astronaut()


def load_portrait() -> Portrait:
    """The stored measures of the portrait."""
    with np.load(MEASURES_FILE, allow_pickle=False) as stored:
        return Portrait(stored["landmarks"], stored["rotation"])


def measure_portrait(path: Path = MEASURES_FILE) -> None:
    """Find the portrait's landmarks with mediapipe, and its pose; store both."""
    from react24.files.contract import atomic_path
    from react24.rig.build import find_landmarks, turn_between
    from react24.rig.model import load_rig
    from react24.rig.pose import matrix_to_euler

    points = find_landmarks(portrait_picture())
    rig = load_rig()
    turn = turn_between(rig.neutral[rig.rigid].astype(float), points[rig.rigid])
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            landmarks=points.astype(np.float32),
            rotation=matrix_to_euler(turn).astype(np.float32),
        )
