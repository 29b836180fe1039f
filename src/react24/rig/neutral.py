"""The face a person has at rest: found in one session, or put together from several.

Which frames are at rest is an absolute question: a grin that is held for a whole session is usual
there, and is no rest. The shapes of ``ABSOLUTE`` are seen alike in everybody; a face at rest shows
next to nothing of them. How high the brows sit, how open the eyes are and how full the lips differ
from person to person, so of those a judge's score at rest is the person's zero.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from react24.rig.model import Rig
from react24.rig.shapes import NAMES

logger = logging.getLogger(__name__)

ABSOLUTE = (
    "jawOpen", "mouthDimple", "mouthFrown", "mouthFunnel", "mouthLowerDown", "mouthShrugUpper",
    "mouthSmile", "mouthStretch", "mouthUpperUp",
)  # fmt: skip
"""Stems (names without Left/Right) of shapes that a resting mouth does not show, whoever it is."""

QUIET = 0.5
"""Most that the shapes of ``ABSOLUTE`` and mouthPucker (pairs averaged) may add up to in a frame at
rest. Full lips show 0.1 to 0.3 of mouthPucker; it counts because rounding them hides a smile."""

SHUT = 0.5
"""A frame with the eyes shut further than this is no rest."""

LEAST_QUIET = 0.02
"""Least share of frames at rest; fewer are moments at which a motion passes through something that
looks like rest, or slips of the judge."""

QUIET_SHARE = 0.1
"""Share of the session's frames that the neutral face is made of, if so many are quiet."""

QUIET_FRAMES = (25, 400)
"""Least and greatest number of frames that the neutral face is made of."""

TYPICAL_REST = {
    "browDown": 0.10, "browInnerUp": 0.10, "browOuterUp": 0.13, "eyeBlink": 0.20,
    "eyeLookDown": 0.28, "eyeSquint": 0.33, "mouthPress": 0.08, "mouthPucker": 0.10,
    "mouthRollLower": 0.08, "mouthShrugLower": 0.10,
}  # fmt: skip
"""What a judge sees on average in people at rest: taken where a person never is."""

STATED, QUIET_FOUND, NEVER_QUIET = "stated", "quiet frames", "no quiet frame"
"""How a neutral face was found, best first."""


_MOUTH = np.array([name.startswith(("mouth", "jaw")) for name in NAMES])


@dataclass(frozen=True)
class Neutral:
    """A person at rest.

    Attributes:
        face: float32 (478, 3), head frame, the outer corners of the eyes 1 apart.
        rest: float32 (52,), a judge's scores of that face: the person's zero. 0 for the shapes of
            ``ABSOLUTE``, unless the rest was stated.
        frames: How many frames it was made of.
        how: ``STATED``, ``QUIET_FOUND`` or ``NEVER_QUIET``.
    """

    face: np.ndarray
    rest: np.ndarray
    frames: int
    how: str


def quiet_frames(scores: np.ndarray) -> np.ndarray:
    """Frames that are at rest, bool (T,), from a judge's scores (T, 52)."""
    return (activity(scores) <= QUIET) & (_pair_means(scores, ("eyeBlink",))[:, 0] <= SHUT)


def activity(scores: np.ndarray) -> np.ndarray:
    """How much of ``ABSOLUTE`` and mouthPucker is shown, pairs averaged, summed: (T,)."""
    return _pair_means(scores, (*ABSOLUTE, "mouthPucker")).sum(1)


def choose_rest(scores: np.ndarray) -> tuple[np.ndarray, bool]:
    """The frames that the neutral face is made of.

    Of the quiet frames those with the least activity, the stillest mouth, and brows and eyes most
    as in the other quiet ones; where (next to) none is quiet, of all frames those with the least
    activity in which everything is most as it usually is.

    Args:
        scores: (T, 52), a judge's; T >= 1.

    Returns:
        Sorted positions, and whether they are quiet.
    """
    least, most = QUIET_FRAMES
    count = int(np.clip(QUIET_SHARE * len(scores), least, most))
    quiet = quiet_frames(scores)
    found = bool(quiet.mean() >= LEAST_QUIET)
    pool = np.flatnonzero(quiet) if found else np.arange(len(scores))
    away = np.abs(scores[pool] - np.median(scores[pool], axis=0))
    if found:
        # However full the lips: pursed or pressed less is nearer to rest. Brows and eyes move both
        # ways from rest, so that theirs is what is usual.
        away[:, _MOUTH] = scores[pool][:, _MOUTH]
    order = np.argsort(activity(scores[pool]) + away.sum(1), kind="stable")
    return np.sort(pool[order[:count]]), found


def make_neutral(
    points: np.ndarray, scores: np.ndarray, rig: Rig, *, at_rest: bool, stated: bool = False
) -> Neutral:
    """The neutral face from the frames chosen for it.

    Where none of them is at rest, what a judge sees of the shapes of ``ABSOLUTE`` is taken out of
    the face with the rig's fields, and the typical scores of people at rest stand for the person's.
    Where a person said that the face is at rest, he knows better than the judge: what it sees of
    smiles and the like is the person's zero, too (corners of the mouth that turn up by nature).

    Args:
        points: (n, 478, 3), head frame.
        scores: (n, 52), the judge's.
        rig: Its fields.
        at_rest: Whether the frames show the face at rest.
        stated: Whether a person said so.
    """
    face, seen = np.median(points, axis=0), np.median(scores, axis=0)
    absolute = shape_mask(ABSOLUTE)
    if at_rest:
        rest, how = (seen, STATED) if stated else (np.where(absolute, 0.0, seen), QUIET_FOUND)
    else:
        face = face - np.tensordot(np.where(absolute, seen, 0.0), rig.displacements, axes=1)
        typical = [TYPICAL_REST.get(stem(name), 0.0) for name in NAMES]
        rest, how = np.array(typical), NEVER_QUIET
    return Neutral(to_unit(face).astype(np.float32), rest.astype(np.float32), len(points), how)


def merge_neutrals(found: Sequence[Neutral]) -> Neutral:
    """One neutral face of a person from those of several sessions, at least one.

    Only the best kind counts (stated before found before guessed); within it sessions weigh as many
    frames as they had.
    """
    ranks = (STATED, QUIET_FOUND, NEVER_QUIET)
    best = min((neutral.how for neutral in found), key=ranks.index)
    chosen = [neutral for neutral in found if neutral.how == best]
    weights = np.array([neutral.frames for neutral in chosen], float)
    faces, rests = (
        np.average([getattr(neutral, part) for neutral in chosen], axis=0, weights=weights)
        for part in ("face", "rest")
    )
    return Neutral(
        to_unit(faces).astype(np.float32), rests.astype(np.float32), int(weights.sum()), best
    )


def above_rest(scores: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Scores (T, 52) counted from the person's zero: ``(score - rest) / (1 - rest)``, in [0, 1].

    0 at rest, 1 where the judge says 1; ``rest`` (52,) is what the person shows at rest.
    """
    room = np.maximum(1.0 - rest, 0.2)  # no more than five times the judge's own noise
    return np.clip((scores - rest) / room, 0.0, 1.0).astype(np.float32)


def shape_mask(stems: Sequence[str]) -> np.ndarray:
    """Which of the 52 shapes have one of the stems, bool (52,)."""
    return np.array([stem(name) in stems for name in NAMES])


def stem(name: str) -> str:
    """A shape's name without the side; ``jawLeft`` and ``mouthLeft`` are shapes of their own."""
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return name
    return name.removesuffix("Left").removesuffix("Right")


def _pair_means(scores: np.ndarray, stems: Sequence[str]) -> np.ndarray:
    """Scores with left and right averaged, (T, len(stems))."""
    return np.stack([scores[:, shape_mask((one,))].mean(1) for one in stems], axis=1)


def to_unit(points: np.ndarray) -> np.ndarray:
    """Origin between the outer corners of the eyes, their distance 1 (the pose stays)."""
    left, right = points[263], points[33]
    return (points - 0.5 * (left + right)) / np.linalg.norm(left - right)
