"""The shipped face rig: a neutral face and 52 displacement fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

RIG_PATH = Path(__file__).with_name("rig_v1.npz")


@dataclass(frozen=True)
class Rig:
    """A face with the 52 blend shapes that ARKit names.

    All coordinates are in the head frame: origin half-way between the outer corners of the eyes, x
    to the right of the (unmirrored) picture, i.e. towards the subject's left, y down, z into the
    scene; the points 10 (hair line) and 152 (chin) are equally deep. Unit: the distance between the
    outer corners of the eyes (points 33 and 263).

    Attributes:
        names: ARKit's names, alphabetical.
        displacements: float32 (52, 478, 3), where the points go at coefficient 1; the field of an
            unobservable shape is zero.
        neutral: float32 (478, 3), the canonical face, lips closed, eyes open; points 468 to 477 are
            the irises (centre first, the right eye's before the left eye's).
        triangles: int32 (852, 3), the skin; eyes and mouth are holes. Neighbours are wound alike:
            in the picture (y down) the corners of a face that is seen from the front go clockwise.
        eye_triangles: int32 (28, 3), what closes the two eyes' holes.
        mouth_triangles: int32 (18, 3), what closes the hole between the lips.
        observable: bool (52,).
        rigid: int32, points that follow the skull.
        mirror: int32 (478,), the corresponding point on the other side of the face.
        version: Name of the rig, stored beside what is made with it.
    """

    names: tuple[str, ...]
    displacements: np.ndarray
    neutral: np.ndarray
    triangles: np.ndarray
    eye_triangles: np.ndarray
    mouth_triangles: np.ndarray
    observable: np.ndarray
    rigid: np.ndarray
    mirror: np.ndarray
    version: str

    def index(self, name: str) -> int:
        """Position of a shape in every 52-vector.

        Raises:
            ValueError: No such shape.
        """
        return self.names.index(name)

    def deform(self, coefficients: np.ndarray, neutral: np.ndarray | None = None) -> np.ndarray:
        """Face points for coefficients (..., 52): ``neutral + sum_k e_k displacement_k``.

        ``neutral`` (478, 3) is a person's own neutral face; the canonical one by default.

        Returns:
            float32 (..., 478, 3) in the head frame.
        """
        base = self.neutral if neutral is None else neutral
        moved = np.tensordot(np.asarray(coefficients, np.float32), self.displacements, axes=1)
        return (base + moved).astype(np.float32)


@lru_cache(maxsize=1)
def load_rig() -> Rig:
    """The rig that is shipped with the package (made by ``react24.rig.build``)."""
    with np.load(RIG_PATH, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for array in arrays.values():
        array.setflags(write=False)
    names = tuple(str(name) for name in arrays.pop("names"))
    version = str(arrays.pop("version"))
    return Rig(names=names, version=version, **arrays)
