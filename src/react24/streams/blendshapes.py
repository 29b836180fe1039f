"""The face streams by MediaPipe's published blendshape network: ``backend: blendshapes``.

As ``backend: landmarks``, with the network itself for a judge, and alone: the rig speaks only where
the network is dead (`react24.streams.landmarks.RIG_ONLY`), of the lips' parting and of the pose. It
costs a download of 4 MB (`react24 fetch-weights face-landmarker`) and the runtime ai-edge-litert.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from react24.streams import judges
from react24.streams.faceverse.landmarks import LandmarksFaceVerse
from react24.streams.graphau.landmarks import LandmarksGraphAU
from react24.streams.landmarks import LandmarksExtractor


class Blendshapes(LandmarksExtractor):
    """What makes a landmark extractor one of the network.

    Args:
        weights: See `judges.load_network`; not read where a judge is given.
        **choices: See `LandmarksExtractor`.
    """

    backend: ClassVar[str] = "blendshapes"
    judge_share: ClassVar[float] = 1.0

    def __init__(self, weights: str | Path = judges.PUBLISHED, **choices):
        super().__init__(**choices)
        self.judge = self.judge or judges.load_network(weights)


class BlendshapesGraphAU(Blendshapes, LandmarksGraphAU):
    """Action units, affect and expressions."""

    name = "graphau-blendshapes"


class BlendshapesFaceVerse(Blendshapes, LandmarksFaceVerse):
    """Coefficients and pose."""

    name = "faceverse-blendshapes"
