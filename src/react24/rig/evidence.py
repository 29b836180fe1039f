"""What the solve listens to: weighted points and differences of points.

The face-mesh network does not answer to a shape the way the rig draws it. It follows the gap
between the lids, the gap between the lips and the height of the brows over the eyes closely, and
drags cheeks, chin and forehead along only a little; small errors of the pose move whole regions.
Plain least squares over all points then explains an open mouth by everything except the jaw. So the
points of lips, lids, brows and irises count more than the rest, and differences that no pose error
touches count on top of that. The numbers were chosen on drawn heads of known motion
(``benchmarks/recovery.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from react24.rig import landmarks as lm
from react24.rig.model import Rig

REST = 0.1
"""Weight of a point in no group below."""

POINT_WEIGHTS: tuple[tuple[tuple[int, ...], float], ...] = (
    (lm.CHIN, 0.3),
    (lm.CHEEK, 0.3),
    (lm.NASOLABIAL, 0.3),
    (lm.NOSTRIL, 0.5),
    (tuple(p for row in lm.UPPER_LIP + lm.LOWER_LIP for p in row), 2.0),
    (lm.LID_FOLD + lm.LOWER_LID_FOLD, 0.3),
    (lm.UPPER_LID + lm.LOWER_LID + lm.EYE_CORNERS, 1.0),
    (lm.BROW_UPPER + lm.BROW_LOWER, 1.0),
    (lm.IRIS, 1.0),
)
"""Group (right side; the left one mirrors it) -> weight; a later group overrides an earlier one."""

GAP = 4.0
"""Weight of the gaps between the lids and between the inner edges of the lips."""

HEIGHT = 2.0
"""Weight of the brows' height over the corners of the eye and of the iris's place between them."""

X, Y = 0, 1


def evidence_matrix(rig: Rig) -> np.ndarray:
    """Rows that turn x and y of the 478 points into what is compared, float64 (n, 956).

    The first 956 rows are the weighted coordinates, the others weighted differences.
    """
    weights = np.full(lm.POINTS, REST)
    for group, weight in POINT_WEIGHTS:
        weights[list(group)] = weight
        weights[rig.mirror[list(group)]] = weight
    points = np.diag(np.repeat(weights, 2))
    rows = []
    for first, second, axis, weight in _right_differences():
        for a, b in ((first, second), (int(rig.mirror[first]), int(rig.mirror[second]))):
            row = np.zeros(2 * lm.POINTS)
            row[2 * a + axis], row[2 * b + axis] = weight, -weight
            rows.append(row)
    return np.concatenate([points, np.stack(rows)])


def _right_differences() -> Iterator[tuple[int, int, int, float]]:
    """Point, other point, axis, weight; for the right side."""
    for upper, lower in zip(lm.UPPER_LID, lm.LOWER_LID, strict=True):
        yield upper, lower, Y, GAP
    for upper, lower in zip(lm.UPPER_LIP[-1][1:], lm.LOWER_LIP[-1][1:], strict=True):
        yield upper, lower, Y, GAP
    for corner in lm.EYE_CORNERS:
        for brow in lm.BROW_UPPER + lm.BROW_LOWER:
            yield brow, corner, Y, HEIGHT
        for iris in lm.IRIS:
            yield iris, corner, X, HEIGHT
            yield iris, corner, Y, HEIGHT
