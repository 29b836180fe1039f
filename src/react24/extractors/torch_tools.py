"""What the extractors share about torch: choosing a device, reading files that are not trusted."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch

from react24.errors import InputError


def choose_device(device: str) -> torch.device:
    """``auto`` is the first GPU if there is one, else the processor.

    Raises:
        InputError: A GPU is asked for and there is none, or no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r}; accepted: auto, cpu, cuda, cuda:N") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} is asked for, but torch finds no GPU; use cpu or auto")
    return chosen


def load_torch(path: Path) -> dict:
    """Load a dict of tensors or NumPy arrays; anything else in the file is refused, not run.

    The published PCA file holds NumPy arrays, which torch does not admit by itself; the few types
    that plain numeric arrays need are admitted here, object arrays are not among them.

    Raises:
        InputError: Not a torch file, or one that holds other things.
    """
    try:
        with torch.serialization.safe_globals(_array_types()):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: not a file of plain tensors and arrays that torch can read ({error})"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, expected a dict of tensors")
    return content


def _array_types() -> list:
    rebuild = np.empty(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("float32", "float64")]
    # The same function under the name that files written with NumPy 1 use.
    former = (rebuild, "numpy.core.multiarray._reconstruct")
    return [rebuild, former, np.ndarray, np.dtype, *kinds]
