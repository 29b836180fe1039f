"""Faces that nobody recorded, for teaching: real ones mixed, warped, moved by the rig, and turned.

A few hours of recorded faces are few people. New people come from mixing the shapes of several and
warping them smoothly, new expressions from laying one person's motion over another's face and from
the rig's fields, new views from turning the head in front of a camera. Whether such a face exists
does not matter: the teacher says what it sees in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from react24.rig.model import Rig
from react24.rig.pose import euler_to_matrix, fit_pose, to_head_frame


@dataclass(frozen=True)
class People:
    """Faces of several people in the head frame.

    Attributes:
        faces: float32 (N, 478, 3), frames of all people.
        person: int (N,), whose face it is.
        rest: float32 (P, 478, 3), the quiet face of each person.
    """

    faces: np.ndarray
    person: np.ndarray
    rest: np.ndarray


def draw_faces(
    people: People, rig: Rig, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """New faces as a camera sees them, brought back to the head frame.

    Args:
        people: Whose faces are mixed.
        rig: Its fields move some of the faces.
        count: How many.
        rng: Random numbers.

    Returns:
        float32 (count, 478, 3) in the head frame, and int (count, 3): the people that went into
        each, -1 where fewer did.
    """
    frame = rng.integers(len(people.faces), size=count)
    whose = people.person[frame]
    own, rest = people.faces[frame], people.rest[whose]
    share = np.where(rng.random(count) < 0.4, 1.0, rng.uniform(0.0, 1.0, count))
    points = rest + share[:, None, None] * (own - rest)

    other = rng.integers(len(people.faces), size=count)
    lent = np.where(rng.random(count) < 0.5, rng.uniform(0.2, 1.1, count), 0.0)
    lender = people.person[other]
    points = points + lent[:, None, None] * (people.faces[other] - people.rest[lender])

    third = rng.integers(len(people.rest), size=count)
    blend = np.where(rng.random(count) < 0.5, rng.uniform(0.2, 1.0, count), 0.0)
    points = points + blend[:, None, None] * (people.rest[third] - rest)

    points = points + rig.deform(_few_shapes(count, len(rig.names), rng)) - rig.neutral
    points = _warp(points, rig, rng)
    flip = rng.random(count) < 0.5
    points[flip] = points[flip][:, rig.mirror] * (-1.0, 1.0, 1.0)
    used = np.stack([whose, np.where(lent > 0, lender, -1), np.where(blend > 0, third, -1)], 1)
    return _look_at(points, rig, rng), used


def _few_shapes(count: int, shapes: int, rng: np.random.Generator) -> np.ndarray:
    """Coefficients (count, shapes): none for half of the faces, a few for the others."""
    some = rng.random((count, shapes)) < rng.uniform(0.0, 0.15, (count, 1))
    some &= rng.random((count, 1)) < 0.5
    return np.where(some, rng.uniform(0.0, 1.0, (count, shapes)), 0.0)


def _warp(points: np.ndarray, rig: Rig, rng: np.random.Generator) -> np.ndarray:
    """Other identities: stretched along the axes and bent by a few smooth bumps."""
    count = len(points)
    points = points * rng.normal(1.0, (0.05, 0.05, 0.1), (count, 1, 3))
    centres = rng.choice(rig.neutral, size=(count, 6))
    away = ((rig.neutral[None, None] - centres[:, :, None]) ** 2).sum(-1)  # (count, 6, 478)
    bumps = np.exp(-away / (2 * rng.uniform(0.15, 0.5, (count, 6, 1)) ** 2))
    push = rng.normal(0.0, 0.025, (count, 6, 3))
    field = bumps.swapaxes(1, 2) @ push
    # Faces are nearly symmetric: most of a bump is repeated on the other side.
    mirrored = field[:, rig.mirror] * (-1.0, 1.0, 1.0)
    alike = rng.uniform(0.5, 1.0, (count, 1, 1))
    return points + field * (1.0 - alike / 2) + mirrored * (alike / 2)


def _look_at(points: np.ndarray, rig: Rig, rng: np.random.Generator) -> np.ndarray:
    """Turn the heads before a camera, and read them back as landmarks are read.

    Perspective, a depth that the network gets wrong by a tenth, and noise of the points stay in.
    """
    count = len(points)
    turn = rng.normal(0.0, np.radians((10.0, 16.0, 8.0)), (count, 3))
    seen = points @ euler_to_matrix(turn).swapaxes(1, 2)
    distance = rng.uniform(3.0, 12.0, (count, 1))
    near = distance / (distance + seen[..., 2])
    seen[..., :2] *= near[..., None]
    seen[..., 2] *= rng.normal(1.0, 0.1, (count, 1))
    seen += rng.normal(0.0, 1.0, seen.shape) * rng.uniform(0.0, 0.008, (count, 1, 1))
    pose = fit_pose(seen[:, rig.rigid], rig.neutral[rig.rigid])
    return to_head_frame(seen, pose).astype(np.float32)
