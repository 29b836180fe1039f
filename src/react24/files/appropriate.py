"""The matrix of appropriate reactions of a split (``react24.clips.appropriate`` writes it)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.files import contract


@dataclass(frozen=True)
class Appropriate:
    """An appropriate file: ``matrix`` uint8 (2L, 2L), ``index`` of the clips, ``source``."""

    matrix: np.ndarray
    index: np.ndarray
    source: str


def read_appropriate(path: Path) -> Appropriate:
    """Read an appropriate file.

    Raises:
        FileNotFoundError, StoreError: As ``contract.open_file``.
    """
    with contract.open_file(path, "appropriate") as file:
        return Appropriate(file["matrix"][:], file["index"][:], str(file.attrs["source"]))
