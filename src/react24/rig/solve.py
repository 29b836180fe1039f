"""From landmarks to head pose and shape coefficients.

For one person in one session: let a judge say what every frame shows (`judge`), make the person's
neutral face of the frames it finds at rest (`neutral`), find the pose of every frame from the
points that follow the skull, and explain what is left of the landmarks, in the head frame, by the
52 displacement fields B of the rig:

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
from react24.rig.judge import Judge
from react24.rig.landmarks import MESH_POINTS
from react24.rig.lids import BLINKS, blinks, lid_opening
from react24.rig.model import Rig, load_rig
from react24.rig.neutral import Neutral, choose_rest, make_neutral, stem
from react24.rig.pose import Camera, Pose, fit_pose, to_head_frame
from react24.rig.quadratic import solve_box
from react24.rig.student import load_student

logger = logging.getLogger(__name__)

CHUNK = 512
"""Frames whose landmarks are worked on at a time."""


@dataclass(frozen=True)
class SolveSettings:
    """Weights of the solve.

    Attributes:
        penalty: Λ as a share of D, for every shape that is not listed in ``penalties``.
        penalties: Shape stem (name without Left/Right) -> its own share. Shapes that can imitate a
            common one, or answer to errors of the pose, cost more.
        smoothness: μ as a share of D.
    """

    penalty: float = 0.1
    penalties: dict[str, float] = field(
        default_factory=lambda: {
            # The commonest motions of the mouth:
            **dict.fromkeys(("mouthSmile", "mouthPucker"), 0.05),
            # What rounding lips and a dropping jaw look like in single points:
            **dict.fromkeys(("mouthFrown", "mouthRollUpper"), 3.0),
            **dict.fromkeys(("mouthClose", "mouthPress"), 1.0),
            # What small errors of the pose look like:
            **dict.fromkeys(("noseSneer", "cheekSquint"), 1.0),
            "eyeWide": 0.5,
            **dict.fromkeys(("mouthLowerDown", "mouthRollLower", "mouthFunnel"), 0.3),
            **dict.fromkeys(("mouthShrugUpper", "mouthShrugLower"), 0.3),
            **dict.fromkeys(("mouthDimple", "mouthStretch", "eyeSquint"), 0.3),
            **dict.fromkeys(("mouthUpperUp", "eyeLookDown", "jawLeft", "jawRight"), 0.2),
        }
    )
    smoothness: float = 0.05

    def shares(self, names: tuple[str, ...]) -> np.ndarray:
        """Λ / D for every shape, (52,)."""
        return np.array([self.penalties.get(stem(name), self.penalty) for name in names])


@dataclass(frozen=True)
class Solution:
    """What a face did.

    Attributes:
        coefficients: float32 (T, 52) in [0, 1]; unobservable shapes are exactly 0.
        rotation: float32 (T, 3), angles about x, y, z in radians (`pose.euler_to_matrix`).
        translation: float32 (T, 3) in rig units: the middle between the outer corners of the eyes,
            seen from the camera.
        valid: bool (T,); False where the values are held.
        scores: float32 (T, 52), what the judge says, the person's rest not taken off.
        person: The person's neutral face, and how it was found.
        pose_error: float32 (T,), root mean square of the rigid points' distances in pixels.
        judge: Name of the judge.
    """

    coefficients: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    valid: np.ndarray
    scores: np.ndarray
    person: Neutral
    pose_error: np.ndarray
    judge: str

    @property
    def neutral(self) -> np.ndarray:
        """float32 (478, 3), the person's neutral face in the head frame."""
        return self.person.face


def solve_track(
    landmarks: np.ndarray,
    valid: np.ndarray,
    width: int,
    height: int,
    *,
    focal: float | None = None,
    settings: SolveSettings | None = None,
    judge: Judge | None = None,
    neutral: Neutral | None = None,
    at_rest: np.ndarray | None = None,
) -> Solution:
    """Pose and shape coefficients of one person's track.

    The landmarks are read in chunks of ``CHUNK`` frames (a memory map or an HDF5 dataset will do);
    what is kept for the whole session are arrays of about 110 numbers a frame.

    Args:
        landmarks: (T, 478, 3) pixels, x right, y down, z in the same scale.
        valid: bool (T,), False where the track has no face of its own.
        width: Picture width in pixels.
        height: Picture height in pixels.
        focal: Focal length in pixels; the picture's longer side by default.
        settings: Weights.
        judge: Who says what a frame shows; the shipped student by default.
        neutral: The person's neutral face, where it is known; found in the track by default.
        at_rest: bool (T,), frames said to be at rest; the neutral face is made of these.

    Returns:
        The solution. Frames that are not valid, or whose landmarks are not finite, hold the values
        of the last one before (at the start: of the first one after).

    Raises:
        InputError: Wrong shapes, no valid frame, or none where the face is said to be at rest.
    """
    rig = load_rig()
    settings = settings or SolveSettings()
    judge = judge or load_student()
    usable = _check(landmarks, valid, width, height)
    scores = _judge(landmarks, usable, judge, width, height)
    frames = np.flatnonzero(usable)
    if neutral is None:
        neutral = find_neutral(landmarks, frames, scores, rig, at_rest)
    camera = Camera.of_picture(width, height, focal)
    face = np.asarray(neutral.face, np.float64)
    # For every frame the position, among the usable ones, of the last one so far.
    held = np.maximum(np.cumsum(usable) - 1, 0)
    everything = _measure(landmarks, frames, rig, face, camera)[held]
    rotation, translation, error, lids, evidence = np.split(everything, (3, 6, 7, 9), axis=1)
    coefficients = _solve_shapes(evidence, rig, settings)
    coefficients[:, BLINKS] = blinks(lids, face, rig)
    return Solution(
        coefficients=coefficients[frames][held],
        rotation=rotation.astype(np.float32),
        translation=translation.astype(np.float32),
        valid=usable,
        scores=scores[held],
        person=neutral,
        pose_error=error[:, 0].astype(np.float32),
        judge=judge.name,
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


def _judge(landmarks, usable: np.ndarray, judge: Judge, width: int, height: int) -> np.ndarray:
    """The judge's scores of the usable frames, float32 (n, 52).

    Faces that it cannot judge (all points in one place) are struck off ``usable``.

    Raises:
        InputError: It can judge none.
    """
    frames = np.flatnonzero(usable)
    parts = [judge.scores(pixels, width, height) for _, pixels in _blocks(landmarks, frames)]
    scores = np.concatenate(parts)
    judged = np.isfinite(scores).all(1)
    if not judged.any():
        raise InputError(
            f"in all of {len(frames)} frames with a face its landmarks lie in one place; track the "
            "faces of this video again, or leave the session out"
        )
    usable[frames[~judged]] = False
    return scores[judged]


def neutral_of_track(
    landmarks: np.ndarray,
    valid: np.ndarray,
    width: int,
    height: int,
    judge: Judge,
    *,
    at_rest: np.ndarray | None = None,
) -> Neutral:
    """The person's neutral face from one track, as `solve_track` finds it; arguments as there."""
    usable = _check(landmarks, valid, width, height)
    scores = _judge(landmarks, usable, judge, width, height)
    return find_neutral(landmarks, np.flatnonzero(usable), scores, load_rig(), at_rest)


def find_neutral(
    landmarks, frames: np.ndarray, scores: np.ndarray, rig: Rig, at_rest: np.ndarray | None = None
) -> Neutral:
    """The person's neutral face from the frames at rest.

    Args:
        landmarks: (T, 478, 3) pixels.
        frames: Positions of the usable frames, (n,).
        scores: The judge's scores of these, (n, 52).
        rig: For the pose and the fields.
        at_rest: bool (T,), frames said to be at rest; looked for by default.

    Raises:
        InputError: None of the frames said to be at rest is usable.
    """
    if at_rest is None:
        chosen, quiet = choose_rest(scores)
    else:
        chosen, quiet = np.flatnonzero(np.asarray(at_rest, bool)[frames]), True
        if not len(chosen):
            raise InputError(
                "none of the frames at which the face is said to be at rest has a face; correct "
                "neutral_a or neutral_b in the sample sheet, or leave it empty"
            )
    face = np.asarray(rig.neutral, np.float64)
    # The first look uses the canonical skull for the pose, the second the person's own.
    for _ in range(2):
        seen = [
            head_points(pixels, face, rig)[0] for _, pixels in _blocks(landmarks, frames[chosen])
        ]
        neutral = make_neutral(
            np.concatenate(seen), scores[chosen], rig, at_rest=quiet, stated=at_rest is not None
        )
        face = np.asarray(neutral.face, np.float64)
    logger.info("neutral face from %d of %d frames (%s)", len(chosen), len(frames), neutral.how)
    return neutral


def head_points(pixels: np.ndarray, neutral: np.ndarray, rig: Rig) -> tuple[np.ndarray, Pose]:
    """Landmarks (T, 478, 3) in the head frame of a person, and the pose that brought them there."""
    pose = fit_pose(pixels[:, rig.rigid], neutral[rig.rigid])
    return to_head_frame(pixels, pose), pose


def _measure(landmarks, frames, rig: Rig, neutral, camera: Camera) -> np.ndarray:
    """What is read off each frame, (n, 61).

    Rotation, translation, pose error, opening of the lids, (MB)ᵀM (points - neutral).
    """
    rows = evidence_matrix(rig)
    reader = rows.T @ (rows @ _fields(rig).T)  # (956, 52)
    parts = []
    for _, pixels in _blocks(landmarks, frames):
        points, pose = head_points(pixels, neutral, rig)
        rotation = pose.rotation(camera, pixels[:, :MESH_POINTS, :2].mean(1))
        evidence = (points - neutral)[..., :2].reshape(len(points), -1) @ reader
        lids = lid_opening(points, rig)
        parts.append([rotation, pose.translation(camera), pose.error[:, None], lids, evidence])
    measured = np.concatenate([np.concatenate(part, axis=1) for part in parts])
    # Angles without jumps of a whole turn.
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
