"""The one picture behind all faces of the demo corpus, and where its landmarks lie.

The picture is ``astronaut`` of scikit-image: a NASA portrait in the public domain. Its landmarks
are kept beside this module (``portrait_v1.npz``), made once by ``measure_portrait``, so that
making a video needs no face tracker.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

LANDMARKS_FILE = Path(__file__).with_name("portrait_v1.npz")
LANDMARKS = 478


def portrait_picture() -> np.ndarray:
    """The portrait, uint8 (512, 512, 3), RGB."""
    from skimage.data import astronaut

    return astronaut()


def portrait_landmarks() -> np.ndarray:
    """Face-mesh landmarks of the portrait, float32 (478, 3), in its pixels (x right, y down)."""
    with np.load(LANDMARKS_FILE, allow_pickle=False) as stored:
        return stored["landmarks"]


def measure_portrait(path: Path = LANDMARKS_FILE) -> Path:
    """Find the portrait's landmarks with mediapipe and store them.

    Args:
        path: The npz file to write.

    Returns:
        ``path``.

    Raises:
        RuntimeError: No face was found in the picture.
    """
    from mediapipe.python.solutions.face_mesh import FaceMesh

    from react24.store import atomic_path

    picture = portrait_picture()
    with FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1) as mesh:
        faces = mesh.process(picture).multi_face_landmarks
    if not faces:
        raise RuntimeError("mediapipe found no face in scikit-image's astronaut picture")
    height, width = picture.shape[:2]
    points = [(p.x * width, p.y * height, p.z * width) for p in faces[0].landmark]
    with atomic_path(path) as temporary:
        np.savez(temporary, landmarks=np.asarray(points, np.float32))
    return path
