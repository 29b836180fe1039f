"""Which networks find faces and their landmarks: those in mediapipe's wheel, or a bundle."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from react24.errors import InputError
from react24.faces.bundle import BundleDetector, BundleLandmarks
from react24.faces.mesh import Detector, LandmarkModel
from react24.weights import fetch

MEDIAPIPE = "mediapipe"
"""The setting that takes the networks which come with mediapipe 0.10.14."""

PUBLISHED = "face-landmarker"
"""The setting that takes MediaPipe's published bundle; its name in the weights registry."""


@dataclass(frozen=True)
class FaceModels:
    """Networks that a follower needs, ready to run, and what they are, as stored in faces files."""

    detector: Detector | BundleDetector
    landmarks: LandmarkModel | BundleLandmarks
    weights: str


@contextmanager
def open_models(model: str = MEDIAPIPE, folder: str | Path | None = None) -> Iterator[FaceModels]:
    """The networks of a ``faces.model`` setting.

    Args:
        model: ``mediapipe``; ``face-landmarker``, which is fetched on first use; or the path of
            a Face Landmarker bundle.
        folder: Where published weights are kept, if elsewhere than usual.

    Raises:
        InputError: mediapipe is not installed, the bundle cannot be had, or it is another file.
    """
    if model == MEDIAPIPE:
        name = _mediapipe()
        with Detector() as detector, LandmarkModel() as landmarks:
            yield FaceModels(detector, landmarks, name)
        return
    if model != PUBLISHED and not Path(model).is_file():
        raise InputError(
            f"faces.model: found {model!r}, and no such file; accepted: {MEDIAPIPE}, {PUBLISHED}, "
            "or the path of a Face Landmarker bundle (.task)"
        )
    bundle = fetch.resolve(model, folder)
    yield FaceModels(BundleDetector(bundle.path), BundleLandmarks(bundle.path), bundle.describe())


def _mediapipe() -> str:
    """Name and version of the installed mediapipe, which has to have the interface we use."""
    instead = (
        "install mediapipe==0.10.14 (Python 3.11 or 3.12), or set faces.model: face-landmarker, "
        "which needs ai-edge-litert and a download of 4 MB instead"
    )
    if importlib.util.find_spec("mediapipe") is None:
        raise InputError(
            f"faces.model: {MEDIAPIPE} needs the package mediapipe, which is not installed here "
            f"(Python {platform.python_version()}); {instead}"
        )
    version = importlib.metadata.version("mediapipe")
    if importlib.util.find_spec("mediapipe.python") is None:
        raise InputError(
            f"faces.model: mediapipe {version} no longer has the interface that is used; {instead}"
        )
    return f"mediapipe {version}"
