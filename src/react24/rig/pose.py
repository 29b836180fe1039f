"""Rigid pose of the head from landmarks, all frames at once.

The face-mesh network gives three coordinates per point, and gives them as under scaled orthography.
Measured on six drawn heads of known pose (demo corpus): a perspective-n-point fit to x and y alone
(focal length = picture width) is off by 6 to 9 degrees in pitch; an alignment of x, y and z is off
by less than 3 and follows nods and turns within 5 %. So rotation and scale come from aligning the
rigid points in three dimensions, and the camera turns scale and place into a translation.

Camera: pinhole at the origin, x right, y down, looking along +z, principal point in the middle of
the picture, focal length = the picture's longer side (a view of 53° along it) unless given: held
upright or across, a phone has the same lens.

Angles: ``R = Rz(c) @ Ry(b) @ Rx(a)`` applied to column vectors in the head frame, so x turns first.
What the signs mean in the picture: `euler_to_matrix`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIGHT = 0.5
"""Share of the line of sight's direction that counts towards the head's rotation where the camera
is not known; 1 where its focal length is given. Pictures of people are often cut out of wider ones,
and then 1 adds up to 10 degrees that are not there. Half is what MediaPipe's face geometry
amounts to. Spread over clips of the pitch against that geometry: 4.5 degrees with 1, 2.2 with 0.5,
2.6 with 0; on drawn heads near the middle of whole pictures the three differ by 0.1 degrees."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        focal: Focal length in pixels.
        x: Principal point, pixels from the left edge.
        y: Principal point, pixels from the upper edge.
        sight: Share in [0, 1] of the line of sight that counts towards a rotation, see ``SIGHT``.
    """

    focal: float
    x: float
    y: float
    sight: float = 1.0

    @classmethod
    def of_picture(cls, width: int, height: int, focal: float | None = None) -> Camera:
        """The camera of a picture; focal length = the longer side unless given in pixels."""
        share = SIGHT if focal is None else 1.0
        return cls(float(focal or max(width, height)), width / 2.0, height / 2.0, share)


@dataclass(frozen=True)
class Pose:
    """Where the head is in T frames, under scaled orthography.

    Attributes:
        matrix: float64 (T, 3, 3), head frame to the line of sight.
        origin: float64 (T, 3), the head frame's origin in pixels.
        scale: float64 (T,), pixels per rig unit.
        error: float64 (T,), root mean square distance of the rigid points to the picture's, pixels.
    """

    matrix: np.ndarray
    origin: np.ndarray
    scale: np.ndarray
    error: np.ndarray

    def rotation(self, camera: Camera, middle: np.ndarray) -> np.ndarray:
        """Angles about x, y, z against the camera's axes in radians, float64 (T, 3).

        A head beside the optical axis is seen from its side: what the picture shows is its turn
        against the line of sight, so the direction of that line is added, by the camera's share.
        ``middle`` (T, 2) is the middle of the face in pixels.
        """
        across, down = np.arctan((middle - (camera.x, camera.y)) / camera.focal).T
        sight = camera.sight * np.stack([-down, across, np.zeros_like(across)], axis=1)
        return matrix_to_euler(euler_to_matrix(sight) @ self.matrix)

    def translation(self, camera: Camera) -> np.ndarray:
        """The head frame's origin seen from the camera, float64 (T, 3), rig units."""
        depth = camera.focal / self.scale
        offset = (self.origin[:, :2] - (camera.x, camera.y)) / self.scale[:, None]
        return np.concatenate([offset, depth[:, None]], axis=1)


def euler_to_matrix(rotation: np.ndarray) -> np.ndarray:
    """``Rz @ Ry @ Rx`` for angles (..., 3) about x, y and z in radians: float64 (..., 3, 3).

    A positive x lowers the nose, a positive y turns it to the left of the picture (the subject's
    right), a positive z tilts the head clockwise as the picture shows it.
    """
    rotation = np.asarray(rotation, np.float64)
    c, s = np.cos(rotation), np.sin(rotation)
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(c, -1, 0), np.moveaxis(s, -1, 0)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_euler(matrix: np.ndarray) -> np.ndarray:
    """Angles (..., 3) in radians of ``Rz @ Ry @ Rx``; y in [-pi/2, pi/2]."""
    matrix = np.asarray(matrix, np.float64)
    x = np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    y = -np.arcsin(np.clip(matrix[..., 2, 0], -1.0, 1.0))
    z = np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return np.stack([x, y, z], axis=-1)


def to_head_frame(landmarks: np.ndarray, pose: Pose) -> np.ndarray:
    """Landmarks (T, V, 3) in pixels as head-frame points (T, V, 3) in rig units."""
    return (landmarks - pose.origin[:, None]) @ pose.matrix / pose.scale[:, None, None]


def fit_pose(landmarks: np.ndarray, model: np.ndarray) -> Pose:
    """Least-squares rotation, scale and place of a rigid set of points in every frame.

    Closed form after Umeyama (1991): the rotation from the singular value decomposition of the
    covariance with the model, then the scale.

    Args:
        landmarks: (T, n, 3) pixels, z in the same scale, n >= 3, finite.
        model: (n, 3) the same points in the head frame, not on a line.
    """
    landmarks = np.asarray(landmarks, np.float64)
    model = np.asarray(model, np.float64)
    centre = model.mean(0)
    shape = model - centre
    middle = landmarks.mean(1)
    spread = landmarks - middle[:, None]
    left, values, right = np.linalg.svd(spread.swapaxes(1, 2) @ shape)
    sign = np.ones_like(values)
    sign[:, 2] = np.linalg.det(left @ right)  # no reflection
    matrix = (left * sign[:, None]) @ right
    scale = np.maximum((values * sign).sum(1), 1e-9) / (shape**2).sum()
    origin = middle - scale[:, None] * (matrix @ centre)
    away = (spread - scale[:, None, None] * (shape @ matrix.swapaxes(1, 2)))[..., :2]
    return Pose(matrix, origin, scale, np.sqrt((away**2).sum(-1).mean(-1)))
