"""Synthetic landmarks of a moving head, for the tests of the solve and the landmark extractors."""

from dataclasses import dataclass

import numpy as np

from react24.rig.model import load_rig
from react24.rig.pose import euler_to_matrix

ACTIVE = (
    "jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight",
    "browInnerUp", "browDownLeft", "browDownRight", "mouthPucker", "eyeLookOutLeft",
    "eyeLookInRight",
)  # fmt: skip


@dataclass(frozen=True)
class Moved:
    landmarks: np.ndarray
    valid: np.ndarray
    coefficients: np.ndarray
    rotation: np.ndarray
    width: int = 256
    height: int = 256
    weights: str = "drawn"


def move_head(frames=500, seed=0, noise=0.3, scale=90.0, active=ACTIVE) -> Moved:
    """A head of another identity that moves smoothly; scaled orthography, pixels."""
    rng = np.random.default_rng(seed)
    rig = load_rig()
    seconds = np.arange(frames)[:, None] / 25.0

    def waves(count, low=0.1, high=0.6):
        hertz, phase = rng.uniform(low, high, count), rng.uniform(0, 2 * np.pi, count)
        return np.sin(2 * np.pi * hertz * seconds + phase)

    coefficients = np.zeros((frames, 52))
    columns = [rig.index(name) for name in active]
    coefficients[:, columns] = np.clip(1.3 * waves(len(columns)) - 0.5, 0.0, 0.8)
    # browDown and browInnerUp are opposed muscles
    calm = 1.0 - np.clip(2 * coefficients[:, [rig.index("browInnerUp")]], 0, 1)
    for side in ("Left", "Right"):
        coefficients[:, [rig.index(f"browDown{side}")]] *= calm
    identity = rig.neutral * (1.04, 0.95, 1.1)
    identity[:, 0] *= 1 + 0.06 * np.clip(identity[:, 1], 0, 1)
    rotation = 0.15 * waves(3, 0.05, 0.3)
    points = rig.deform(coefficients, identity) @ euler_to_matrix(rotation).swapaxes(1, 2)
    place = np.array([128.0, 96.0, 0.0])
    landmarks = scale * points + place + rng.normal(0.0, noise, points.shape)
    return Moved(landmarks.astype(np.float32), np.ones(frames, bool), coefficients, rotation)
