"""What the landmark extractors share: solving a face track and writing down a stream of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from react24.rig.model import load_rig
from react24.rig.solve import Solution, SolveSettings, solve_track
from react24.store import Features


class Track(Protocol):
    """The parts of ``react24.faces.track.FaceTrack`` that the extractors read."""

    landmarks: np.ndarray
    valid: np.ndarray
    width: int
    height: int
    weights: str


class LandmarksExtractor(ABC):
    """A stream that is a function of the solved face, frame by frame.

    Args:
        focal: Focal length of the camera in pixels; the picture's width by default.
        settings: Weights of the solve.
    """

    stream: str
    feature_names: tuple[str, ...]

    def __init__(self, focal: float | None = None, settings: SolveSettings | None = None):
        self.focal = focal
        self.settings = settings

    @abstractmethod
    def columns(self, solution: Solution) -> np.ndarray:
        """The stream's values, float32 (T, D), from pose and coefficients."""

    def extract(self, source: Track) -> Features:
        """Solve the face of one person and read the stream off it.

        Args:
            source: A face track: landmarks (T, 478, 3), valid (T,), width, height, and which
                networks found it.

        Returns:
            Features with values float32 (T, D).

        Raises:
            InputError: No valid frame, or arrays of the wrong shape.
        """
        solution = solve_track(
            source.landmarks,
            source.valid,
            int(source.width),
            int(source.height),
            focal=self.focal,
            settings=self.settings,
        )
        return Features(
            values=self.columns(solution),
            valid=solution.valid,
            feature_names=self.feature_names,
            stream=self.stream,
            backend="landmarks",
            pretrained=True,
            weights=f"{source.weights}, {load_rig().version}",
        )
