"""Small folders in the layout of the official data and predictions, made for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PAIRS = (
    ("NoXI/001_2016-03-17_Paris", "Expert_video", "Novice_video", "1"),
    ("NoXI/001_2016-03-17_Paris", "Expert_video", "Novice_video", "2"),
    ("RECOLA/group-2", "P41", "P42", "3"),
)
ALIASES = {"Expert_video": "P1", "P41": "P1", "Novice_video": "P2", "P42": "P2"}
REFERENCE = Path(__file__).parents[1] / "parity" / "neighbour.npz"
"""An index, a list and a matrix, and what the official script makes of them."""

HEADER = ",".join(f"c{i}" for i in range(25))


def react_behaviour(rows: int, frames: int = 750, seed: int = 0) -> np.ndarray:
    """Binary AUs, smooth valence and arousal, expressions that sum to 1: float32 (rows, T, 25)."""
    rng = np.random.default_rng(seed)
    kernel = np.hanning(30) / np.hanning(30).sum()
    noise = rng.normal(size=(rows, frames + 29, 25))
    smooth = 3 * np.apply_along_axis(np.convolve, 1, noise, kernel, "valid")
    expressions = np.exp(smooth[..., 17:])
    parts = (smooth[..., :15] > 0, np.tanh(smooth[..., 15:17]))
    shares = expressions / expressions.sum(-1, keepdims=True)
    return np.concatenate((*parts, shares), axis=-1).astype(np.float32)


def predict(truth: np.ndarray, samples: int = 3, seed: int = 1) -> np.ndarray:
    """Noisy reactions inside the range: float32 (N, S, T, 25)."""
    noise = np.random.default_rng(seed).normal(0, 0.2, (len(truth), samples, *truth.shape[1:]))
    low = np.where((np.arange(25) == 15) | (np.arange(25) == 16), -1.0, 0.0)
    return np.clip(truth[:, None] + noise, low, 1).astype(np.float32)


def write_csv(path: Path, values: np.ndarray, header: str = HEADER) -> None:
    """One file of behaviour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, fmt="%.9g", delimiter=",", header=header, comments="")


def speakers() -> list[str]:
    """Paths of the speakers in the official order, as the list names them."""
    first = [f"{session}/{a}/{clip}" for session, a, _, clip in PAIRS]
    return first + [f"{session}/{b}/{clip}" for session, _, b, clip in PAIRS]


def renamed(path: str) -> str:
    """The path with P1 or P2 for the person."""
    *before, person, clip = path.split("/")
    return "/".join((*before, ALIASES[person], clip))


def write_list(folder: Path, split: str = "val") -> None:
    """The CSV of a split."""
    paths = speakers()
    lines = [",speaker_path,listener_path"]
    lines += [f"{i},{a},{b}" for i, (a, b) in enumerate(zip(paths[:3], paths[3:], strict=True))]
    (folder / f"{split}.csv").write_text("\r\n".join(lines))


def write_official(
    folder: Path, behaviour: np.ndarray, *, renamed_people: bool = True, split: str = "val"
) -> np.ndarray:
    """List, labels (the third with 751 frames), hidden files and matrix; returns the matrix."""
    folder.mkdir(parents=True, exist_ok=True)
    write_list(folder, split)
    for row, path in enumerate(speakers()):
        values = behaviour[row]
        if row == 2:
            values = np.concatenate((values, np.full((1, 25), 0.5)))
        name = renamed(path) if renamed_people else path
        write_csv(folder / split / "Emotion" / f"{name}.csv", values)
        hidden = folder / split / "Emotion" / Path(name).parent / f"._{Path(name).name}.csv"
        hidden.write_bytes(b"\x00\x05\x16\x07")
    matrix = np.eye(6)
    matrix[0, 1] = matrix[3, 4] = 1
    matrix[1, 2] = 0.999  # does not count
    np.save(folder / f"neighbour_emotion_{split}.npy", matrix)
    return matrix
