"""What the face extractors share: solving a face track and writing down a stream of it.

The 52 coefficients of a stream are put together from three sources: a judge, which knows people in
general; the rig, which knows this person's neutral face; and the lids, measured. See docs/faces.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from react24.errors import InputError
from react24.files.contract import Features
from react24.files.notices import Notice
from react24.rig.judge import Judge
from react24.rig.model import load_rig
from react24.rig.neutral import NEVER_QUIET, Neutral, above_rest, shape_mask
from react24.rig.solve import Solution, SolveSettings, solve_track
from react24.streams.neutral import read_neutral, rest_mask
from react24.streams.sources import FaceSource, Track

FACE_MESH = "MediaPipe face mesh (478 landmarks)"
"""What found a face whose track does not say it in an attribute ``weights``."""

RIG_ONLY = ("cheekPuff", "cheekSquint", "eyeBlink", "jawForward", "noseSneer", "tongueOut")
"""Shapes on which no judge is asked: MediaPipe's network, and so its student, is dead in
cheekSquint and noseSneer; of cheekPuff, jawForward and tongueOut landmarks of one camera show
nothing (0 in the rig); blinks are measured on the lids (`react24.rig.lids`)."""


class LandmarksExtractor(ABC):
    """A stream that is a function of the solved face, frame by frame.

    Args:
        focal: Focal length of the camera in pixels; the picture's longer side by default.
        settings: Weights of the solve.
        judge: Who says what a frame shows; the shipped student by default.

    Attributes:
        name: Stream and backend.
        stream: Name of the stream.
        backend: Name of the backend.
        judge_share: Weight of the judge in the shapes that both it and the rig see.
        feature_names: D names.
    """

    stream: str
    backend: ClassVar[str] = "landmarks"
    judge_share: ClassVar[float] = 0.5
    feature_names: tuple[str, ...]

    def __init__(
        self,
        focal: float | None = None,
        settings: SolveSettings | None = None,
        judge: Judge | None = None,
    ):
        self.focal = focal
        self.settings = settings
        self.judge = judge

    @abstractmethod
    def columns(self, solution: Solution, coefficients: np.ndarray) -> np.ndarray:
        """The stream's values, float32 (T, D), from pose and coefficients (T, 52)."""

    def solve(
        self,
        track: Track,
        neutral: Neutral | None = None,
        at_rest: tuple[float, float] | None = None,
    ) -> Solution:
        """Pose, rig coefficients and judgement of a track.

        Args:
            track: Landmarks (T, 478, 3), valid (T,), width, height.
            neutral: The person's neutral face, where it is known from other sessions; found in
                the track by default.
            at_rest: From and to second at which the face is at rest, where somebody said so.
        """
        return solve_track(
            track.landmarks,
            track.valid,
            int(track.width),
            int(track.height),
            focal=self.focal,
            settings=self.settings,
            judge=self.judge,
            neutral=neutral,
            at_rest=rest_mask(at_rest, len(track.valid)),
        )

    def extract(self, source: FaceSource) -> Features:
        """Solve the face of one person and read the stream off it.

        Args:
            source: A face track and what is known of the person's face at rest.

        Returns:
            Features with values float32 (T, D); beside them the neutral face (478, 3) and the
            error of the pose (T,), pixels.

        Raises:
            InputError: No valid frame (names the source), or arrays of the wrong shape.
        """
        neutral = read_neutral(source.neutral) if source.neutral else None
        try:
            solution = self.solve(source.track, neutral, source.at_rest)
        except InputError as error:
            raise InputError(f"{source.name}: {error}") from error
        networks = getattr(source.track, "weights", FACE_MESH)
        person = solution.person
        return Features(
            values=self.columns(solution, combine(solution, self.judge_share)),
            valid=solution.valid,
            feature_names=self.feature_names,
            stream=self.stream,
            backend=self.backend,
            pretrained=True,
            weights=f"{networks}, {load_rig().version}, {solution.judge}",
            extra={"neutral": person.face, "pose_error": solution.pose_error},
            attributes={"neutral_from": person.how, "neutral_frames": person.frames},
        )

    def find_doubts(self, features: Features, role: str) -> list[Notice]:
        """A notice where the person was never seen at rest, the same for all streams."""
        if features.attributes["neutral_from"] != NEVER_QUIET:
            return []
        message = (
            f"role {role}: the face is never at rest, so what it does is counted from a "
            "typical face at rest, not from the person's own; if there is a moment at rest, name "
            f"its seconds in neutral_{role} of the sample sheet"
        )
        return [Notice(kind="face.never_quiet", role=role, message=message)]


def combine(solution: Solution, judge_share: float) -> np.ndarray:
    """The 52 coefficients: the judge's above the person's rest and the rig's, in given shares.

    Args:
        solution: What the face did.
        judge_share: Weight of the judge in [0, 1]; 0 everywhere for ``RIG_ONLY``.

    Returns:
        float32 (T, 52) in [0, 1].
    """
    share = np.where(shape_mask(RIG_ONLY), 0.0, judge_share).astype(np.float32)
    judged = above_rest(solution.scores, solution.person.rest)
    return share * judged + (1 - share) * solution.coefficients
