"""Published files that a machine may have; what needs one is skipped where it has not."""

import importlib.util
import os
from pathlib import Path

import pytest

from react24.weights import registry as weights

_PLACES = (
    os.environ.get("REACT24_FACE_LANDMARKER"),
    Path(__file__).parents[2] / weights.DEFAULT_FOLDER / weights.REGISTRY["face-landmarker"].file,
)
needs_mediapipe = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None, reason="no mediapipe for this Python"
)
FACE_LANDMARKER = next((Path(p) for p in _PLACES if p and Path(p).is_file()), None)
"""MediaPipe's Face Landmarker bundle, from the environment or from where it is fetched to."""

needs_face_landmarker = pytest.mark.skipif(
    FACE_LANDMARKER is None,
    reason="no Face Landmarker bundle: react24 fetch-weights face-landmarker",
)
