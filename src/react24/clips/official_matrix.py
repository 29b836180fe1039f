"""The organisers' matrix of appropriate reactions, and the part of it that belongs to a split.

``Approprirate_facial_reaction.npy`` (so spelled) is (2K, 2K) for the K lines of
``data_indices.csv``: row r is the clip of line r seen from the first person, row r + K the same
clip mirrored. A clip is found by upper-cased site, session and clip number.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from react24.errors import InputError, InputErrors

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""Upper-cased site, session and clip number."""

COLUMNS = ("site", "chat_index", "clip_index")


def part_of_matrix(keys: Sequence[Key], matrix: Path, index: Path) -> np.ndarray:
    """The rows and columns of the clips of a split, in their order, then the same mirrored.

    This is what the official ``matrix_split`` writes, except that it refuses what that script
    skips: a clip that the index lacks, after which every later row would belong to another clip.

    Args:
        keys: L clips.
        matrix: ``.npy`` file; read in place, row by row.
        index: CSV with the header ``site,chat_index,clip_index``.

    Returns:
        uint8 (2L, 2L); 1 where the official entry is exactly 1.

    Raises:
        InputError: Unreadable or unfit files; clips that are not in the index or are there twice.
    """
    found, total = _find_lines(keys, index)
    official = _open_matrix(matrix, total, index)
    wanted = np.concatenate([found, found + total])
    result = np.empty((len(wanted), len(wanted)), np.uint8)
    fractions = 0
    for i, line in enumerate(wanted):
        values = official[line][wanted]
        result[i] = values == 1
        fractions += int(((values != 0) & (values != 1)).sum())
    if fractions:
        logger.warning("%s: %d entries are neither 0 nor 1 and count as 0", matrix, fractions)
    return result


def check_files(matrix: Path, index: Path) -> list[tuple[str, str]]:
    """What is wrong with the two files apart from the clips they are of: (which, sentence)."""
    try:
        total: int | None = len(_read_index(index))
    except InputError as error:
        total, told = None, [("index", str(error))]
    else:
        told = []
    try:
        _open_matrix(matrix, total, index)
    except InputError as error:
        told.append(("matrix", str(error)))
    return told


def check_clips(keys: Sequence[Key], index: Path) -> list[str]:
    """Which clips the index lacks or has several times; nothing where it cannot be read."""
    try:
        _find_lines(keys, index)
    except InputErrors as error:
        return error.problems
    except (InputError, OSError):  # told by `check_files`, or with the configuration
        return []
    return []


def _read_index(path: Path) -> pd.DataFrame:
    """The lines of the index, cells upper-cased."""
    import pandas as pd

    try:
        lines = pd.read_csv(path, dtype=str, na_filter=False, index_col=False, encoding="utf-8-sig")
    except ValueError as error:  # pandas' own errors are values too
        raise InputError(f"{path}: not a table of {', '.join(COLUMNS)} ({error})") from error
    if missing := [name for name in COLUMNS if name not in lines]:
        raise InputError(
            f"{path}: its columns are {list(lines)}, without {', '.join(missing)}; expected "
            f"{', '.join(COLUMNS)}"
        )
    return lines[list(COLUMNS)].apply(lambda column: column.str.strip().str.upper())


def _find_lines(keys: Sequence[Key], path: Path) -> tuple[np.ndarray, int]:
    """The line (from 0, below the header) of each clip, and how many lines there are."""
    import pandas as pd

    cells = _read_index(path)
    numbers = pd.Series(range(len(cells)), pd.MultiIndex.from_frame(cells))
    found = numbers.groupby(level=list(COLUMNS)).agg(["size", "first"])
    found = found.reindex(pd.MultiIndex.from_tuples(keys), fill_value=0)
    problems = [
        f"clip {clip} of session {session} ({site}) is in the index {count} times"
        for (site, session, clip), count in zip(keys, found["size"], strict=True)
        if count != 1
    ]
    if problems:
        raise InputErrors(
            f"{path} must hold every clip of the split exactly once; leave these clips out of the "
            "split or use appropriate.source: dtw",
            problems,
        )
    return found["first"].to_numpy(), len(cells)


def _open_matrix(path: Path, total: int | None, index: Path) -> np.ndarray:
    """The matrix, whose shape follows from the lines of the index, where those are known."""
    try:
        official = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: not a plain NumPy array file ({error})") from error
    if total is None:
        return official
    if official.shape != (2 * total, 2 * total):
        raise InputError(
            f"{path} has shape {official.shape}, but {index} has {total} lines, which asks for "
            f"({2 * total}, {2 * total}): each clip from either side"
        )
    return official
