"""Predictions in one ``.npy`` or ``.npz`` file, read clip by clip."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from react24.errors import InputError

NAMES = ("predictions", "emotion", "pred", "arr_0")
"""Arrays of an ``.npz`` that are taken, the first of them that is there; a single array may have
any name."""


class ArrayFile:
    """Predictions (N, S, T, 25) of an ``.npy`` file, each clip read when it is asked for.

    Not mapped into memory: pages that were touched would stay and count as memory of the process.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: not a plain NumPy array file ({error})") from error
        self.shape, self.dtype = mapped.shape, mapped.dtype
        self._mapped = None if mapped.flags.c_contiguous else mapped
        self._start = mapped.offset
        self._file = path.open("rb")

    def read(self, row: int) -> np.ndarray:
        """One clip, (S, T, 25)."""
        if self._mapped is not None:  # Fortran order: a clip is scattered over the file
            return self._mapped[row]
        count = int(np.prod(self.shape[1:]))
        self._file.seek(self._start + row * count * self.dtype.itemsize)
        return np.fromfile(self._file, self.dtype, count).reshape(self.shape[1:])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ArchiveFile:
    """Predictions (N, S, T, 25) of an ``.npz`` file, which is unpacked as the clips are read.

    An archive cannot be mapped into memory, and unpacked whole it may not fit; but scoring asks
    for the clips in order. Going back starts again from the beginning.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a readable .npz archive ({error})") from error
        self._name = self._choose()
        self._start()

    def _choose(self) -> str:
        found = [name.removesuffix(".npy") for name in self._archive.namelist()]
        chosen = found if len(found) == 1 else [name for name in NAMES if name in found]
        if not chosen:
            raise InputError(
                f"{self._path}: holds the arrays {', '.join(found) or 'none'}; which are the "
                f"predictions? Accepted names: {', '.join(NAMES[:-1])}, or a single array"
            )
        return chosen[0]

    def _start(self) -> None:
        """Open the array and read its header."""
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        try:
            self._stream: IO[bytes] = self._archive.open(f"{self._name}.npy")
            version = np.lib.format.read_magic(self._stream)
            self.shape, fortran, self.dtype = readers[version](self._stream)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path}: array {self._name} cannot be read") from error
        if fortran or self.dtype.hasobject:
            raise InputError(
                f"{self._path}: array {self._name} holds objects or is in Fortran order; save it "
                "again with np.savez(path, predictions=np.ascontiguousarray(x, np.float32))"
            )
        self._row = 0

    def read(self, row: int) -> np.ndarray:
        """One clip, (S, T, 25)."""
        if row < self._row:
            self._stream.close()
            self._start()
        size = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        data = b""
        try:
            while self._row <= row:
                data = self._stream.read(size)
                self._row += 1
        except (OSError, zipfile.BadZipFile, EOFError) as error:
            raise InputError(f"{self._path}, clip {row}: damaged ({error})") from error
        if len(data) != size:
            raise InputError(f"{self._path}, clip {row}: the array ends before it")
        return np.frombuffer(data, self.dtype).reshape(self.shape[1:])

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
