"""The official data folder: ``{split}.csv``, ``Emotion/**/*.csv`` and the matrix."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from react24.clips.official_matrix import part_of_matrix
from react24.conventions import CLIP_FRAMES, EMOTION_DIM
from react24.errors import InputError, InputErrors
from react24.log import progress
from react24.metrics.readers.checks import TRUTH_MARGIN, check_values
from react24.metrics.readers.emotion_csv import read_emotion_csv
from react24.metrics.readers.official_list import ClipPair, ClipPath, read_list
from react24.metrics.readers.truth import GroundTruth, read_matrix

logger = logging.getLogger(__name__)

MATRIX = "Approprirate_facial_reaction.npy"
INDEX = "data_indices.csv"


def read_official_folder(
    folder: Path, split: str, appropriate: Path | None, *, any_range: bool = False
) -> GroundTruth:
    """Read ``{split}.csv``, the labels of its clips and the matrix.

    Labels are looked for in ``{split}/Emotion`` and ``Emotion``, the person's folder under each
    name it goes by. The matrix is ``neighbour_emotion_{split}.npy`` or, where that is missing, cut
    out of ``Approprirate_facial_reaction.npy`` with ``data_indices.csv``.

    Args:
        folder: The official data folder.
        split: Its name.
        appropriate: Matrix (2L, 2L) to use instead.
        any_range: Accept labels outside the released ranges.

    Raises:
        InputError: Missing clips (all of them), unreadable or unfit files, no matrix.
    """
    pairs = read_list(folder / f"{split}.csv")
    people = [pair.speaker for pair in pairs] + [pair.listener for pair in pairs]
    files = find_labels(folder, split, people)
    speaker = np.empty((len(files), CLIP_FRAMES, EMOTION_DIM), np.float32)
    margin = None if any_range else TRUTH_MARGIN
    for row, path in enumerate(progress(files, what="reading labels", unit="clip")):
        speaker[row] = check_values(read_emotion_csv(path)[None], str(path), margin)[0]
    matrix, source = read_official_matrix(folder, split, pairs, appropriate)
    return GroundTruth(
        speaker=speaker,
        matrix=matrix,
        folders=tuple(tuple(person.spellings()) for person in people),
        clips=tuple((person.key[1], person.key[2]) for person in people),
        sessions=tuple(person.session for person in people),
        index=None,
        split=split,
        source=str(folder),
        appropriate=source,
    )


def find_labels(folder: Path, split: str, people: list[ClipPath]) -> list[Path]:
    """The file of each clip.

    Raises:
        InputErrors: Files that are not there under any name.
    """
    roots = [root for root in (folder / split / "Emotion", folder / "Emotion") if root.is_dir()]
    if not roots:
        raise InputError(f"{folder}: has neither {split}/Emotion nor Emotion, the folder of labels")
    found: list[Path] = []
    missing: list[str] = []
    for person in people:
        tried = [root / f"{name}.csv" for root in roots for name in person.spellings()]
        path = next((path for path in tried if path.is_file()), None)
        if path:
            found.append(path)
        else:
            names = ", ".join(dict.fromkeys(path.parent.name for path in tried))
            missing.append(f"{roots[0] / str(person)}.csv (person tried: {names})")
    if missing:
        raise InputErrors(
            f"{folder / split}.csv names {len(people)} clips; the labels of {len(missing)} are "
            "missing. Restore the files, or take their lines out of the list and its rows and "
            "columns out of the matrix",
            missing,
        )
    return found


def read_official_matrix(
    folder: Path, split: str, pairs: list[ClipPair], appropriate: Path | None
) -> tuple[np.ndarray, str]:
    """The matrix of the split and where it comes from.

    Raises:
        InputError: None there, or unfit.
    """
    ready = appropriate or folder / f"neighbour_emotion_{split}.npy"
    if appropriate or ready.exists():
        return read_matrix(ready, 2 * len(pairs)), str(ready)
    matrix = folder / MATRIX
    # The official code reads the index from the data folder, but ships it in the folder tool.
    places = [folder / INDEX, folder / "tool" / INDEX, folder.parent / "tool" / INDEX]
    index = next((path for path in places if path.exists()), None)
    if not matrix.exists() or index is None:
        raise InputError(
            f"{folder}: which reactions are appropriate is not said: neither {ready.name} nor "
            f"{MATRIX} with {INDEX} is there. Name a matrix with --appropriate"
        )
    logger.info("%s is not there; cutting it out of %s", ready, matrix)
    result = part_of_matrix([pair.speaker.key for pair in pairs], matrix, index)
    empty = np.flatnonzero(~result.any(axis=1))
    if len(empty):
        raise InputError(
            f"{matrix}: direction {empty[0]} of split {split} has no appropriate reaction within "
            f"the split ({len(empty)} such directions)"
        )
    return result, f"{matrix} and {index}"
