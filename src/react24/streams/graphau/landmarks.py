"""The 25-D stream from landmarks: 15 action units, valence and arousal, 8 expressions.

Every number is a documented formula of the 52 coefficients
(`react24.streams.landmarks.combine`); nothing here was trained on expressions. Action units are
continuous in [0, 1], where OpenGraphAU's are 0 or 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from react24.conventions import ACTION_UNITS, EMOTION_NAMES, EXPRESSIONS
from react24.rig.model import load_rig
from react24.rig.shapes import JAW_DROP, NAMES
from react24.rig.solve import Solution
from react24.streams.landmarks import LandmarksExtractor

AU_SHAPES: dict[int, tuple[str, ...]] = {
    1: ("browInnerUp",),
    2: ("browOuterUpLeft", "browOuterUpRight"),
    4: ("browDownLeft", "browDownRight"),
    5: ("eyeWideLeft", "eyeWideRight"),
    6: ("cheekSquintLeft", "cheekSquintRight"),
    7: ("eyeSquintLeft", "eyeSquintRight"),
    9: ("noseSneerLeft", "noseSneerRight"),
    10: ("mouthUpperUpLeft", "mouthUpperUpRight"),
    12: ("mouthSmileLeft", "mouthSmileRight"),
    14: ("mouthDimpleLeft", "mouthDimpleRight"),
    15: ("mouthFrownLeft", "mouthFrownRight"),
    17: ("mouthShrugLower",),
    20: ("mouthStretchLeft", "mouthStretchRight"),
    23: ("mouthRollUpper", "mouthRollLower"),
    24: ("mouthPressLeft", "mouthPressRight"),
    26: ("jawOpen",),
}
"""Action unit -> shapes whose mean it is. AU5 and AU20 only serve the expressions; AU25, the
parting of the lips, is measured on the deformed rig (`lip_parting`)."""

PROTOTYPES: dict[str, tuple[int, ...]] = {
    "Happy": (12,),
    "Sad": (1, 4, 15),
    "Surprise": (1, 2, 5, 26),
    "Fear": (1, 2, 4, 5, 7, 20, 26),
    "Disgust": (9, 10),
    "Anger": (4, 5, 7, 23),
}
"""EMFACS prototypes (Friesen & Ekman 1983): the evidence for an expression is the mean of its
units. Two are fitted to what landmarks show: the raised cheek of Happy (AU6) hardly shows beside
the smile, and the corners of the mouth (AU15, EMFACS's second unit of Disgust) sink in speech as
well, so the raised upper lip (AU10) stands for it. Contempt is AU14 on one side only: the
difference of the two sides."""

NEUTRAL_LEVEL = 0.4
"""Evidence for Neutral when nothing moves; it falls by the strongest other evidence, to 0."""

TEMPERATURE = 0.1
"""Of the softmax over the eight evidences: a still face is Neutral with probability 0.89."""

OPEN_LIPS = 0.5 * JAW_DROP
"""Distance between the lips (rig units) at which AU25 is 1: half of what the jaw can do."""

CIRCUMPLEX: dict[str, tuple[float, float]] = {
    "Neutral": (0.0, 0.0),
    "Happy": (0.9, 0.5),
    "Sad": (-0.8, -0.5),
    "Surprise": (0.2, 0.9),
    "Fear": (-0.7, 0.9),
    "Disgust": (-0.8, 0.4),
    "Anger": (-0.8, 0.8),
    "Contempt": (-0.6, 0.2),
}
"""Valence and arousal of a full expression, placed after Russell's circumplex (1980); for the
stream's values see `affect`."""


def action_units(coefficients: np.ndarray) -> dict[int, np.ndarray]:
    """Action units, float64 (T,) in [0, 1], from shape coefficients (T, 52) in [0, 1].

    The internal AU5 and AU20 are among them.
    """
    units = {
        au: coefficients[:, [NAMES.index(name) for name in shapes]].mean(axis=1, dtype=np.float64)
        for au, shapes in AU_SHAPES.items()
    }
    units[25] = lip_parting(coefficients)
    return units


def lip_parting(coefficients: np.ndarray) -> np.ndarray:
    """AU25, float64 (T,): the gap between the lips of the deformed rig, 1 from ``OPEN_LIPS`` on.

    The gap is the mean over the three middle pairs of points on the inner edges.
    """
    fields = load_rig().displacements[..., 1].astype(np.float64)
    opening = (fields[:, [87, 14, 317]] - fields[:, [82, 13, 312]]).mean(1)  # (52,)
    return np.clip(coefficients @ opening / OPEN_LIPS, 0.0, 1.0)


def expressions(coefficients: np.ndarray, units: Mapping[int, np.ndarray]) -> np.ndarray:
    """Probabilities of the eight expressions, float64 (T, 8), in the order of ``EXPRESSIONS``."""
    evidence = {
        name: np.mean([units[au] for au in members], axis=0) for name, members in PROTOTYPES.items()
    }
    left, right = (coefficients[:, NAMES.index(f"mouthDimple{side}")] for side in ("Left", "Right"))
    evidence["Contempt"] = np.abs(left.astype(np.float64) - right)
    strongest = np.max(list(evidence.values()), axis=0)
    evidence["Neutral"] = np.maximum(NEUTRAL_LEVEL - strongest, 0.0)
    logits = np.stack([evidence[name] for name in EXPRESSIONS], axis=1) / TEMPERATURE
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def affect(probabilities: np.ndarray) -> np.ndarray:
    """Valence and arousal, float64 (T, 2) in [-1, 1], both 0 for a face at rest.

    The mean of ``CIRCUMPLEX`` under the expressions, after what the softmax gives to all of them
    alike was taken off: five of the seven that a face at rest does not show are unpleasant.
    """
    above = probabilities - probabilities.min(axis=1, keepdims=True)
    shares = above / np.maximum(above.sum(axis=1, keepdims=True), 1e-9)
    return shares @ np.array([CIRCUMPLEX[name] for name in EXPRESSIONS])


def emotion_vector(coefficients: np.ndarray, parting: np.ndarray | None = None) -> np.ndarray:
    """The 25-D vectors, float32 (T, 25) as ``EMOTION_NAMES``, of coefficients (T, 52) in [0, 1].

    AU25 is ``parting`` (T,), by default the `lip_parting` of the coefficients.
    """
    units = action_units(coefficients)
    if parting is not None:
        units[25] = parting
    probabilities = expressions(coefficients, units)
    columns = np.stack([units[au] for au in ACTION_UNITS], axis=1)
    whole = [columns, affect(probabilities), probabilities]
    return np.concatenate(whole, axis=1).astype(np.float32)


class LandmarksGraphAU(LandmarksExtractor):
    """A stand-in for OpenGraphAU and EmoNet that needs no licensed weights."""

    name = "graphau-landmarks"
    stream = "graphau"
    feature_names = EMOTION_NAMES

    def columns(self, solution: Solution, coefficients: np.ndarray) -> np.ndarray:
        """Action units, affect and expressions, float32 (T, 25)."""
        return emotion_vector(coefficients, lip_parting(solution.coefficients))
