"""Ground truth from the workflow's files: clips of the ``graphau`` stream, appropriate file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from react24.clips import windows
from react24.conventions import EMOTION_DIM
from react24.errors import InputError
from react24.files.appropriate import read_appropriate
from react24.metrics.readers.checks import TRUTH_MARGIN, check_values
from react24.metrics.readers.truth import GroundTruth, read_matrix


def read_clips_file(
    path: Path, split: str, appropriate: Path | None, *, any_range: bool = False
) -> GroundTruth:
    """Read the native behaviour of a split.

    Args:
        path: Clips file of the ``graphau`` stream.
        split: What the file must be of.
        appropriate: Appropriate file or ``.npy`` matrix; None for the file of the workflow,
            ``appropriate/{split}.h5`` beside the folder ``clips``.
        any_range: Accept behaviour outside the released ranges.

    Raises:
        InputError: Another stream or split, no matrix, unfit values.
        StoreError: Not a clips file, or the appropriate file is of other clips.
    """
    margin = None if any_range else TRUTH_MARGIN
    with windows.open_clips(path) as clips:
        if clips.split != split:
            raise InputError(f"{path}: holds split {clips.split}, not {split}")
        if clips.native is None or clips.native.shape[2] != EMOTION_DIM:
            raise InputError(
                f"{path}: stream {clips.stream}; reactions are scored on graphau, which has "
                f"{EMOTION_DIM} channels"
            )
        index = clips.index
        valid = clips.valid[:]
        speaker = np.stack(
            [
                check_values(clips.native[row][None], f"{path}, clip {row}", margin)[0]
                for row in range(clips.rows)
            ]
        )
    matrix, source = _matrix(path, index, split, appropriate)
    named = [(r["session"].decode(), r["role"].decode(), str(int(r["clip"]))) for r in index]
    return GroundTruth(
        speaker=speaker,
        matrix=matrix,
        folders=tuple((Path(*name),) for name in named),
        clips=tuple((session.upper(), clip) for session, _, clip in named),
        sessions=tuple(session for session, _, _ in named),
        index=index,
        split=split,
        source=str(path),
        appropriate=source,
        valid=valid,
    )


def _matrix(
    clips: Path, index: np.ndarray, split: str, appropriate: Path | None
) -> tuple[np.ndarray, str]:
    path = appropriate or clips.resolve().parents[2] / "appropriate" / f"{split}.h5"
    if appropriate is None and not path.exists():
        raise InputError(
            f"{clips}: which reactions are appropriate is not said ({path} is not there); name an "
            "appropriate file or a .npy matrix with --appropriate"
        )
    if path.suffix == ".npy":
        return read_matrix(path, len(index)), str(path)
    found = read_appropriate(path)
    windows.check_same_index(found.index, index, (str(path), str(clips)))
    return found.matrix, found.source
