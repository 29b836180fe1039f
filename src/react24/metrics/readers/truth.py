"""What predictions are held against: behaviour of speakers and listeners, and the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.clips.windows import listener_rows
from react24.errors import InputError
from react24.metrics.arrays import Rows


@dataclass(frozen=True)
class GroundTruth:
    """The clips of a split in the official order: the L pairs of its list, then the same mirrored.

    Attributes:
        speaker: float32 (2L, 750, 25); the listener of row i is the speaker of (i + L) mod 2L.
        matrix: uint8 (2L, 2L); 1 where the real reaction of a column is appropriate for a row.
        folders: Per row, under which relative folders its predictions may lie, the first choice
            first: the path of the speaker's clip.
        clips: Per row, session and clip number as text.
        sessions: Per row, the recording it comes from; rows of one recording are not independent.
        index: Of the clips file, None for an official folder.
        split: Its name.
        source: Where the behaviour comes from, for people.
        appropriate: Where the matrix comes from, for people.
        valid: bool (2L, 750), in which frames the speaker is known; None where nothing is said.
    """

    speaker: np.ndarray
    matrix: np.ndarray
    folders: tuple[tuple[Path, ...], ...]
    clips: tuple[tuple[str, str], ...]
    sessions: tuple[str, ...]
    index: np.ndarray | None
    split: str
    source: str
    appropriate: str
    valid: np.ndarray | None = None

    @property
    def listener(self) -> Rows:
        """The real reactions, (2L, 750, 25)."""
        return Rows(self.speaker, listener_rows(len(self.speaker)))

    @property
    def listener_valid(self) -> np.ndarray | None:
        """``valid`` of the real reactions, bool (2L, 750)."""
        return None if self.valid is None else self.valid[listener_rows(len(self.valid))]

    @property
    def rows(self) -> int:
        """Directions, 2L (N of the metrics)."""
        return len(self.speaker)


def open_ground_truth(
    data: Path, split: str, *, appropriate: Path | None = None, any_range: bool = False
) -> GroundTruth:
    """Read the ground truth of a split.

    Args:
        data: A clips file of the ``graphau`` stream, a results folder of the workflow (with
            ``clips/graphau/{split}.h5``), or a folder of the official data (with ``{split}.csv``).
        split: Its name.
        appropriate: Matrix in place of the usual one: ``.npy`` (2L, 2L), or an appropriate file.
        any_range: Accept behaviour outside the released ranges.

    Raises:
        InputError: None of these, or something in it is missing or unfit (named).
        StoreError: Files of the workflow that do not belong together.
    """
    from react24.metrics.readers.official_folder import read_official_folder
    from react24.metrics.readers.workflow_files import read_clips_file

    data = Path(data)
    if data.is_file():
        return read_clips_file(data, split, appropriate, any_range=any_range)
    clips = data / "clips" / "graphau" / f"{split}.h5"
    if clips.exists():
        return read_clips_file(clips, split, appropriate, any_range=any_range)
    if (data / f"{split}.csv").exists():
        return read_official_folder(data, split, appropriate, any_range=any_range)
    raise InputError(
        f"{data}: neither a clips file, nor a folder with {split}.csv (the official data) or "
        f"{clips.relative_to(data)} (results of the workflow)"
    )


def read_matrix(path: Path, rows: int) -> np.ndarray:
    """Read a matrix of appropriate reactions that somebody else cut out for the split.

    Returns:
        uint8 (rows, rows); 1 where the entry is exactly 1, as officially.

    Raises:
        InputError: Unreadable, another shape, NaN, or a row without a 1.
    """
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a plain NumPy array file ({error})") from error
    if not isinstance(matrix, np.ndarray) or matrix.shape != (rows, rows):
        raise InputError(
            f"{path}: shape {getattr(matrix, 'shape', 'of an archive')}, but the split has {rows} "
            f"directions, which asks for ({rows}, {rows}). A smaller one is what the official "
            "matrix_split leaves when clips are not in its index: its rows belong to other clips"
        )
    result = np.empty((rows, rows), np.uint8)
    for row in range(rows):
        line = np.asarray(matrix[row])
        if line.dtype.kind == "f" and np.isnan(line).any():
            raise InputError(f"{path}, row {row}, column {int(np.isnan(line).argmax())}: NaN")
        result[row] = line == 1
        if not result[row].any():
            raise InputError(
                f"{path}, row {row}: no entry of exactly 1; every direction needs at least one "
                "appropriate reaction, its own"
            )
    return result
