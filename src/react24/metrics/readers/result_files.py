"""Predictions in one file per reaction: ``{speaker's path}/result-{j}.pth`` or ``.csv``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from react24.conventions import CLIP_FRAMES, EMOTION_DIM
from react24.errors import InputError
from react24.metrics.arrays import to_numpy
from react24.metrics.readers.checks import check_shape
from react24.metrics.readers.emotion_csv import read_emotion_csv
from react24.metrics.readers.truth import GroundTruth


class ResultFiles:
    """A folder as REGNN writes it: ``[{split}/]{site}/{session}/{person}/{clip}/result-{j}.pth``.

    Path and person are those of the speaker, in either of their names; j counts the S samples
    from 0. CSVs lie in the same places. All files are found before the first is read.
    """

    def __init__(self, root: Path, truth: GroundTruth, samples: int | None):
        self._folders, kind = _find_folders(root, truth)
        self._read_one = READERS[kind]
        count = samples or _count(self._folders[0], kind)
        self._files = [[f / f"result-{j}{kind}" for j in range(count)] for f in self._folders]
        self._check_all(kind, samples)
        self.shape = (len(self._files), count, CLIP_FRAMES, EMOTION_DIM)
        self.dtype = np.dtype("f4")

    def _check_all(self, kind: str, samples: int | None) -> None:
        for folder, files in zip(self._folders, self._files, strict=True):
            for path in files:
                if not path.is_file():
                    raise InputError(
                        f"{path}: missing; every clip needs result-0{kind} to {files[-1].name}, as "
                        + ("asked for with --samples" if samples else f"in {self._folders[0]}")
                    )
            if not samples and _count(folder, kind) != len(files):
                raise InputError(
                    f"{folder}: holds {_count(folder, kind)} reactions, {self._folders[0]} holds "
                    f"{len(files)}; --samples N scores the first N of each"
                )

    def where(self, row: int, sample: int) -> str:
        """The file of a reaction."""
        return str(self._files[row][sample])

    def read(self, row: int) -> np.ndarray:
        """One clip, (S, 750, 25)."""
        clip = np.empty(self.shape[1:], np.float32)
        for sample, path in enumerate(self._files[row]):
            values = self._read_one(path)
            check_shape(values.shape, str(path))
            clip[sample] = values[:CLIP_FRAMES]
        return clip

    def close(self) -> None:
        """Nothing is kept open."""


def _find_folders(root: Path, truth: GroundTruth) -> tuple[list[Path], str]:
    """The folder of each clip and the kind of file in it."""
    roots = [path for path in (root / truth.split, root) if path.is_dir()]
    folders: list[Path] = []
    for row, names in enumerate(truth.folders):
        tried = [base / name for base in roots for name in names]
        folder = next((path for path in tried if path.is_dir()), None)
        if folder is None:
            raise InputError(
                f"{tried[0]}: missing, and so are the predictions of clip {row} of split "
                f"{truth.split}. Expected {root}/[{truth.split}/]{names[0]}/result-0.pth (or .csv) "
                "and so on"
            )
        folders.append(folder)
    for kind in READERS:
        if (folders[0] / f"result-0{kind}").is_file():
            return folders, kind
    raise InputError(f"{folders[0]}: holds neither result-0.pth nor result-0.csv")


def _count(folder: Path, kind: str) -> int:
    pattern = re.compile(rf"result-\d+{re.escape(kind)}")
    return sum(1 for path in folder.iterdir() if pattern.fullmatch(path.name))


def _read_torch(path: Path) -> np.ndarray:
    """A tensor (T, 25), read without running anything that the file may hold."""
    try:
        from react24.weights.reading import load_plain
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: reading .pth files needs torch, which is not installed"
        ) from error
    values = load_plain(path)
    if not hasattr(values, "shape"):
        raise InputError(f"{path}: holds a {type(values).__name__}, expected one tensor")
    return to_numpy(values)


READERS: dict[str, Callable[[Path], np.ndarray]] = {".pth": _read_torch, ".csv": read_emotion_csv}
"""Suffix -> reader of one reaction, (T, 25)."""
