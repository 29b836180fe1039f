"""Reading torch files that are not trusted: plain tensors and arrays, nothing is run."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from react24.errors import InputError

UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
"""What readers of damaged or hostile files raise, besides ``OSError``."""

SHOWN = 200
"""Characters of another library's message that are repeated."""

_NUMERIC = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


def load_torch(path: Path) -> dict:
    """Load a dict of tensors or NumPy arrays; anything else in the file is refused, not run.

    Raises:
        InputError: Not a torch file, or one that holds other things.
    """
    content = load_plain(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, expected a dict of tensors")
    return content


def load_plain(path: Path) -> Any:
    """Load tensors, numeric NumPy arrays, numbers and text, in lists and dicts or alone.

    The published files hold NumPy arrays here and there, which torch does not admit by itself;
    the few types that plain numeric arrays need are admitted here, object arrays are not among
    them.

    Raises:
        InputError: Not a torch file, or one that holds other things.
    """
    try:
        return load_restricted(path, _array_types())
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not a file of plain tensors and arrays that torch can read ({reason(error)})"
        ) from error


def load_restricted(path: Path, admitted: list) -> Any:
    """What torch's restricted reader makes of a file.

    Args:
        path: Torch file.
        admitted: Classes and functions that it may use besides torch's own list: each itself, or
            with the name that the file has for it.

    Raises:
        OSError: It cannot be opened.
        Exception: One of ``UNREADABLE``: damaged, or it asks for something else.
    """
    with warnings.catch_warnings(), torch.serialization.safe_globals(admitted):
        warnings.filterwarnings("ignore", "Detected pickle protocol")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=False)


def tell_difference(
    found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
) -> str:
    """How many tensors (key -> shape) differ, and the first of them; empty where none does."""
    differing = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
    if not differing:
        return ""
    key = differing[0]
    return (
        f"{len(differing)} tensors differ, e.g. {key}: expected "
        f"{wanted.get(key, 'no such key')}, found {found.get(key, 'none')}"
    )


def reason(error: BaseException) -> str:
    """The gist of torch's message, without its advice to load the file carelessly."""
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    named = re.search(r"(?:GLOBAL|class) ['`]?([\w.]+)", text)
    if named:
        return f"it refers to {named[1]}, which is neither a tensor nor an array"
    return (text.strip().splitlines() or [type(error).__name__])[0][:SHOWN]


def _array_types() -> list:
    rebuild, scalar = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in _NUMERIC]
    # The same functions under the names that files written with NumPy 1 use.
    former = [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (scalar, "numpy.core.multiarray.scalar"),
    ]
    return [rebuild, scalar, *former, np.ndarray, np.dtype, *kinds]
