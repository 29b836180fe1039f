"""What a face looks like, in few numbers: enough to tell two people of one recording apart.

Three cues that cost a fraction of a millisecond and no network are laid side by side in one
vector: the proportions of the head (landmarks that no expression moves much, freed of place, size
and pose), the colours of face, hair and collar, and the pattern of light and dark of the inner
face. Each is scaled so that 1 is a step that one of them seldom makes while a person stays the
same and often makes from one person to another. So the distance of two looks is the Euclidean
one, and the mean of many looks is a look.

It is no identification: across rooms and days it fails. Within a recording light and camera are
those of the moment before, and there it separates people (``docs/data_dictionary.md`` says what
becomes of the doubtful).
"""

from __future__ import annotations

import math

import numpy as np

from react24.faces.mesh import Region

RIGID = (
    *(33, 133, 362, 263),  # eye corners
    *(168, 6, 195, 4, 98, 327),  # nose
    *(10, 109, 338, 54, 284, 21, 251, 9),  # forehead
    *(127, 356, 234, 454, 93, 323),  # contour beside eyes and cheeks
    *(107, 336, 70, 300),  # brows
    *(143, 372, 117, 346, 50, 280),  # cheekbones
)
"""Landmarks that speech and expressions move little."""

_RIGID = np.array(RIGID)

SHAPE_UNIT = 0.045
"""Distance of two shapes of unit size that counts 1; people differ by 0.02 to 0.13."""

COLOUR_UNIT = 4.0
"""Difference of colour (a* and b* of CIELAB) that counts 1."""

XYZ = np.array(
    [[0.4339, 0.3763, 0.1898], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]], np.float32
)
"""Linear sRGB to CIE XYZ, in parts of the white D65 (IEC 61966-2-1)."""

DARK = 0.009
"""Added to them, as CIELAB's straight part does, so that the noise of dark hair is no colour."""

EXPOSURE, BLACK = 0.2, 0.004
"""Mean brightness, in parts of white, to which a face is brought half the way, and what is added to
that of the picture so that the noise of black is no colour."""

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Brightness of red, green and blue (Rec. ITU-R BT.601)."""

PATTERN_UNIT = 0.35
"""1 - correlation of two patterns that counts 1."""

CROP = 32
"""Side of the crop that is looked at, pixels."""

CELLS = 8
"""Colours are averaged over CELLS x CELLS parts of the crop."""

_STEPS = np.arange(CROP) - (CROP - 1) / 2
_MIDDLE = np.arange(CELLS) - (CELLS - 1) / 2
_CIRCLE = np.hypot(_MIDDLE, _MIDDLE[:, None]) <= CELLS / 2

INNER = 12
"""Side of the pattern of the inner face, pixels."""

MOST = 8
"""Exemplars that are kept of one face."""

SPAN = 12
"""Frames that are averaged for an exemplar."""


def describe(rgb: np.ndarray, points: np.ndarray, region: Region) -> np.ndarray:
    """The look of a face with landmarks (478, 3) in a region of a picture, uint8 (H, W, 3).

    Returns:
        float32 (n,); the Euclidean distance of two looks of one person is mostly below 1.
    """
    crop = _level_crop(rgb, region)
    return np.concatenate([_shape(points), _colours(crop), _pattern(crop)]).astype(np.float32)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """How different two looks are."""
    return float(np.linalg.norm(one - other))


def shape_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The part of it that the proportions make, whatever the light."""
    return distance(one[: 3 * len(RIGID)], other[: 3 * len(RIGID)])


def _level_crop(rgb: np.ndarray, region: Region) -> np.ndarray:
    """The face with hair and collar, its eyes level: float32 (CROP, CROP, 3).

    One pixel of the picture stands for each of the crop: what is made of it are means.
    """
    step, height, width = region.side / CROP, rgb.shape[0], rgb.shape[1]
    cos, sin = step * math.cos(region.rotation), step * math.sin(region.rotation)
    x = (region.x + cos * _STEPS - sin * _STEPS[:, None]).astype(np.intp)
    y = (region.y + sin * _STEPS + cos * _STEPS[:, None]).astype(np.intp)
    return rgb[y.clip(0, height - 1), x.clip(0, width - 1)].astype(np.float32)


def _shape(points: np.ndarray) -> np.ndarray:
    """Proportions: the rigid landmarks, turned and scaled onto a frame of their own."""
    rigid = points[_RIGID].astype(np.float64)
    rigid -= rigid.mean(axis=0)
    # A frame of the head itself: across from cheek to cheek, down along the middle of the face.
    across = _unit(rigid[19] - rigid[18])
    down = rigid[8] + rigid[9] - rigid[11] - rigid[12]
    down = _unit(down - across * across.dot(down))
    (a, b, c), (d, e, f) = across, down
    frame = np.array([across, down, (b * f - c * e, c * d - a * f, a * e - b * d)])
    return _unit((rigid @ frame.T).ravel()) / SHAPE_UNIT


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / (math.sqrt(vector.dot(vector)) + 1e-12)


def _colours(crop: np.ndarray) -> np.ndarray:
    """Hue and saturation in the cells of the circle around the face, at a similar exposure."""
    cells = crop.reshape(CELLS, CROP // CELLS, CELLS, CROP // CELLS, 3).mean(axis=(1, 3))
    linear = (cells[_CIRCLE] / 255) ** 2.2 @ XYZ.T
    gain = math.sqrt(EXPOSURE / (float(linear[:, 1].mean()) + BLACK))
    x, y, z = np.cbrt(gain * linear + DARK).T
    chroma = np.concatenate([500 * (x - y), 200 * (y - z)])
    return chroma / (COLOUR_UNIT * math.sqrt(len(x)))


def _pattern(crop: np.ndarray) -> np.ndarray:
    """Light and dark of the inner face, whatever its brightness and contrast."""
    edge, side = CROP // 8, CROP * 3 // 4
    grey = crop[edge : edge + side, edge : edge + side] @ GREY
    grey = grey.reshape(INNER, side // INNER, INNER, side // INNER).mean(axis=(1, 3)).ravel()
    grey -= grey.mean()
    # The constant keeps the noise of a black picture from looking like a face.
    return grey / math.sqrt(2 * PATTERN_UNIT * (grey.dot(grey) + INNER**2))


class Exemplars:
    """What one face looked like, from all sides it showed, in memory that does not grow."""

    def __init__(self) -> None:
        self._means: list[np.ndarray] = []
        self._counts: list[int] = []
        self._sum: np.ndarray | None = None
        self._open = 0

    def add(self, look: np.ndarray) -> None:
        """Take note of the look in one more frame."""
        self._sum = look.astype(np.float64) if self._sum is None else self._sum + look
        self._open += 1
        if self._open == SPAN:
            self._close()

    def looks(self) -> np.ndarray:
        """Float (k, n), k <= MOST + 1, at least 1 once something was added."""
        parts = list(self._means)
        # A rest of few frames says something only where there is nothing else.
        if self._sum is not None and (self._open >= SPAN // 2 or not parts):
            parts.append(self._sum / self._open)
        return np.stack(parts)

    def _close(self) -> None:
        self._means.append(self._sum / self._open)
        self._counts.append(self._open)
        self._sum, self._open = None, 0
        if len(self._means) > MOST:
            self._merge()

    def _merge(self) -> None:
        """Average the two that are most alike."""
        means = np.stack(self._means)
        apart = ((means[:, None] - means) ** 2).sum(axis=-1)
        apart[np.tril_indices(len(means))] = np.inf
        i, j = (int(v) for v in np.unravel_index(apart.argmin(), apart.shape))
        weights = np.array([self._counts[i], self._counts[j]], float)
        self._means[i] = np.average(means[[i, j]], axis=0, weights=weights)
        self._counts[i] += self._counts.pop(j)
        del self._means[j]


def unlikeness(ones: np.ndarray, others: np.ndarray) -> float:
    """How different two faces are, by their exemplars (k, n) and (m, n).

    Each exemplar of the face with fewer of them is compared with the most similar one of the
    other face, and the median is taken: a face that was seen from one side only is compared with
    that side.
    """
    if len(ones) > len(others):
        ones, others = others, ones
    nearest = np.sort(((ones[:, None] - others) ** 2).sum(axis=-1).min(axis=1))
    return math.sqrt(nearest[len(nearest) // 2])


def spread(looks: np.ndarray) -> float:
    """How different a face is from itself: median distance of an exemplar to its nearest other.

    For fewer than three looks (k, n) nothing is known, and it is 0.
    """
    if len(looks) < 3:
        return 0.0
    apart = np.sqrt(((looks[:, None] - looks) ** 2).sum(axis=-1))
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(axis=1)))
