"""Who says what a face shows: the protocol of the judges.

The rig alone cannot tell a face at rest from a face that never stops smiling: it knows a person
only by comparison with himself. A judge knows people in general. Two exist: `react24.rig.student`,
small and shipped with the package, and MediaPipe's own network that it learned from
(`react24.streams.blendshape_network`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Judge(Protocol):
    """What sees expressions in landmarks, of any person, without knowing him at rest.

    Attributes:
        name: Weights, their digest and licence; stored with what was made from the judgement.
    """

    name: str

    def scores(self, landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
        """How strongly a face shows each shape.

        Args:
            landmarks: float32 (T, 478, 3), pixels, finite.
            width: Of the picture, pixels.
            height: Of the picture.

        Returns:
            float32 (T, 52) in [0, 1] in the order of ``react24.rig.shapes.NAMES``; 0 for what it
            cannot see. NaN for a face it cannot judge.
        """
        ...
