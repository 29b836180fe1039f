"""Reading files that others published, without trusting them: nothing in a file is run.

What is accepted: torch files of plain tensors and arrays (``torch.save`` of a state_dict or of a
checkpoint around one), whole pickled networks (``whole_module``), ``.safetensors``, ``.npz`` and
``.npy``. Anything else is refused with a word on what it is.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from react24.errors import InputError
from react24.weights.names import strip_module
from react24.weights.reading import UNREADABLE, load_plain
from react24.weights.recognise import describe_content, find_state, name_state
from react24.weights.unfit import NUMPY, ZIP, guess_kind
from react24.weights.unfit import PICKLE as PICKLED
from react24.weights.whole_module import PICKLE, read_whole_module

logger = logging.getLogger(__name__)

_LIGHTNING = b"pytorch-lightning_version"
_NETWORK = b"_modules"
"""Attribute that every pickled network of torch has."""


@dataclass(frozen=True)
class OfficialFile:
    """A file that has been read.

    Attributes:
        path: Where it lies.
        content: Name -> tensor, array, number, text, or a dict of these. A single array is
            ``array``; a whole pickled network gives ``class``, ``state_dict`` and
            ``attributes`` (``whole_module.read_whole_module``).
    """

    path: Path
    content: Mapping[str, Any]

    def describe(self) -> str:
        """What it holds, e.g. ``a state_dict of stage 1 of BeLFusion (its VAE)``."""
        return describe_content(self.content)

    def state(self, wanted: str) -> dict[str, Tensor]:
        """The state_dict in it, without ``module.`` before the keys.

        Args:
            wanted: Which network it must be of, a key of ``recognise.NETWORKS``.

        Raises:
            InputError: There is none, or it is of another network.
        """
        state = find_state(self.content)
        if state is None or name_state(state) != wanted:
            raise self.error(f"a state_dict of {wanted}, or a checkpoint that holds one")
        return strip_module(state)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Input errors raised inside name this file."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error

    def error(self, expected: str) -> InputError:
        """The complaint that something else was expected."""
        return InputError(f"{self.path}: this is {self.describe()}; expected {expected}")


def read_official(path: str | Path, expected: str = "an official checkpoint") -> OfficialFile:
    """Read a published file.

    Args:
        path: Torch file, ``.safetensors``, ``.npz`` or ``.npy``; told apart by content.
        expected: What it should be, for error messages.

    Raises:
        InputError: Not there, damaged, of another kind, or holding more than numbers and text.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder; name the file in it" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; expected {expected}")
    with path.open("rb") as file:
        start = file.read(4096)
    try:
        content = _read(path, start)
    except InputError as error:
        raise InputError(f"{error}; expected {expected}") from error
    except (*UNREADABLE, zipfile.BadZipFile, SafetensorError) as error:
        raise InputError(f"{path}: damaged or incomplete ({error}); expected {expected}") from error
    if isinstance(content, Tensor | np.ndarray):
        content = {"array": content}
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: this is {describe_content(content)}; expected {expected}")
    return OfficialFile(path, content)


def read_mean_face(file: OfficialFile | None, size: int) -> Tensor | None:
    """The mean coefficients that official 3DMM coefficients are relative to, float32 (size,).

    None, with a warning, where no file is given.

    Raises:
        InputError: The file does not hold one array of this size.
    """
    if file is None:
        logger.warning(
            "no file 'mean_face' is given: coefficients come out relative to the mean face"
        )
        return None
    mean = torch.as_tensor(file.content.get("array", torch.empty(0))).flatten()
    if mean.numel() != size:
        raise file.error(f"an array of {size} mean coefficients (.npy)")
    return mean.float()


def _read(path: Path, start: bytes) -> Any:
    if start.startswith(ZIP):
        return _read_archive(path)
    if start.startswith(NUMPY):
        return _numeric(path, "the array", np.load(path, allow_pickle=False))
    if start.startswith(PICKLED):
        return load_plain(path)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return load_file(path)
    raise InputError(f"{path}: this is {guess_kind(start)}")


def _read_archive(path: Path) -> Any:
    """A ZIP archive: of torch, or of NumPy arrays."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith(PICKLE)]
        head = archive.read(pickles[0]) if len(pickles) == 1 else b""
    if any("/code/" in name for name in names):
        raise InputError(f"{path}: this is a TorchScript archive, a compiled network")
    if names and all(name.endswith(".npy") for name in names):
        with np.load(path, allow_pickle=False) as arrays:
            return {name: _numeric(path, name, arrays[name]) for name in arrays.files}
    if len(pickles) != 1:
        raise InputError(f"{path}: this is a ZIP archive of {', '.join(names[:3]) or 'nothing'}")
    try:
        return load_plain(path)
    except InputError as error:
        if _LIGHTNING in head:
            raise InputError(f"{error}; this is a checkpoint of PyTorch Lightning") from error
        if _NETWORK not in head:
            raise
    return read_whole_module(path)


def _numeric(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path}: {name} holds {array.dtype} and not numbers")
    return array
