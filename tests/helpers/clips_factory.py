"""Small clips files made by hand, for tests of training, sampling and baselines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from react24.files import contract

WIDTHS = {"graphau": 25, "faceverse": 58, "vggish": 128, "wav2vec2": 768}


def clips_index(pairs: int) -> np.ndarray:
    """Index of L pairs: one session per two clips, subjects by session and role."""
    index = np.zeros(2 * pairs, contract.INDEX_DTYPE)
    for row in range(2 * pairs):
        pair, role = row % pairs, "ab"[row // pairs]
        name = f"session{pair // 2:02d}"
        index[row] = (
            name.encode(),
            role.encode(),
            f"{name}_{role}".encode(),
            (row + pairs) % (2 * pairs),
            pair % 2 + 1,
            750 * (pair % 2),
        )
    return index


def behaviour(pairs: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth behaviour in [0, 1], (2L, 750, width); role b follows role a by 15 frames."""
    rng = np.random.default_rng(seed)
    kernel = np.hanning(40) / np.hanning(40).sum()
    raw = rng.normal(size=(2 * pairs, 750 + 60, width))
    smooth = np.apply_along_axis(np.convolve, 1, raw, kernel, "valid")[:, :765]
    lead = smooth[:, 15:]
    lead[pairs:] = 0.8 * smooth[:pairs, :750] + 0.2 * lead[pairs:]
    return (0.5 + 0.8 * lead).clip(0, 1).astype(np.float32)


def write_clips(
    path: Path,
    native: np.ndarray,
    *,
    stream: str = "graphau",
    split: str = "train",
    pretrained: bool = False,
    valid: np.ndarray | None = None,
    keep_native: bool = True,
) -> Path:
    """Write a clips file of the contract from native values (2L, 750, D), L any."""
    rows, frames, width = native.shape
    mean, std = native.mean(1), native.std(1) + 1e-6
    with contract.create(path, schema="clips", created_by="test") as file:
        chunks = (1, frames, width)
        zscored = (native - mean[:, None]) / std[:, None]
        file.create_dataset("zscored", data=zscored.astype(np.float32), chunks=chunks)
        if keep_native:
            file.create_dataset("native", data=native.astype(np.float32), chunks=chunks)
        valid = np.ones((rows, frames), bool) if valid is None else valid
        file.create_dataset("valid", data=valid)
        file.create_dataset("mean", data=mean.astype(np.float32))
        file.create_dataset("std", data=std.astype(np.float32))
        file.create_dataset("index", data=clips_index(rows // 2))
        file.attrs["stream"] = stream
        file.attrs["split"] = split
        file.attrs["feature_names"] = json.dumps([f"c{i}" for i in range(width)])
        file.attrs["pretrained"] = pretrained
        file.attrs["weights"] = "none needed"
        file.attrs["backend"] = "landmarks"
    return path


def write_streams(
    folder: Path,
    pairs: int,
    *,
    split: str = "train",
    seed: int = 0,
    streams: tuple[str, ...] = ("graphau", "faceverse"),
) -> dict[str, Path]:
    """Clips files of some streams for a split: stream -> path."""
    return {
        stream: write_clips(
            folder / stream / f"{split}.h5",
            behaviour(pairs, WIDTHS[stream], seed),
            stream=stream,
            split=split,
        )
        for stream in streams
    }


def write_appropriate(path: Path, matrix: np.ndarray) -> Path:
    """Write an appropriate file of the contract from its matrix (2L, 2L)."""
    with contract.create(path, schema="appropriate", created_by="test") as file:
        file.create_dataset("matrix", data=matrix.astype(np.uint8))
        file.create_dataset("index", data=clips_index(len(matrix) // 2))
        file.attrs["source"] = "made for a test"
    return path
