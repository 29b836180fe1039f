"""Predictions of any form as (N, S, 750, 25), read and checked clip by clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from react24.clips import windows
from react24.conventions import CLIP_FRAMES, EMOTION_DIM
from react24.errors import InputError
from react24.files import contract
from react24.metrics.readers.array_files import ArchiveFile, ArrayFile
from react24.metrics.readers.checks import FRAMES, PREDICTION_MARGIN, check_values
from react24.metrics.readers.result_files import ResultFiles
from react24.metrics.readers.truth import GroundTruth


class PredictionFile(Protocol):
    """A file or folder of predictions (N, S, T, 25), read one clip at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, S, T, 25)."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the numbers in it."""
        ...

    def read(self, row: int) -> np.ndarray:
        """One clip, (S, T, 25)."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class Predictions:
    """Predictions that the metrics can read: float32 (S, 750, 25) per clip, finite, in range.

    Attributes:
        path: Where they come from.
        shape: (N, S, 750, 25).
    """

    def __init__(self, path: Path, file: PredictionFile, samples: int, margin: float | None):
        self.path, self._file, self._margin = path, file, margin
        self.shape = (file.shape[0], samples, CLIP_FRAMES, EMOTION_DIM)

    def __getitem__(self, row: int) -> np.ndarray:
        clip = self._file.read(row)[: self.shape[1]]
        return check_values(clip, lambda sample: self.where(row, sample), self._margin)

    def where(self, row: int, sample: int) -> str:
        """File and place of a reaction."""
        if isinstance(self._file, ResultFiles):
            return self._file.where(row, sample)
        return f"{self.path}, clip {row}, sample {sample}"


class SamplesFile:
    """Predictions of a samples file of the workflow."""

    def __init__(self, path: Path, truth: GroundTruth):
        self._file = contract.open_file(path, "samples")
        try:
            _check_clips(self._file["index"][:], truth, path)
        except BaseException:
            self._file.close()
            raise
        self._emotion = self._file["emotion"]
        self.shape, self.dtype = self._emotion.shape, self._emotion.dtype

    def read(self, row: int) -> np.ndarray:
        """One clip, (S, T, 25)."""
        return self._emotion[row]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def open_predictions(
    path: Path, truth: GroundTruth, *, samples: int | None = None, any_range: bool = False
) -> Iterator[Predictions]:
    """Open predictions for the clips of a ground truth.

    Args:
        path: Samples file (``.h5``); ``.npy`` or ``.npz`` (N, S, 750 or 751, 25) with rows in the
            official order; or a folder of ``result-{j}.pth`` or ``result-{j}.csv``.
        truth: The clips.
        samples: Score the first so many samples of each clip; None for all.
        any_range: Accept values far outside the released ranges.

    Raises:
        InputError: Unknown form, unfit shape, missing clips or samples. While clips are read: the
            first value that is not finite or out of range.
        StoreError: A samples file of other clips.
    """
    path = Path(path)
    with closing(_open(path, truth, samples)) as file:
        count = _check_shape(path, file, truth, samples)
        yield Predictions(path, file, count, None if any_range else PREDICTION_MARGIN)


def _open(path: Path, truth: GroundTruth, samples: int | None) -> PredictionFile:
    if path.is_dir():
        return ResultFiles(path, truth, samples)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.suffix == ".npy":
        return ArrayFile(path)
    if path.suffix == ".npz":
        return ArchiveFile(path)
    if path.suffix in (".h5", ".hdf5"):
        return SamplesFile(path, truth)
    raise InputError(
        f"{path}: predictions are a samples file (.h5), an array (.npy, .npz) or a folder of "
        "result-0.pth (or .csv) and so on"
    )


def _check_shape(path: Path, file: PredictionFile, truth: GroundTruth, samples: int | None) -> int:
    """Refuse what does not fit the clips; returns S."""
    shape = tuple(file.shape)
    if len(shape) != 4 or shape[2] not in FRAMES or shape[3] != EMOTION_DIM or not shape[1]:
        raise InputError(
            f"{path}: shape {shape}; expected (clips, samples, {FRAMES[0]} or {FRAMES[1]} frames, "
            f"{EMOTION_DIM} channels)"
        )
    if file.dtype.kind not in "fiub":
        raise InputError(f"{path}: holds {file.dtype}, expected numbers")
    if shape[0] != truth.rows:
        half = " (the list alone; its mirrored half is missing)" * (2 * shape[0] == truth.rows)
        raise InputError(
            f"{path}: {shape[0]} clips{half}, but split {truth.split} of {truth.source} has "
            f"{truth.rows}: its list, then the list mirrored"
        )
    if samples is not None and not 1 <= samples <= shape[1]:
        raise InputError(f"{path}: has {shape[1]} samples per clip; --samples asks for {samples}")
    return samples or shape[1]


def _check_clips(index: np.ndarray, truth: GroundTruth, path: Path) -> None:
    """Refuse a samples file of other clips than those of the ground truth."""
    if truth.index is not None:
        windows.check_same_index(index, truth.index, (str(path), truth.source))
        return
    found = [(row["session"].decode().upper(), str(int(row["clip"]))) for row in index]
    if len(found) != truth.rows:
        raise InputError(f"{path}: {len(found)} clips, but {truth.source} has {truth.rows}")
    for row, (here, there) in enumerate(zip(found, truth.clips, strict=True)):
        if here != there:
            raise InputError(
                f"{path}, clip {row}: is clip {here[1]} of session {here[0]}, but in "
                f"{truth.source} it is clip {there[1]} of session {there[0]}"
            )
