"""Reading one CSV of the 25-D behaviour: a header line, then one line a frame."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from react24.conventions import EMOTION_DIM
from react24.errors import InputError
from react24.metrics.readers.checks import FRAMES


def read_emotion_csv(path: Path) -> np.ndarray:
    """Read a file as released; its first line is a header whatever it says, as officially.

    Returns:
        float32 (750 or 751, 25); values are not checked.

    Raises:
        InputError: Unreadable, empty, another number of columns or frames, text among the numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            values = np.loadtxt(
                path,
                delimiter=",",
                skiprows=1,
                ndmin=2,
                comments=None,
                dtype=np.float64,
                encoding="utf-8-sig",
            )
    except (OSError, ValueError) as error:  # the latter counts rows from 1, below the header
        raise InputError(f"{path}: not a table of numbers below a header line ({error})") from error
    if not values.size:
        raise InputError(f"{path}: empty; expected a header line and {FRAMES[0]} frames")
    if values.shape[1] != EMOTION_DIM:
        raise InputError(f"{path}: {values.shape[1]} columns; expected exactly {EMOTION_DIM}")
    if len(values) not in FRAMES:
        raise InputError(
            f"{path}: {len(values)} frames below the header line; expected {FRAMES[0]} or "
            f"{FRAMES[1]}{_without_header(path)}"
        )
    return values.astype(np.float32)


def _without_header(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    try:
        [float(cell) for cell in first.split(",")]
    except ValueError:
        return ""
    return ". Its first line holds numbers, but is taken for the header: put one above it"
