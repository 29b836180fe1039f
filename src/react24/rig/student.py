"""A small judge of faces that ships with the package: MediaPipe's blendshape network, learned.

A perceptron with two hidden layers over x and y of 146 landmarks, brought to the head frame so that
place, size and turn of the head do not matter. `react24.rig.student_build` makes its file: it was
taught by what MediaPipe's published network (Apache-2.0) says of real and drawn faces, and is given
under the same licence. What it was measured to do is in docs/faces.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from react24.files.contract import sha256_file
from react24.rig.landmarks import BLENDSHAPE_POINTS
from react24.rig.model import load_rig
from react24.rig.pose import fit_pose, to_head_frame
from react24.rig.shapes import NAMES

STUDENT_PATH = Path(__file__).with_name("student_v1.npz")
LICENCE = "Apache-2.0, distilled from MediaPipe's face_blendshapes"


class Perceptron:
    """A network of arrays ``mean``, ``spread`` (292,), ``weight_K`` (n, m) and ``bias_K`` (m,)."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._mean, self._spread = arrays["mean"], arrays["spread"]
        count = sum(name.startswith("weight_") for name in arrays)
        self._layers = [(arrays[f"weight_{k}"], arrays[f"bias_{k}"]) for k in range(count)]

    def scores(self, points: np.ndarray) -> np.ndarray:
        """Scores (n, 52) in [0, 1] of points (n, 292)."""
        signal = (points - self._mean) / self._spread
        for weight, bias in self._layers[:-1]:
            signal = np.maximum(signal @ weight + bias, 0.0)
        weight, bias = self._layers[-1]
        return 1.0 / (1.0 + np.exp(-(signal @ weight + bias)))


class Student:
    """The shipped judge.

    Args:
        path: File of the arrays of a `Perceptron`.

    Attributes:
        name: File, digest and licence.
    """

    def __init__(self, path: str | Path = STUDENT_PATH):
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
        self._network = Perceptron(arrays)
        self.name = f"{Path(path).stem} {sha256_file(path)} {LICENCE}"

    def scores(self, landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
        """What the faces show, see `react24.rig.judge.Judge`; whatever the picture's size."""
        return self.judge_frontal(frontal_view(landmarks))

    def judge_frontal(self, faces: np.ndarray) -> np.ndarray:
        """Scores float32 (T, 52) of faces (T, 478, 3) that are in the head frame already."""
        seen = faces[:, BLENDSHAPE_POINTS, :2].reshape(len(faces), -1).astype(np.float32)
        scores = self._network.scores(seen)
        scores[:, NAMES.index("tongueOut")] = 0.0
        return scores


@lru_cache(maxsize=1)
def load_student() -> Student:
    """The judge that ships with the package."""
    return Student()


def frontal_view(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks in pixels as faces in the head frame, by the canonical skull: (T, 478, 3)."""
    rig = load_rig()
    pose = fit_pose(landmarks[:, rig.rigid], rig.neutral[rig.rigid])
    return to_head_frame(landmarks, pose)
