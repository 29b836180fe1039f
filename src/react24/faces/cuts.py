"""Sudden changes of the whole picture: cuts, switched layouts, a moved camera, the light."""

from __future__ import annotations

import numpy as np

GRID = 32
"""Pixels of a picture that are compared along each side, or a few more."""

CHANGE = 24
"""Grey levels by which a pixel must differ to count as changed."""

SHARE = 0.5
"""Share of changed pixels that makes a cut."""


class CutWatch:
    """Compares each picture of a video with the one before."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None

    def is_cut(self, rgb: np.ndarray) -> bool:
        """Whether most of the picture, uint8 (H, W, 3), differs from the one seen before."""
        height, width = rgb.shape[:2]
        down, across = max(1, height // GRID), max(1, width // GRID)
        grid = rgb[down // 2 :: down, across // 2 :: across].astype(np.int16)
        last, self._last = self._last, grid
        if last is None:
            return False
        return float((np.abs(grid - last).max(axis=-1) > CHANGE).mean()) > SHARE
