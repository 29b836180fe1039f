"""Sudden changes of the picture as a whole: cuts, switched layouts, the light."""

from __future__ import annotations

import numpy as np

GRID = 32
"""Pixels of a picture that are compared along each side, or a few more."""

CHANGE = 0.5
"""Mean change in parts of the contrast that makes a cut. Heads that move stay below 0.1, a camera
that swings below 0.35; cuts between different scenes are around 0.7."""

NOISE = 6
"""Grey levels that are added to the contrast, so that the noise of black is no change."""


class CutWatch:
    """Compares each picture of a video with the one before."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None

    def is_cut(self, rgb: np.ndarray) -> bool:
        """Whether a picture, uint8 (H, W, 3), is another one than that seen before."""
        height, width = rgb.shape[:2]
        down, across = max(1, height // GRID), max(1, width // GRID)
        grid = rgb[down // 2 :: down, across // 2 :: across, 1].astype(np.float32)
        last, self._last = self._last, grid
        if last is None:
            return False
        contrast = NOISE + (float(grid.std()) + float(last.std())) / 2
        return float(np.abs(grid - last).mean()) > CHANGE * contrast
