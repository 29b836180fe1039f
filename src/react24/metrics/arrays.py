"""What every metric asks of its arrays, and how clips are read one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from react24.conventions import EMOTION_DIM
from react24.errors import InputError

GROUP_SAMPLES = 160
"""Samples compared side by side by FRDist: ten of its vectors; 12 MB of 750 frames."""

GROUP_SAMPLES_ON_DEVICE = 2000
"""The same on a device that needs many pairs at once to be busy; 150 MB."""


class ClipArray(Protocol):
    """A NumPy array, a torch tensor or an HDF5 dataset whose first axis is the clip."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""
        ...

    def __getitem__(self, key: int) -> np.ndarray: ...


class Rows:
    """Clips of an array or dataset in another order, each read when it is asked for."""

    def __init__(self, values: ClipArray, rows: np.ndarray):
        self._values, self._rows = values, rows
        self.shape = (len(rows), *values.shape[1:])

    def __getitem__(self, row: int) -> np.ndarray:
        return self._values[int(self._rows[row])]


def to_numpy(values: Any) -> np.ndarray:
    """A NumPy array of anything array-like, tensors on any device among it; needs no torch."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # NumPy has no such type
            values = values.float()
    return np.asarray(values)


def check_predictions(predictions: ClipArray) -> tuple[int, int, int]:
    """Refuse anything but (N, S, T, 25) with N, S, T ≥ 1; returns (N, S, T).

    Raises:
        InputError: Another shape.
    """
    shape = tuple(predictions.shape)
    if len(shape) != 4 or shape[3] != EMOTION_DIM or not all(shape):
        raise InputError(
            f"predictions have shape {shape}; expected (clips, samples, frames, {EMOTION_DIM}), "
            "none of them 0"
        )
    return shape[:3]


def check_behaviour(values: ClipArray, clips: int, frames: int, name: str) -> None:
    """Refuse a ground truth or speaker array that does not fit the predictions.

    Raises:
        InputError: A shape other than (N, T, 25); calls the array ``name``.
    """
    expected = (clips, frames, EMOTION_DIM)
    if tuple(values.shape) != expected:
        raise InputError(
            f"{name} has shape {tuple(values.shape)}, but the predictions ask for {expected} "
            "(clips, frames, channels); cut both to the same clips and frames"
        )


def read_clips(values: ClipArray, name: str) -> Iterator[np.ndarray]:
    """Yield each clip as finite float32, so that only one is in memory at a time.

    Raises:
        InputError: NaN or inf; names the clip and the position inside it.
    """
    for row in range(values.shape[0]):
        yield finite_clip(values[row], row, name)


def read_groups(values: ClipArray, name: str, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of ``size`` clips at a time, and their finite float32 (rows, S, T, 25).

    Raises:
        InputError: NaN or inf.
    """
    for start in range(0, values.shape[0], size):
        rows = range(start, min(start + size, values.shape[0]))
        clips = [finite_clip(values[row], row, name) for row in rows]
        yield slice(rows.start, rows.stop), np.stack(clips)


def clips_per_group(samples: int, device: str | None = None) -> int:
    """How many clips of S samples are compared side by side."""
    return max(1, round((GROUP_SAMPLES_ON_DEVICE if device else GROUP_SAMPLES) / samples))


def finite_clip(values: np.ndarray, row: int, name: str) -> np.ndarray:
    """One clip (..., T, 25) as C-contiguous float32; messages name it by ``name`` and ``row``.

    Raises:
        InputError: NaN or inf; names sample (if any), frame and channel.
    """
    clip = np.ascontiguousarray(to_numpy(values), dtype=np.float32)
    bad = ~np.isfinite(clip)
    if bad.any():
        *sample, frame, channel = (int(i) for i in np.argwhere(bad)[0])
        where = f"sample {sample[0]}, " if sample else ""
        raise InputError(
            f"{name}, clip {row}: {int(bad.sum())} values are NaN or infinite, the first at "
            f"{where}frame {frame}, channel {channel}; metrics need finite values"
        )
    return clip


def check_valid(valid: object, clips: int, frames: int, name: str) -> np.ndarray | None:
    """Which frames are known, bool (N, T); None where all are, or where nothing is said.

    Raises:
        InputError: Another shape.
    """
    if valid is None:
        return None
    valid = to_numpy(valid).astype(bool)
    if valid.shape != (clips, frames):
        raise InputError(
            f"validity of {name} has shape {valid.shape}, but the predictions ask for "
            f"{(clips, frames)} (clips, frames)"
        )
    return None if valid.all() else valid


def defined_mean(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN where nothing is."""
    missing = np.isnan(values)
    if missing.all():
        return math.nan
    return float(values[~missing].mean() if missing.any() else values.mean())


def hold_clips(values: ClipArray, name: str) -> np.ndarray:
    """All clips as float32 (N, T, 25).

    Raises:
        InputError: NaN or inf.
    """
    out = np.empty(values.shape, np.float32)
    for row, clip in enumerate(read_clips(values, name)):
        out[row] = clip
    return out


def appropriate_clips(matrix: np.ndarray, clips: int) -> list[np.ndarray]:
    """For each direction, the indices of the clips whose reaction is appropriate for it.

    Only entries of exactly 1 of the matrix (N, N) count, as in the official code.

    Returns:
        N arrays of indices, none of them empty.

    Raises:
        InputError: Another shape, NaN, or a row without an appropriate reaction (named). The
            official code ignores surplus rows and shortens the average where rows are missing.
    """
    matrix = to_numpy(matrix)
    if matrix.shape != (clips, clips):
        raise InputError(
            f"the appropriate matrix has shape {matrix.shape}, but there are {clips} clips; "
            f"expected ({clips}, {clips}), rows and columns in the order of the clips"
        )
    if np.isnan(matrix).any():
        row, column = (int(i) for i in np.argwhere(np.isnan(matrix))[0])
        raise InputError(f"the appropriate matrix is NaN at row {row}, column {column}")
    lists = [np.flatnonzero(row == 1) for row in matrix]
    empty = [row for row, found in enumerate(lists) if not len(found)]
    if empty:
        raise InputError(
            f"row {empty[0]} of the appropriate matrix has no entry of 1 ({len(empty)} such rows "
            "in all); every clip needs at least its own reaction, so set the diagonal to 1"
        )
    return lists
