"""What everybody must agree on, said once: clock, clips, roles, splits, columns and metrics."""

from __future__ import annotations

FPS = 25.0
"""Frames per second of every stream."""

CLIP_FRAMES = 750
"""Frames of one clip (30 s at 25 fps)."""

ROLES = ("a", "b")
"""The two persons of a session, in the order of the sample sheet."""

SPLITS = ("train", "val", "test")
"""In the order of every list."""

ACTION_UNITS = (1, 2, 4, 6, 7, 9, 10, 12, 14, 15, 17, 23, 24, 25, 26)
"""FACS numbers of the first 15 columns of the 25-D emotion stream, as REACT orders them."""

AFFECT = ("valence", "arousal")
"""The next two columns."""

EXPRESSIONS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
"""The last eight, as EmoNet orders them."""

EMOTION_NAMES = (*(f"AU{unit}" for unit in ACTION_UNITS), *AFFECT, *EXPRESSIONS)
"""Names of the 25 columns of the emotion stream (``graphau``)."""

EMOTION_DIM = len(EMOTION_NAMES)

SHAPE_DIM = 52
"""Shapes of a face, ARKit's; the first columns of the 58-D stream (``faceverse``)."""

POSE_NAMES = (
    "rotation_x", "rotation_y", "rotation_z",
    "translation_x", "translation_y", "translation_z",
)  # fmt: skip
"""The last six: radians, and the backend's unit of length."""

COEFFICIENT_DIM = SHAPE_DIM + len(POSE_NAMES)

LEARNED_BASELINES = ("MeanSeq", "MeanFr")
"""Baselines that need the training split."""

METRICS = ("FRCorr", "FRDist", "FRDiv", "FRVar", "FRDvs", "TLCC")
"""The official metrics in the order of the tables."""

ARROWS = {"FRCorr": "↑", "FRDist": "↓", "FRDiv": "↑", "FRVar": "↑", "FRDvs": "↑", "TLCC": "↓"}
"""Which way is better."""
