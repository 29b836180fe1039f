"""From landmarks to head pose and shape coefficients.

For one person in one session: find the pose of every frame from the points that follow the skull,
look up the person's own neutral face in the session's calmest frames, and explain what is left of
the landmarks, in the head frame, by the 52 displacement fields B of the rig:

    minimise  sum_t |M (neutral + B e_t - points_t)|² + |e_t|²_Λ + μ |e_t - e_{t-1}|²_D
    subject to  0 <= e_t <= 1

M weighs points and differences of points (`evidence`); only x and y of the head frame count. D is
the diagonal of (MB)ᵀMB, so penalty Λ and smoothness μ mean the same for a large and a small shape.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from react24.errors import InputError
from react24.rig.evidence import evidence_matrix
from react24.rig.landmarks import MESH_POINTS
from react24.rig.model import Rig, load_rig
from react24.rig.pose import Camera, Pose, fit_pose, to_head_frame
from react24.rig.quadratic import solve_box

logger = logging.getLogger(__name__)

CHUNK = 512
"""Frames whose landmarks are worked on at a time."""


@dataclass(frozen=True)
class SolveSettings:
    """Weights of the solve.

    Attributes:
        penalty: Λ as a share of D, for every shape that is not listed in ``penalties``.
        penalties: Shape stem (name without Left/Right) -> its own share. Shapes that can imitate a
            common one (``mouthClose`` against ``jawOpen``) cost more.
        smoothness: μ as a share of D.
        neutral_share: Share of the frames taken as calm.
        neutral_frames: Least and greatest number of calm frames.
    """

    penalty: float = 0.1
    penalties: dict[str, float] = field(
        default_factory=lambda: {
            "mouthClose": 1.0,
            **dict.fromkeys(("mouthLowerDown", "mouthPress", "mouthRollUpper"), 0.3),
            **dict.fromkeys(("mouthRollLower", "mouthShrugUpper", "mouthShrugLower"), 0.3),
            **dict.fromkeys(("mouthDimple", "eyeSquint"), 0.3),
            **dict.fromkeys(("mouthUpperUp", "eyeLookDown", "jawLeft", "jawRight"), 0.2),
        }
    )
    smoothness: float = 0.05
    neutral_share: float = 0.1
    neutral_frames: tuple[int, int] = (25, 400)

    def shares(self, names: tuple[str, ...]) -> np.ndarray:
        """Λ / D for every shape, (52,)."""
        stems = (name.removesuffix("Left").removesuffix("Right") for name in names)
        return np.array([self.penalties.get(stem, self.penalty) for stem in stems])


@dataclass(frozen=True)
class Solution:
    """What a face did.

    Attributes:
        coefficients: float32 (T, 52) in [0, 1]; unobservable shapes are exactly 0.
        rotation: float32 (T, 3), angles about x, y, z in radians (`pose.euler_to_matrix`).
        translation: float32 (T, 3) in rig units: the middle between the outer corners of the eyes,
            seen from the camera.
        valid: bool (T,); False where the values are interpolated or held.
        neutral: float32 (478, 3), the person's neutral face in the head frame.
        pose_error: float32 (T,), root mean square of the rigid points' distances in pixels.
    """

    coefficients: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    valid: np.ndarray
    neutral: np.ndarray
    pose_error: np.ndarray


def solve_track(
    landmarks: np.ndarray,
    valid: np.ndarray,
    width: int,
    height: int,
    *,
    focal: float | None = None,
    rig: Rig | None = None,
    settings: SolveSettings | None = None,
) -> Solution:
    """Pose and shape coefficients of one person's track.

    The landmarks are read in chunks of ``CHUNK`` frames (a memory map or an HDF5 dataset will do);
    what is kept for the whole session are arrays of about 60 numbers a frame.

    Args:
        landmarks: (T, 478, 3) pixels, x right, y down, z in the same scale.
        valid: bool (T,), False where the track has no face of its own.
        width: Picture width in pixels.
        height: Picture height in pixels.
        focal: Focal length in pixels; the picture's width by default.
        rig: The rig; the shipped one by default.
        settings: Weights.

    Returns:
        The solution; frames that are not valid, or whose landmarks are not finite, are interpolated
        between their neighbours.

    Raises:
        InputError: Wrong shapes, or no valid frame.
    """
    rig = rig or load_rig()
    settings = settings or SolveSettings()
    usable = _check(landmarks, valid, width, height)
    camera = Camera.of_picture(width, height, focal)
    frames = np.flatnonzero(usable)
    neutral = _find_neutral(landmarks, frames, rig, settings)
    measured = _measure(landmarks, frames, rig, neutral, camera)
    everything = _fill(measured, frames, len(usable))
    rotation, translation = everything[:, :3], everything[:, 3:6]
    coefficients = _solve_shapes(everything[:, 7:], rig, settings)
    return Solution(
        coefficients=coefficients,
        rotation=rotation.astype(np.float32),
        translation=translation.astype(np.float32),
        valid=usable,
        neutral=neutral.astype(np.float32),
        pose_error=everything[:, 6].astype(np.float32),
    )


def _check(landmarks, valid, width: int, height: int) -> np.ndarray:
    """Frames that can be used, bool (T,)."""
    shape = tuple(landmarks.shape)
    if len(shape) != 3 or shape[1:] != (478, 3) or shape[0] == 0:
        raise InputError(
            f"landmarks have shape {shape}; accepted is (T, 478, 3) with T >= 1, as `track_faces` "
            "writes them"
        )
    valid = np.asarray(valid, bool)
    if valid.shape != shape[:1]:
        raise InputError(f"valid has shape {valid.shape}; accepted is ({shape[0]},)")
    if width < 1 or height < 1:
        raise InputError(f"the picture is {width} x {height} pixels; both must be positive")
    usable = valid.copy()
    for start in range(0, len(valid), CHUNK):
        block = np.asarray(landmarks[start : start + CHUNK])
        usable[start : start + CHUNK] &= np.isfinite(block).all((1, 2))
    if not usable.any():
        raise InputError(
            f"none of {len(valid)} frames has a face with finite landmarks; accepted is at least "
            "one. Look at the video, or leave the session out"
        )
    return usable


def _blocks(landmarks, frames: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Positions in ``frames`` and the landmarks (n, 478, 3) there, chunk by chunk."""
    for start in range(0, len(frames), CHUNK):
        part = slice(start, min(start + CHUNK, len(frames)))
        wanted = frames[part]
        # A contiguous read with a mask costs less than picking rows from a file one by one.
        span = np.asarray(landmarks[wanted[0] : wanted[-1] + 1], np.float64)
        yield part, span[wanted - wanted[0]]


# ---------------------------------------------------------------- the person's neutral face


def _find_neutral(landmarks, frames, rig: Rig, settings: SolveSettings) -> np.ndarray:
    """The person's neutral face (478, 3): median over the calmest frames, in rig units.

    The first look uses the canonical skull for the pose, the second the person's own.
    """
    neutral = np.asarray(rig.neutral, np.float64)
    for _ in range(2):
        traits = np.empty((len(frames), 4))
        for part, pixels in _blocks(landmarks, frames):
            traits[part] = _traits(_head_points(pixels, neutral, rig)[0])
        calm = frames[_calmest(traits, settings)]
        seen = [_head_points(pixels, neutral, rig)[0] for _, pixels in _blocks(landmarks, calm)]
        neutral = _to_unit(np.median(np.concatenate(seen), axis=0))
    logger.info("neutral face from %d of %d frames", len(calm), len(frames))
    return neutral


def _head_points(pixels, neutral, rig: Rig) -> tuple[np.ndarray, Pose]:
    pose = fit_pose(pixels[:, rig.rigid], neutral[rig.rigid])
    return to_head_frame(pixels, pose), pose


def _traits(points: np.ndarray) -> np.ndarray:
    """Opening of the mouth, its width, height of the brows, opening of the eyes: (T, 4)."""
    mouth = np.linalg.norm(points[:, 14, :2] - points[:, 13, :2], axis=1)
    width = np.linalg.norm(points[:, 291, :2] - points[:, 61, :2], axis=1)
    brows = points[:, [105, 334, 66, 296, 107, 336], 1].mean(1)
    eyes = (points[:, [145, 374], 1] - points[:, [159, 386], 1]).mean(1)
    return np.stack([mouth, width, brows, eyes], axis=1)


def _calmest(traits: np.ndarray, settings: SolveSettings) -> np.ndarray:
    """Positions of the frames with the least going on: closed mouth, still brows, open eyes.

    Width of the mouth, height of the brows and opening of the eyes count by their distance from
    the session's median, the opening of the mouth by itself; all in rig units.
    """
    away = np.abs(traits - np.median(traits, axis=0))
    unrest = traits[:, 0] + away[:, 1] + away[:, 2] + away[:, 3]
    least, most = settings.neutral_frames
    count = int(np.clip(settings.neutral_share * len(traits), least, most))
    return np.sort(np.argsort(unrest, kind="stable")[:count])


def _to_unit(points: np.ndarray) -> np.ndarray:
    """Origin between the outer corners of the eyes, their distance 1 (the pose stays)."""
    left, right = points[263], points[33]
    return (points - 0.5 * (left + right)) / np.linalg.norm(left - right)


# ---------------------------------------------------------------- pose and shapes


def _measure(landmarks, frames, rig: Rig, neutral, camera: Camera) -> np.ndarray:
    """Rotation, translation, pose error, and (MB)ᵀM (points - neutral) of each frame, (n, 59)."""
    rows = evidence_matrix(rig)
    reader = rows.T @ (rows @ _fields(rig).T)  # (956, 52)
    parts = []
    for _, pixels in _blocks(landmarks, frames):
        points, pose = _head_points(pixels, neutral, rig)
        rotation = pose.rotation(camera, pixels[:, :MESH_POINTS, :2].mean(1))
        evidence = (points - neutral)[..., :2].reshape(len(points), -1) @ reader
        parts.append([rotation, pose.translation(camera), pose.error[:, None], evidence])
    measured = np.concatenate([np.concatenate(part, axis=1) for part in parts])
    # Angles without jumps of a whole turn, so that they can be interpolated.
    measured[:, :3] = np.unwrap(measured[:, :3], axis=0)
    return measured


def _fields(rig: Rig) -> np.ndarray:
    """The x and y of the displacement fields, float64 (52, 956)."""
    return np.asarray(rig.displacements[..., :2], np.float64).reshape(len(rig.names), -1)


def _solve_shapes(evidence: np.ndarray, rig: Rig, settings: SolveSettings) -> np.ndarray:
    """Coefficients float32 (T, 52) for what `_measure` found, (T, 52)."""
    seen = np.flatnonzero(rig.observable)
    weighted = evidence_matrix(rig) @ _fields(rig)[seen].T
    solved = solve_box(
        weighted.T @ weighted,
        evidence[:, seen],
        penalty=settings.shares(rig.names)[seen],
        smoothness=settings.smoothness,
    )
    coefficients = np.zeros((len(evidence), len(rig.names)), np.float32)
    coefficients[:, seen] = solved
    return coefficients


def _fill(values: np.ndarray, frames: np.ndarray, length: int) -> np.ndarray:
    """Values (n, k) known at ``frames``, interpolated to every frame and held at the ends."""
    every = np.arange(length)
    return np.stack([np.interp(every, frames, column) for column in values.T], axis=1)
