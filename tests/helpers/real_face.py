"""Frames of one real face (landmarks only), put together to sessions whose content is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.files import contract

STORED = Path(__file__).parents[1] / "parity" / "one_face.npz"


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


def write_faces(path: Path, tracks: dict, subjects: dict, neutral: dict | None = None) -> Path:
    """A faces file: role -> track, role -> subject, role -> seconds at rest where stated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contract.create(path, schema="faces", created_by="test") as file:
        file.attrs["session"] = path.stem
        for role, track in tracks.items():
            group = file.create_group(role)
            group.attrs.update(
                {"width": track.width, "height": track.height, "subject": subjects[role]}
            )
            if role in (neutral or {}):
                group.attrs["neutral"] = neutral[role]
            group["landmarks"] = track.landmarks
            group["found"] = group["valid"] = track.valid
            group["score"] = track.valid.astype(np.float32)
            group["box"] = np.zeros((len(track.valid), 4), np.float32)
    return path
