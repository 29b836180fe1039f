"""Frames of one real face (landmarks only), put together to sessions whose content is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

STORED = Path(__file__).parent / "parity" / "one_face.npz"


@dataclass(frozen=True)
class Session:
    """A track for the extractors."""

    landmarks: np.ndarray
    valid: np.ndarray
    width: int
    height: int


def face(name: str) -> np.ndarray:
    """``rest``, ``grin``, ``shut`` (eyes), ``rounded`` (lips, jaw a little open), ``surprised``."""
    with np.load(STORED) as stored:
        row = list(stored["names"]).index(name)
        return stored["landmarks_x16"][row].astype(np.float32) / 16


def session(*parts: tuple[str, int], noise: float = 0.3, seed: int = 0) -> Session:
    """Faces shown one after the other, each for a number of frames, with noise in pixels."""
    rng = np.random.default_rng(seed)
    shown = np.concatenate([np.repeat(face(name)[None], count, 0) for name, count in parts])
    shown += rng.normal(0.0, noise, shown.shape)
    return Session(shown.astype(np.float32), np.ones(len(shown), bool), 512, 512)
