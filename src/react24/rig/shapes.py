"""The 52 displacement fields of the rig, each from a few driven landmarks and a smooth falloff.

Distances are in rig units: the outer corners of the eyes are 1 apart (about 9 cm in an adult), so
0.1 is about 9 mm. A field says where the points go when its coefficient is 1. The amounts follow
the range of motion of an adult face; the directions are those of ARKit's blend shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from react24.rig import landmarks as lm

NAMES: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight",
    "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft",
    "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""ARKit's names in alphabetical order: the order of every 52-vector in this project."""

UNOBSERVABLE = ("cheekPuff", "jawForward", "tongueOut")
"""Shapes that landmarks of one camera do not show: motion along the optical axis, or inside the
mouth. Their fields are zero and their coefficients are always 0."""

JAW_DROP = 0.32
"""How far ``jawOpen`` lowers the middle of the lower lip; at most a third of a rig unit."""

Move = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Surface:
    """What the fields are drawn on.

    Attributes:
        points: float64 (478, 3), the neutral face in rig units.
        mirror: int (478,), the point on the other side of the face.
        distance: float64 (468, 468), length of the shortest way along the mesh.
    """

    points: np.ndarray
    mirror: np.ndarray
    distance: np.ndarray

    def spread(self, moves: Move, radius: float, fixed: Iterable[int] = ()) -> np.ndarray:
        """Extend the motion of a few points over the mesh.

        A point takes the mean of the driven motions, weighted with the inverse cube of the way to
        each, times a raised cosine that falls from 1 at the driven points to 0 at ``radius``, times
        a smooth step that is 0 at the fixed points and 1 at the driven ones. Ways run along the
        mesh, so the lower lip does not pull at the upper one that it touches.

        Args:
            moves: Point -> displacement (3,).
            radius: Reach in rig units.
            fixed: Points that stay; a point that is driven is never fixed.

        Returns:
            float64 (478, 3); the driven points move exactly as told, the iris points stay.
        """
        driven = np.array(sorted(moves))
        targets = np.stack([moves[i] for i in driven])
        ways = self.distance[:, driven]  # (468, n)
        weights = 1.0 / (ways + 1e-6) ** 3
        blend = weights @ targets / weights.sum(1, keepdims=True)
        nearest = ways.min(1)
        fall = 0.5 * (1.0 + np.cos(np.pi * np.clip(nearest / radius, 0.0, 1.0)))
        held = np.array(sorted(set(fixed) - set(moves)), dtype=int)
        if len(held):
            away = self.distance[:, held].min(1)
            share = away / (away + nearest + 1e-9)
            fall = fall * share**2 * (3.0 - 2.0 * share)
        field = np.zeros_like(self.points)
        field[: lm.MESH_POINTS] = blend * fall[:, None]
        return field

    def reflect(self, field: np.ndarray) -> np.ndarray:
        """The same field on the other side of the face."""
        return field[self.mirror] * np.array([-1.0, 1.0, 1.0])

    def both(self, moves: Move) -> dict[int, np.ndarray]:
        """Moves of the right half, repeated on the left; midline points move straight."""
        result = {}
        for point, vector in moves.items():
            other = int(self.mirror[point])
            result[point] = vector * (0.0, 1.0, 1.0) if other == point else vector
            if other != point:
                result[other] = vector * (-1.0, 1.0, 1.0)
        return result

    def sides(self, points: Iterable[int]) -> list[int]:
        """The points and their mirror images."""
        return sorted({int(p) for q in points for p in (q, self.mirror[q])})


def toward(out: float = 0.0, up: float = 0.0, front: float = 0.0) -> np.ndarray:
    """A vector for the subject's right side: away from the midline, up, towards the camera."""
    return np.array([-out, -up, -front])


def rows(groups: Iterable[tuple[int, ...]], profile, vector: np.ndarray) -> dict[int, np.ndarray]:
    """The same motion for several rows, scaled along the row by ``profile``."""
    return {p: scale * vector for row in groups for p, scale in zip(row, profile, strict=True)}


def build_fields(surface: Surface) -> np.ndarray:
    """All displacement fields, in the order of ``NAMES``.

    Shapes with a left and a right are made for the right and reflected; shapes of the whole face
    are made symmetric.

    Returns:
        float64 (52, 478, 3).
    """
    fields = np.zeros((len(NAMES), lm.POINTS, 3))
    sided = {**_eyes_and_brows(), **_mouth_sides(), "jaw": _jaw_right, "mouth": _mouth_right}
    for stem, make in sided.items():
        right = make(surface)
        fields[NAMES.index(f"{stem}Right")] = right
        fields[NAMES.index(f"{stem}Left")] = surface.reflect(right)
    for name, make in _whole().items():
        field = make(surface)
        fields[NAMES.index(name)] = 0.5 * (field + surface.reflect(field))
    return fields


def _eyes_and_brows() -> dict[str, Callable[[Surface], np.ndarray]]:
    return {
        "browDown": lambda s: _brow(s, (0.3, 0.6, 0.85, 1.0, 1.0), toward(-0.02, -0.07)),
        "browOuterUp": lambda s: _brow(s, (1.0, 1.0, 0.8, 0.35, 0.1), toward(0.0, 0.09)),
        "cheekSquint": _cheek_squint,
        "eyeBlink": _blink,
        "eyeLookDown": lambda s: _look(s, toward(0.0, -0.05)) + 0.35 * _blink(s),
        "eyeLookIn": lambda s: _look(s, toward(-0.07, 0.0)),
        "eyeLookOut": lambda s: _look(s, toward(0.07, 0.0)),
        "eyeLookUp": lambda s: _look(s, toward(0.0, 0.05)) - 0.15 * _blink(s),
        "eyeSquint": _squint,
        "eyeWide": _wide,
    }


def _mouth_sides() -> dict[str, Callable[[Surface], np.ndarray]]:
    return {
        "mouthDimple": lambda s: _corner(s, toward(0.05, 0.0, -0.05), 0.25),
        "mouthFrown": lambda s: _corner(s, toward(0.0, -0.09), 0.3),
        "mouthSmile": _smile,
        "mouthStretch": lambda s: _corner(s, toward(0.09, -0.045, -0.02), 0.35),
        "mouthLowerDown": _lower_down,
        "mouthUpperUp": _upper_up,
        "mouthPress": _press,
        "noseSneer": _sneer,
    }


def _whole() -> dict[str, Callable[[Surface], np.ndarray]]:
    return {
        "browInnerUp": _brow_inner_up,
        "jawOpen": _jaw_open,
        "mouthClose": _mouth_close,
        "mouthFunnel": _funnel,
        "mouthPucker": _pucker,
        "mouthRollLower": _roll_lower,
        "mouthRollUpper": _roll_upper,
        "mouthShrugLower": _shrug_lower,
        "mouthShrugUpper": _shrug_upper,
    }


def _lids(s: Surface) -> list[int]:
    return s.sides(lm.UPPER_LID + lm.LOWER_LID + lm.EYE_CORNERS)


def _brow(s: Surface, profile, vector: np.ndarray) -> np.ndarray:
    moves = rows((lm.BROW_UPPER, lm.BROW_LOWER), profile, vector)
    return s.spread(moves, 0.28, fixed=[*_lids(s), 168, 6])


def _brow_inner_up(s: Surface) -> np.ndarray:
    moves = rows((lm.BROW_UPPER, lm.BROW_LOWER), (0.0, 0.15, 0.45, 0.85, 1.0), toward(0.0, 0.09))
    moves[9] = toward(0.0, 0.05)
    return s.spread(s.both(moves), 0.28, fixed=[*_lids(s), 6])


def _blink(s: Surface) -> np.ndarray:
    """The upper lid comes down onto the lower one, which rises by a tenth of the opening."""
    gap = s.points[list(lm.LOWER_LID)] - s.points[list(lm.UPPER_LID)]
    moves = {p: 0.9 * g for p, g in zip(lm.UPPER_LID, gap, strict=True)}
    moves |= {p: -0.1 * g for p, g in zip(lm.LOWER_LID, gap, strict=True)}
    moves |= {p: 0.35 * g for p, g in zip(lm.LID_FOLD, gap, strict=True)}
    fixed = s.sides(lm.BROW_LOWER + lm.EYE_CORNERS + lm.EYE_BAG)
    return s.spread(moves, 0.12, fixed=fixed)


def _squint(s: Surface) -> np.ndarray:
    """The lower lid rises by 45 % of the opening, the upper one comes down by 15 %."""
    gap = s.points[list(lm.LOWER_LID)] - s.points[list(lm.UPPER_LID)]
    moves = {p: -0.45 * g for p, g in zip(lm.LOWER_LID, gap, strict=True)}
    moves |= {p: 0.15 * g for p, g in zip(lm.UPPER_LID, gap, strict=True)}
    moves |= {p: -0.3 * g for p, g in zip(lm.LOWER_LID_FOLD, gap, strict=True)}
    return s.spread(moves, 0.15, fixed=s.sides(lm.EYE_CORNERS + lm.BROW_LOWER))


def _wide(s: Surface) -> np.ndarray:
    moves = rows((lm.UPPER_LID,), (0.3, 0.7, 0.95, 1.0, 0.95, 0.7, 0.3), toward(0.0, 0.035))
    moves |= rows((lm.LID_FOLD,), (0.2, 0.5, 0.65, 0.7, 0.65, 0.5, 0.2), toward(0.0, 0.035))
    return s.spread(moves, 0.12, fixed=s.sides(lm.EYE_CORNERS + lm.LOWER_LID + lm.BROW_LOWER))


def _look(s: Surface, vector: np.ndarray) -> np.ndarray:
    field = np.zeros_like(s.points)
    field[list(lm.IRIS)] = vector
    return field


def _cheek_squint(s: Surface) -> np.ndarray:
    """The cheek rises towards the eye; the skin under the lower lid is pushed along."""
    moves = {p: toward(0.01, 0.06, 0.02) for p in lm.CHEEK}
    moves |= rows((lm.EYE_BAG,), (0.8,) * 7, toward(0.0, 0.04))
    return s.spread(moves, 0.3, fixed=_lids(s) + list(lm.MOUTH_CORNER) + list(lm.NOSE_MIDLINE))


def _sneer(s: Surface) -> np.ndarray:
    moves = {p: toward(0.015, 0.06) for p in lm.NOSTRIL}
    moves |= {p: toward(0.0, 0.03) for p in (142, 126, 203, 165)}
    return s.spread(moves, 0.28, fixed=[*_lids(s), *lm.NOSE_MIDLINE, *lm.MOUTH_CORNER])


_FROM_CORNER = (1.0, 0.75, 0.5, 0.28, 0.12, 0.04)
_FROM_MIDDLE = (0.0, 0.45, 0.85, 1.0, 0.75, 0.5)


def _corner(s: Surface, vector: np.ndarray, radius: float) -> np.ndarray:
    moves = rows(lm.UPPER_LIP + lm.LOWER_LIP, _FROM_CORNER, vector)
    return s.spread(moves, radius, fixed=[2, 94, 164, 1])


def _smile(s: Surface) -> np.ndarray:
    """The corner goes out and up, the cheek above it rises."""
    moves = rows(lm.UPPER_LIP + lm.LOWER_LIP, _FROM_CORNER, toward(0.09, 0.10, -0.04))
    moves |= {p: toward(0.04, 0.06, 0.01) for p in (206, 216, 207)}
    moves |= {p: toward(0.01, 0.035, 0.02) for p in (205, 50, 36)}
    moves[212] = toward(0.06, 0.06)
    return s.spread(moves, 0.32, fixed=[*_lids(s), 2, 94, 164, 1, 4, 5])


def _lower_down(s: Surface) -> np.ndarray:
    moves = rows(lm.LOWER_LIP, _FROM_MIDDLE, toward(0.015, -0.09))
    return s.spread(moves, 0.2, fixed=[*s.sides(lm.MOUTH_CORNER), 152, 175])


def _upper_up(s: Surface) -> np.ndarray:
    moves = rows(lm.UPPER_LIP, _FROM_MIDDLE, toward(0.0, 0.08))
    moves |= {p: toward(0.01, 0.04) for p in (203, 206, 165, 92)}
    return s.spread(moves, 0.2, fixed=[*s.sides(lm.MOUTH_CORNER), 1, 4, 2])


def _press(s: Surface) -> np.ndarray:
    """Both lips are pressed flat on one side: their outer edges come together."""
    upper = _thinner(s, lm.UPPER_LIP, 0.45)
    lower = _thinner(s, lm.LOWER_LIP, 0.45)
    profile = (0.0, 0.8, 1.0, 1.0, 0.7, 0.45)
    moves = {
        p: scale * (upper | lower)[p]
        for row in lm.UPPER_LIP + lm.LOWER_LIP
        for p, scale in zip(row, profile, strict=True)
    }
    return s.spread(moves, 0.15, fixed=s.sides(lm.MOUTH_CORNER))


def _thinner(s: Surface, lip, share: float) -> dict[int, np.ndarray]:
    """Every row of a lip comes nearer to its inner edge by ``share`` of the way."""
    inner = s.points[list(lip[-1])]
    moves = {}
    for row in lip:
        for p, target in zip(row, inner, strict=True):
            moves[p] = share * (target - s.points[p]) * (0.0, 1.0, 1.0)
    return moves


def _roll_lower(s: Surface) -> np.ndarray:
    return s.spread(s.both(_thinner(s, lm.LOWER_LIP, 0.75)), 0.15)


def _roll_upper(s: Surface) -> np.ndarray:
    return s.spread(s.both(_thinner(s, lm.UPPER_LIP, 0.75)), 0.15)


def _jaw_weights() -> dict[int, float]:
    """How much each point of the lower face follows the jaw bone."""
    weights = dict.fromkeys(lm.CHIN, 1.0)
    weights |= dict(zip(lm.JAW_LINE, (0.95, 0.85, 0.65, 0.4, 0.18, 0.05, 0.0, 0.0), strict=True))
    for row in lm.LOWER_LIP:
        weights |= dict(zip(row, (0.4, 0.72, 0.92, 1.0, 1.0, 1.0), strict=True))
    return weights


def _jaw_open(s: Surface) -> np.ndarray:
    """The jaw turns about the axis through its joints, in front of the ears."""
    joint = s.points[234] * (0.0, 1.0, 1.0)
    arm = s.points[14] - joint
    angle = JAW_DROP / np.hypot(arm[1], arm[2])
    for _ in range(20):  # the arc's vertical part must be JAW_DROP
        angle *= JAW_DROP / (_turn_down(arm, angle)[1] - arm[1])
    moves = {}
    for point, weight in _jaw_weights().items():
        lever = s.points[point] - joint
        moves[point] = weight * (_turn_down(lever, angle) - lever)
    for p in lm.MOUTH_CORNER:
        moves[p] = moves[p] + toward(-0.03, 0.0)
    fixed = [p for row in lm.UPPER_LIP for p in row[1:]] + list(lm.NOSE_MIDLINE)
    return s.spread(s.both(moves), 0.4, fixed=s.sides(fixed) + _lids(s))


def _turn_down(vector: np.ndarray, angle: float) -> np.ndarray:
    """Turn about the x axis so that what lies in front (negative z) goes down (positive y)."""
    c, n = np.cos(angle), np.sin(angle)
    x, y, z = vector
    return np.array([x, c * y - n * z, n * y + c * z])


def _mouth_close(s: Surface) -> np.ndarray:
    """The lips meet although the jaw is open: takes back what ``jawOpen`` does to the lips."""
    opened = _jaw_open(s)
    moves = {p: -0.65 * opened[p] for row in lm.LOWER_LIP for p in row[1:]}
    for upper, lower in zip(lm.UPPER_LIP, lm.LOWER_LIP, strict=True):
        moves |= {u: 0.35 * opened[q] for u, q in zip(upper[1:], lower[1:], strict=True)}
    return s.spread(s.both(moves), 0.15, fixed=[*s.sides(lm.MOUTH_CORNER), 152, 175, 2])


def _funnel(s: Surface) -> np.ndarray:
    """Lips forward and apart, like saying "oh"."""
    moves = rows(lm.UPPER_LIP, (0.2, 0.6, 0.9, 1.0, 1.0, 1.0), toward(0.0, 0.045, 0.05))
    moves |= rows(lm.LOWER_LIP, (0.2, 0.6, 0.9, 1.0, 1.0, 1.0), toward(0.0, -0.065, 0.05))
    return s.spread(_narrow(s, moves, 0.25), 0.25, fixed=[1, 4, 152])


def _pucker(s: Surface) -> np.ndarray:
    """Lips forward and together, as for a kiss."""
    moves = rows(lm.UPPER_LIP[:1], (0.0, 0.6, 1.0, 1.0, 0.9, 0.8), toward(0.0, 0.03))
    moves |= rows(lm.LOWER_LIP[:1], (0.0, 0.6, 1.0, 1.0, 0.9, 0.8), toward(0.0, -0.03))
    return s.spread(_narrow(s, moves, 0.4, front=0.08), 0.3, fixed=[1, 4, 152, 2])


def _narrow(s: Surface, moves: Move, share: float, front: float = 0.0) -> dict[int, np.ndarray]:
    """Add to the moves of the lips what pulls them towards the midline; both sides."""
    result = {}
    for row in lm.UPPER_LIP + lm.LOWER_LIP:
        for p in row:
            inward = np.array([-share * s.points[p, 0], 0.0, -front])
            result[p] = moves.get(p, np.zeros(3)) + inward
    return s.both(result)


def _shrug_lower(s: Surface) -> np.ndarray:
    """The boss of the chin rises and pushes the lower lip up; the upper lip gives way a little."""
    moves = {p: toward(0.0, 0.06) for p in (18, 83, 200, 201, 199, 208, 182, 194, 106)}
    moves |= rows(lm.LOWER_LIP, (0.0, 0.4, 0.7, 1.0, 1.0, 1.0), toward(0.0, 0.05, 0.02))
    moves |= rows(lm.UPPER_LIP, (0.0, 0.2, 0.35, 0.5, 0.5, 0.5), toward(0.0, 0.05, 0.02))
    return s.spread(s.both(moves), 0.25, fixed=[*s.sides(lm.MOUTH_CORNER), 2, 1])


def _shrug_upper(s: Surface) -> np.ndarray:
    moves = rows(lm.UPPER_LIP, (0.0, 0.4, 0.7, 1.0, 1.0, 1.0), toward(0.0, 0.045, 0.02))
    moves |= {p: toward(0.0, 0.03) for p in (164, 167, 165)}
    return s.spread(s.both(moves), 0.2, fixed=[*s.sides(lm.MOUTH_CORNER), 1, 4])


def _jaw_right(s: Surface) -> np.ndarray:
    """The chin goes to the subject's right; the lower lip follows by 60 %."""
    lips = {p for row in lm.LOWER_LIP for p in row}
    moves = {}
    for p, weight in _jaw_weights().items():
        vector = weight * (0.6 if p in lips else 1.0) * toward(0.1)
        moves[p] = moves[int(s.mirror[p])] = vector
    fixed = [p for row in lm.UPPER_LIP for p in row[1:]] + list(lm.NOSE_MIDLINE)
    return s.spread(moves, 0.4, fixed=s.sides(fixed))


def _mouth_right(s: Surface) -> np.ndarray:
    moves = {}
    for row in lm.UPPER_LIP + lm.LOWER_LIP:
        for p in row:
            moves[p] = moves[int(s.mirror[p])] = toward(0.1)
    return s.spread(moves, 0.3, fixed=[1, 4, 5, 2, 152, 175, 199])
