"""How far the eyes are shut, measured on the lids.

Of all shapes the blink is the one that landmarks show best and least squares show worst: it is over
in a few frames, and a penalty or smoothing that serves the other shapes takes half of it away. The
lids' distance is measured instead, and counted from what it is in the person's neutral face.
"""

from __future__ import annotations

import numpy as np

from react24.rig import landmarks as lm
from react24.rig.model import Rig
from react24.rig.shapes import NAMES

SHUT = 0.06
"""Distance of the lids as a share of the eye's width when the eye is shut: the lids' own thickness.
Median over the blinks of 13 people: 0.04 (0.01 to 0.07)."""

OPEN = (0.16, 0.40)
"""Least and greatest distance, as a share of the eye's width, that an open eye may have at rest;
the neutral face of somebody who squints or shuts the eyes all the time says less."""

BLINKS = (NAMES.index("eyeBlinkRight"), NAMES.index("eyeBlinkLeft"))


def lid_opening(points: np.ndarray, rig: Rig) -> np.ndarray:
    """Distance of the lids as a share of the eye's width, right and left: (T, 2).

    ``points`` (T, 478, 3) are in the head frame.
    """
    right = [np.array(g) for g in (lm.UPPER_LID[1:-1], lm.LOWER_LID[1:-1], lm.EYE_CORNERS)]
    sides = []
    for upper, lower, corners in (right, [rig.mirror[group] for group in right]):
        gap = (points[:, lower, 1] - points[:, upper, 1]).mean(1)
        width = np.abs(points[:, corners[0], 0] - points[:, corners[1], 0])
        sides.append(gap / np.maximum(width, 1e-3))
    return np.stack(sides, axis=1)


def blinks(opening: np.ndarray, neutral: np.ndarray, rig: Rig) -> np.ndarray:
    """``eyeBlinkRight`` and ``eyeBlinkLeft`` in [0, 1]: 0 as open as at rest or wider, 1 shut.

    ``opening`` (T, 2) is of `lid_opening`, ``neutral`` (478, 3) the person's neutral face.
    """
    at_rest = np.clip(lid_opening(neutral[None], rig), *OPEN)
    return np.clip((at_rest - opening) / (at_rest - SHUT), 0.0, 1.0)
