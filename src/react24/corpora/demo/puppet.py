"""A person of the demo corpus: the portrait on the rig, with a face shape and colours of its own.

The mesh of the rig ends at the hairline. Around it lie rings of further points, so that hair,
ears and neck go with the head while the border of the picture stays where it is. The inside of
the mouth is a dark patch of its own and the eyes keep still behind the lids, so that an open jaw
and a blink look like what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from react24.corpora.demo.portrait import Portrait, load_portrait, portrait_picture
from react24.rig.model import Rig
from react24.rig.pose import euler_to_matrix
from react24.rig.render import project, render

SIZE = 256
"""Width and height of the videos in pixels."""

# Landmark numbers of the face mesh (facts of its topology).
_UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
_LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
_MOUTH_CORNERS = (78, 308)
_LIPS_MIDDLE = (42, 41, 38, 12, 268, 271, 272, 96, 89, 179, 86, 15, 316, 403, 319, 325)
_OUTER_EYES = (33, 263)
_NOSE_TIP = 1
_UNDER_NOSE = 2
_CHIN = 152

_CENTRE = (225.0, 122.0)  # of the part of the portrait that is shown, its pixels
_CROP = 165.0  # side of that part
_REACH = 128.0  # the texture goes this far from the centre, its pixels
_DETAIL = 1.5  # texture pixels per portrait pixel
# Size against the face; share in its motion at the top of the head and at the neck.
_RINGS = ((1.4, 1.0, 0.7), (2.0, 0.9, 0.15))
_RING_DEPTH = 0.35  # how far each ring lies behind the one before, rig units
_SMILE_REACH = (0.5, 0.4)  # half axes around the mouth in which the portrait's smile shows
_FAR = 50.0  # depth of the border, behind everything, rig units
_MOUTH_PATCH = (64, 128)  # height and width in texture pixels


@dataclass(frozen=True)
class Look:
    """What makes a subject look different from the others.

    Attributes:
        width: Factor on the width of the face.
        jaw: Factor on the width of its lower part.
        length: Factor on the height of its lower part.
        nose: Factor on how far the nose stands out.
        brows: Height of the brows, rig units up.
        colour: (3,) gains of the red, green and blue of the picture.
        wall: (3,) RGB of the background, 0 to 255.
        distance: Factor on the distance from the camera.
    """

    width: float
    jaw: float
    length: float
    nose: float
    brows: float
    colour: tuple[float, float, float]
    wall: tuple[float, float, float]
    distance: float


def draw_look(rng: np.random.Generator) -> Look:
    """A random look; the ranges keep the face a plausible one."""
    light = rng.uniform(0.72, 1.05)
    return Look(
        width=rng.uniform(0.94, 1.08),
        jaw=rng.uniform(0.92, 1.1),
        length=rng.uniform(0.94, 1.1),
        nose=rng.uniform(0.85, 1.2),
        brows=rng.uniform(-0.015, 0.03),
        colour=tuple(float(v) for v in light * rng.uniform(0.92, 1.06, 3)),
        wall=tuple(float(v) for v in rng.uniform(90, 215, 3)),
        distance=rng.uniform(0.95, 1.1),
    )


class Puppet:
    """A face that can be posed and drawn.

    Attributes:
        rest: (3,) translation of the head at rest, rig units: with it and ``rest_rotation`` the
            head is where the portrait has it.
        rest_rotation: (3,) radians.
    """

    def __init__(self, rig: Rig, look: Look):
        """Prepare mesh and texture.

        Args:
            rig: The face rig.
            look: Who this is.
        """
        portrait = load_portrait()
        places = portrait.landmarks[:, :2].astype(float)
        self._fields = np.ascontiguousarray(rig.displacements.reshape(len(rig.names), -1), float)
        faces = np.concatenate([rig.triangles, rig.eye_triangles, rig.mouth_triangles])
        rings = _Rings.around(places, _outline(faces))
        self.rest_rotation = portrait.rotation.astype(float)
        head, rest = _lift_portrait(rig.neutral.astype(float), portrait, rings)
        self.rest = rest * look.distance
        shaped = _shape(head, look)
        self._neutral, self._ring_points = np.split(shaped, [len(places)])
        self._rings = rings
        self._still = project(self._ring_points, self.rest_rotation, self.rest, SIZE, SIZE)
        self._split_openings(rig)
        self._texture, self._uv = _paint(places, rings.places, self._lids, look)
        self._background = np.zeros((SIZE, SIZE, 3), np.uint8)

    def _split_openings(self, rig: Rig) -> None:
        """Give the triangles inside the lips and the lids corners of their own."""
        count = len(self._neutral) + len(self._rings.places)
        lips = np.array([*_MOUTH_CORNERS, *_UPPER_LIP, *_LOWER_LIP])
        self._lids = np.unique(rig.eye_triangles)
        self._copies = np.concatenate([lips, self._lids])
        parts = [rig.triangles, self._rings.triangles]
        for triangles, corners in ((rig.mouth_triangles, lips), (rig.eye_triangles, self._lids)):
            table = np.full(len(self._neutral), -1)
            table[corners] = count + np.arange(len(corners))
            parts.append(table[triangles])
            count += len(corners)
        self._triangles = np.concatenate(parts).astype(np.int32)

    def face(self, coefficients: np.ndarray) -> np.ndarray:
        """The face's points (478, 3) in the head frame for coefficients (52,)."""
        return self._neutral + (coefficients @ self._fields).reshape(-1, 3)

    def draw(
        self, coefficients: np.ndarray, rotation: np.ndarray, translation: np.ndarray
    ) -> np.ndarray:
        """One frame, uint8 (256, 256, 3), RGB.

        Args:
            coefficients: (52,) in [0, 1], in the order of the rig's names.
            rotation: (3,) radians.
            translation: (3,) rig units from the camera.
        """
        face = self.face(coefficients)
        change = face - self._neutral
        # Skin behind the jaw line gives way by half of what the line itself does.
        rings = self._ring_points.copy()
        rings[: len(self._rings.oval)] += 0.5 * change[self._rings.oval]
        moved = project(np.concatenate([face, rings]), rotation, translation, SIZE, SIZE)
        count = len(face)
        share = self._rings.share[:, None]
        ring = share * moved[count:] + (1 - share) * self._still
        points = np.concatenate([moved[:count], ring, self._rings.border, moved[self._copies]])
        return render(
            points.astype(np.float32),
            self._triangles,
            self._slide_eyes(change),
            self._texture,
            self._background,
        )

    def _slide_eyes(self, change: np.ndarray) -> np.ndarray:
        """Texture places in which the eyeball stays where it is while the lids move over it."""
        uv = self._uv.copy()
        scale = np.linalg.norm(self._uv[_OUTER_EYES[1]] - self._uv[_OUTER_EYES[0]])
        uv[-len(self._lids) :] += (change[self._lids, :2] * scale).astype(np.float32)
        return uv


@dataclass(frozen=True)
class _Rings:
    """Points around the face: hair and neck, which follow the head, and a still border.

    Attributes:
        behind: (R,) how far each point lies behind its neighbour on the face, rig units.
        places: (R + B, 2) places in the portrait, of the border too.
        share: (R,) how far each point follows the head.
        border: (B, 3) pixels and depth of the border.
        triangles: int (F, 3), numbered after the 478 points of the face.
        oval: int (n,), the outline of the face that the rings surround.
    """

    behind: np.ndarray
    places: np.ndarray
    share: np.ndarray
    border: np.ndarray
    triangles: np.ndarray
    oval: np.ndarray

    @classmethod
    def around(cls, places: np.ndarray, oval: np.ndarray) -> _Rings:
        """Lay rings around the face of the portrait, (478, 2)."""
        edge = places[oval]
        middle = edge.mean(axis=0)
        # 0 at the top of the head, 1 at the neck
        down = (edge[:, 1] - edge[:, 1].min()) / np.ptp(edge[:, 1])
        behind, rings, shares, strips = [], [], [], []
        inner, outer = oval, len(places) + np.arange(len(oval))
        for number, (size, top, neck) in enumerate(_RINGS, start=1):
            behind.append(np.full(len(oval), number * _RING_DEPTH))
            rings.append(middle + size * (edge - middle))
            shares.append(top + (neck - top) * down**2)
            strips.append(_strip(inner, outer))
            inner, outer = outer, outer + len(oval)
        away = edge - np.array(_CENTRE)
        away *= _REACH / np.abs(away).max(axis=1, keepdims=True)
        strips.append(_strip(inner, outer))
        border = np.full((len(oval), 3), _FAR)
        border[:, :2] = _to_pixels(away + np.array(_CENTRE)) - 0.5
        return cls(
            behind=np.concatenate(behind),
            places=np.concatenate([*rings, away + np.array(_CENTRE)]),
            share=np.concatenate(shares),
            border=border,
            triangles=np.concatenate(strips),
            oval=oval,
        )


def _to_pixels(places: np.ndarray) -> np.ndarray:
    """Places in the portrait -> pixels of the video at rest, both counted from the corner."""
    return ((places - np.array(_CENTRE)) / _CROP + 0.5) * SIZE


def _lift_portrait(
    neutral: np.ndarray, portrait: Portrait, rings: _Rings
) -> tuple[np.ndarray, np.ndarray]:
    """The portrait's head in the head frame of the rig, smile taken off.

    Every point lies on the ray of its pixel, at the depth that the landmarks give it, so a frame
    drawn in the pose of the portrait shows what the portrait shows. Around the mouth, where the
    portrait smiles, the rig's closed mouth is carried over smoothly.

    Returns:
        Face and rings (478 + R, 3), and the translation of the head at rest (3,).
    """
    from scipy.interpolate import RBFInterpolator

    marks = portrait.landmarks.astype(float)
    eyes = marks[list(_OUTER_EYES)]
    unit = np.linalg.norm(eyes[1] - eyes[0])  # portrait pixels per rig unit
    depth = SIZE / (unit * SIZE / _CROP)  # focal length over the unit's size in the video
    z = depth + (marks[:, 2] - eyes[:, 2].mean()) / unit
    z = np.concatenate([z, np.tile(z[rings.oval], len(_RINGS)) + rings.behind])
    places = np.concatenate([marks[:, :2], rings.places[: len(rings.behind)]])
    seen = np.concatenate([(_to_pixels(places) / SIZE - 0.5) * z[:, None], z[:, None]], axis=1)
    rest = seen[list(_OUTER_EYES)].mean(axis=0)
    lifted = (seen - rest) @ euler_to_matrix(portrait.rotation)
    mouth = neutral[[*_UPPER_LIP, *_LOWER_LIP], :2].mean(axis=0)
    away = np.linalg.norm((neutral[:, :2] - mouth) / _SMILE_REACH, axis=1)
    smiling = np.flatnonzero((away < 1.0) & (neutral[:, 1] > neutral[_UNDER_NOSE, 1]))
    calm = np.setdiff1d(np.arange(len(neutral)), smiling)
    carry = RBFInterpolator(
        neutral[calm, :2], (lifted[: len(neutral)] - neutral)[calm], smoothing=0.05, neighbors=80
    )
    lifted[smiling] = neutral[smiling] + carry(neutral[smiling, :2])
    return lifted, rest


def _shape(head: np.ndarray, look: Look) -> np.ndarray:
    """The subject's neutral head: lips closed, proportions varied, unit kept; shape as ``head``."""
    face = head.copy()
    upper, lower = list(_UPPER_LIP), list(_LOWER_LIP)
    line = 0.5 * (face[upper] + face[lower])
    face[upper], face[lower] = line, line
    face -= face[list(_OUTER_EYES)].mean(axis=0)
    tip = face[_NOSE_TIP].copy()
    near = np.exp(-np.sum((face[:, :2] - tip[:2]) ** 2, axis=1) / 0.15**2)
    face[:, 2] += (look.nose - 1.0) * near * 0.5 * tip[2]
    brow = np.exp(-(((face[:, 1] + 0.22) / 0.12) ** 2))
    below = np.clip(face[:, 1] / face[_CHIN, 1], 0.0, 1.0)
    face[:, 0] *= look.width * (1.0 + (look.jaw - 1.0) * below)
    face[:, 1] *= 1.0 + (look.length - 1.0) * below
    face[:, 1] -= look.brows * brow
    return face / np.linalg.norm(face[_OUTER_EYES[1]] - face[_OUTER_EYES[0]])


def _paint(
    places: np.ndarray, ring_places: np.ndarray, lids: np.ndarray, look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """The texture (uint8) and the place of every vertex in it (float32 (V, 2))."""
    import cv2

    side = round(2 * _REACH * _DETAIL)
    origin = np.array(_CENTRE) - _REACH
    place = np.array([[_DETAIL, 0, 0], [0, _DETAIL, 0]], np.float32)
    place[:, 2] = -origin * _DETAIL
    picture = cv2.warpAffine(
        portrait_picture(),
        place,
        (side, side),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    _hide_teeth(picture, (places - origin) * _DETAIL)
    picture = _colour(picture, look)
    patch = _mouth_patch()
    bottom = np.zeros((patch.shape[0], side, 3), np.float32)
    bottom[:, : patch.shape[1]] = patch
    texture = np.clip(np.concatenate([picture, bottom]), 0, 255).astype(np.uint8)
    uv = np.concatenate([places, ring_places])
    mouth = _mouth_places(places) + np.array([0.0, side])
    uv = np.concatenate([(uv - origin) * _DETAIL, mouth, (places[lids] - origin) * _DETAIL])
    return texture, uv.astype(np.float32)


def _hide_teeth(picture: np.ndarray, places: np.ndarray) -> None:
    """Paint the gap between the portrait's lips in their colour, in place.

    The gap is closed in the neutral face, but teeth at its rim would show as white lips.
    """
    import cv2

    inner = [_MOUTH_CORNERS[0], *_UPPER_LIP, _MOUTH_CORNERS[1], *_LOWER_LIP[::-1]]
    gap = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(gap, [np.round(places[inner]).astype(np.int32)], 255)
    gap = cv2.dilate(gap, np.ones((3, 3), np.uint8))
    lips = np.round(places[list(_LIPS_MIDDLE)]).astype(int)
    colour = np.median(picture[lips[:, 1], lips[:, 0]], axis=0)
    share = cv2.GaussianBlur(gap.astype(np.float32) / 255.0, (0, 0), 1.0)[..., None]
    picture += share * (colour - picture)


def _colour(picture: np.ndarray, look: Look) -> np.ndarray:
    """Tint the person and repaint the wall behind, with a soft edge between them."""
    side = picture.shape[0]
    y, x = np.mgrid[0:side, 0:side] / (side - 1.0) - 0.5
    head = np.sqrt((x / 0.36) ** 2 + ((y + 0.04) / 0.44) ** 2)
    wall = np.clip((head - 0.9) / 0.25, 0.0, 1.0) * np.clip((0.2 - y) / 0.15, 0.0, 1.0)
    wall = wall[..., None]
    grey = picture.mean(axis=2, keepdims=True) / 190.0
    painted = (0.6 + 0.4 * grey) * np.array(look.wall)
    return (1 - wall) * picture * np.array(look.colour) + wall * painted


def _mouth_patch() -> np.ndarray:
    """The inside of a mouth: dark, a little redder towards the tongue."""
    height, width = _MOUTH_PATCH
    down = np.linspace(0.0, 1.0, height)[:, None, None]
    across = np.abs(np.linspace(-1.0, 1.0, width))[None, :, None]
    colour = np.array([52.0, 18.0, 20.0]) + down * np.array([40.0, 12.0, 14.0])
    return colour * (1.0 - 0.6 * across**2)


def _mouth_places(places: np.ndarray) -> np.ndarray:
    """Places of the corners, upper and lower inner lip in the mouth patch, (20, 2)."""
    height, width = _MOUTH_PATCH
    lips = [*_MOUTH_CORNERS, *_UPPER_LIP, *_LOWER_LIP]
    x = places[lips, 0]
    x = 2.0 + (x - x.min()) / np.ptp(x) * (width - 5.0)
    y = np.full(len(lips), height / 2.0)
    y[2 : 2 + len(_UPPER_LIP)] = 2.0
    y[2 + len(_UPPER_LIP) :] = height - 3.0
    return np.stack([x, y], axis=1)


def _outline(triangles: np.ndarray) -> np.ndarray:
    """The outer border of the face mesh as a closed loop of vertex numbers.

    Raises:
        ValueError: The mesh has no single border.
    """
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs, counts = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    neighbours: dict[int, list[int]] = {}
    for one, other in pairs[counts == 1].tolist():
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    if any(len(n) != 2 for n in neighbours.values()):
        raise ValueError("the border of the rig's triangles is not made of closed loops")
    loop = [min(neighbours)]
    step = neighbours[loop[0]][0]
    while step != loop[0]:
        loop.append(step)
        step = next(n for n in neighbours[step] if n != loop[-2])
    if len(loop) != len(neighbours):
        raise ValueError("the rig's triangles leave holes; the renderer expects a closed face")
    return np.array(loop)


def _strip(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Triangles between two closed loops of the same length, (2n, 3)."""
    following, beyond = np.roll(inner, -1), np.roll(outer, -1)
    return np.concatenate(
        [np.stack([inner, following, outer], 1), np.stack([following, beyond, outer], 1)]
    )
