"""Rigid pose of the head from landmarks: a perspective-n-point fit, batched over frames.

Camera: pinhole at the origin, x right, y down, looking along +z, principal point in the middle of
the picture, focal length = picture width (a horizontal view of 53°) unless given.

Angles: ``R = Rz(c) @ Ry(b) @ Rx(a)`` applied to column vectors in the head frame, so x turns first.
What the signs mean in the picture: `euler_to_matrix`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-6
"""The fit has converged when no frame's rotation (rad) or translation (rig units) moves more."""

MAX_STEPS = 30


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        focal: Focal length in pixels.
        x: Principal point, pixels from the left edge.
        y: Principal point, pixels from the upper edge.
    """

    focal: float
    x: float
    y: float

    @classmethod
    def of_picture(cls, width: int, height: int, focal: float | None = None) -> Camera:
        """The camera of a picture; focal length = width unless given in pixels."""
        return cls(float(focal or width), width / 2.0, height / 2.0)


@dataclass(frozen=True)
class Pose:
    """Where the head is in T frames.

    Attributes:
        matrix: float64 (T, 3, 3), head frame to camera frame.
        translation: float64 (T, 3), the head frame's origin in the camera frame, rig units.
        error: float64 (T,), root mean square distance to the landmarks in pixels.
    """

    matrix: np.ndarray
    translation: np.ndarray
    error: np.ndarray

    @property
    def rotation(self) -> np.ndarray:
        """Angles about x, y, z in radians, float64 (T, 3)."""
        return matrix_to_euler(self.matrix)


def euler_to_matrix(rotation: np.ndarray) -> np.ndarray:
    """``Rz @ Ry @ Rx`` for angles about x, y and z.

    A positive x lowers the nose, a positive y turns it to the left of the picture (the subject's
    right), a positive z tilts the head clockwise as the picture shows it.

    Args:
        rotation: (..., 3) radians.

    Returns:
        float64 (..., 3, 3).
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


def project(points: np.ndarray, pose: Pose, camera: Camera) -> np.ndarray:
    """Pixels of head-frame points.

    Args:
        points: (V, 3) or (T, V, 3) in rig units.
        pose: T frames.
        camera: The camera.

    Returns:
        float64 (T, V, 2).
    """
    inside = points @ pose.matrix.swapaxes(1, 2) + pose.translation[:, None]
    return camera.focal * inside[..., :2] / inside[..., 2:] + (camera.x, camera.y)


def unproject(pixels: np.ndarray, model: np.ndarray, pose: Pose, camera: Camera) -> np.ndarray:
    """Head-frame points seen at ``pixels``, each taken at the depth its model point has.

    Args:
        pixels: (T, V, 2).
        model: (V, 3) head frame; gives the depths.
        pose: T frames.
        camera: The camera.

    Returns:
        float64 (T, V, 3).
    """
    depth = model @ pose.matrix[:, 2, :, None]  # (T, V, 1)
    depth = depth + pose.translation[:, 2, None, None]
    rays = (pixels - (camera.x, camera.y)) / camera.focal
    seen = np.concatenate([rays * depth, depth], axis=-1)
    return (seen - pose.translation[:, None]) @ pose.matrix


def fit_pose(pixels: np.ndarray, model: np.ndarray, camera: Camera) -> Pose:
    """Least-squares pose of a rigid set of points in every frame.

    Starts from scaled orthography in closed form and minimises the squared distances in the picture
    by Gauss-Newton (left-multiplied rotation vectors), all frames at once, until no frame moves
    more than ``TOLERANCE``.

    Args:
        pixels: (T, n, 2), n >= 4, finite.
        model: (n, 3) the same points in the head frame, not in one plane.
        camera: The camera.

    Returns:
        The pose of every frame.
    """
    pixels = np.asarray(pixels, np.float64)
    model = np.asarray(model, np.float64)
    matrix, translation = _orthographic(pixels, model, camera)
    target = (pixels - (camera.x, camera.y)) / camera.focal
    active = np.arange(len(pixels))
    for _ in range(MAX_STEPS):
        step = _newton_step(matrix[active], translation[active], model, target[active])
        matrix[active] = _rotation_of(step[:, :3]) @ matrix[active]
        translation[active] += step[:, 3:]
        active = active[np.abs(step).max(1) > TOLERANCE]
        if not len(active):
            break
    fitted = Pose(matrix, translation, np.zeros(len(pixels)))
    distance = project(model, fitted, camera) - pixels
    return Pose(matrix, translation, np.sqrt((distance**2).sum(-1).mean(-1)))


def _orthographic(pixels, model, camera) -> tuple[np.ndarray, np.ndarray]:
    """Pose under scaled orthography: (T, 3, 3), (T, 3)."""
    centre = model.mean(0)
    middle = pixels.mean(1)
    rows = np.einsum("kn,tnd->tdk", np.linalg.pinv(model - centre), pixels - middle[:, None])
    length = np.linalg.norm(rows, axis=2)  # (T, 2)
    scale = np.maximum(length.mean(1), 1e-9)
    first = rows[:, 0] / np.maximum(length[:, :1], 1e-9)
    second = rows[:, 1] / np.maximum(length[:, 1:], 1e-9)
    # The two rows share the blame for not being at right angles.
    total, difference = first + second, first - second
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    difference /= np.maximum(np.linalg.norm(difference, axis=1, keepdims=True), 1e-9)
    first, second = (total + difference) / np.sqrt(2), (total - difference) / np.sqrt(2)
    matrix = np.stack([first, second, np.cross(first, second)], axis=1)
    depth = camera.focal / scale
    offset = (middle - (camera.x, camera.y)) / scale[:, None]
    translation = np.concatenate([offset, depth[:, None]], axis=1) - matrix @ centre
    return matrix, translation


def _newton_step(matrix, translation, model, target) -> np.ndarray:
    """One Gauss-Newton step: rotation vector and translation, (T, 6)."""
    turned = model @ matrix.swapaxes(1, 2)  # (T, n, 3)
    x, y, z = np.moveaxis(turned + translation[:, None], -1, 0)
    inverse = 1.0 / z
    u, v = x * inverse, y * inverse
    # d(u, v)/dP for the camera-frame point P, then dP = w x (R m) + dt.
    jacobian = np.zeros((*u.shape, 2, 6))
    jacobian[..., 0, 3] = jacobian[..., 1, 4] = inverse
    jacobian[..., 0, 5] = -u * inverse
    jacobian[..., 1, 5] = -v * inverse
    rx, ry, rz = np.moveaxis(turned, -1, 0)
    jacobian[..., 0, 0] = -u * inverse * ry
    jacobian[..., 0, 1] = inverse * (rz + u * rx)
    jacobian[..., 0, 2] = -inverse * ry
    jacobian[..., 1, 0] = -inverse * (rz + v * ry)
    jacobian[..., 1, 1] = v * inverse * rx
    jacobian[..., 1, 2] = inverse * rx
    flat = jacobian.reshape(len(u), -1, 6)  # (T, 2n, 6)
    residual = (target - np.stack([u, v], axis=-1)).reshape(len(u), -1, 1)
    normal = flat.swapaxes(1, 2) @ flat
    # A grain of damping keeps a frame of coinciding points solvable.
    normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(6)
    return np.linalg.solve(normal, flat.swapaxes(1, 2) @ residual)[..., 0]


def _rotation_of(vector: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) of rotation vectors (T, 3) (Rodrigues)."""
    angle = np.linalg.norm(vector, axis=1)[:, None, None]
    x, y, z = vector.T
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + first * skew + second * (skew @ skew)
