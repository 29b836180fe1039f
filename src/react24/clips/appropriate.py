"""Which reactions are appropriate to which speaker behaviour: M[i, j] for the clips of a split.

``M[i, j] = 1`` says that the real reaction of direction j (listener row (j + L) mod 2L of the
clips file) is appropriate to the speaker of direction i, because the speakers of i and j behaved
alike. Two sources: the official matrix, which one has to ask its owners for, and a stand-in
computed from the clips.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from react24.clips import windows
from react24.clips.official_matrix import part_of_matrix
from react24.dtw import banded_distances
from react24.errors import InputError
from react24.files import contract
from react24.log import progress

logger = logging.getLogger(__name__)

BLOCK_FRAMES = 5
"""Frames averaged into one step (0.2 s) before the stand-in compares speakers."""

BAND_STEPS = 15
"""Steps (3 s) by which the stand-in's alignment may leave the diagonal."""

STAND_IN = (
    "Stand-in: the {k} nearest speaker clips of the split (own clip included, own partner "
    "excluded), made symmetric; distance = block-weighted DTW of the native 25 channels in steps "
    "of 0.2 s within a band of 3 s"
)


def compute_appropriate(
    clips_graphau: Path,
    output: Path,
    *,
    source: str = "dtw",
    k: int = 3,
    matrix: Path | None = None,
    index: Path | None = None,
    sites: Mapping[str, str] | None = None,
    threads: int = 1,
) -> None:
    """Write the appropriate file of a split.

    Args:
        clips_graphau: Clips file of the ``graphau`` stream.
        output: Appropriate file.
        source: ``dtw`` (stand-in) or ``official``.
        k: Appropriate reactions per clip with ``dtw``, own clip included.
        matrix: ``Approprirate_facial_reaction.npy`` (so spelled), for ``official``.
        index: ``data_indices.csv``, which names the rows of ``matrix``, for ``official``.
        sites: Session -> site (``NoXI``, ``RECOLA``, ``UDIVA``), for ``official``.
        threads: Threads of ``dtw``; the result does not depend on them.

    Raises:
        InputError: Unknown source, missing or unfit arguments, clips that the official index does
            not hold (all of them, by name).
    """
    used = {"clips": clips_graphau}
    with windows.open_clips(clips_graphau) as clips:
        rows = clips.index
        if source == "official":
            if matrix is None or index is None or sites is None:
                raise InputError(
                    "appropriate.source is official, which needs appropriate.matrix, "
                    "appropriate.index and the site of every session"
                )
            result = official_matrix(rows, matrix, index, sites)
            description = "official"
            used |= {"matrix": matrix, "index": index}
        elif source == "dtw":
            if clips.native is None or clips.native.shape[2] != 25:
                raise InputError(
                    f"{clips_graphau}: stream {clips.stream} has no native 25 channels; the "
                    "stand-in compares the graphau stream"
                )
            result = nearest_speakers(clips.native, clips.valid, k=k, threads=threads)
            description = STAND_IN.format(k=k)
        else:
            raise InputError(f"appropriate.source is {source!r}; accepted: dtw, official")
    with contract.create(
        output,
        schema="appropriate",
        created_by="appropriate_reactions",
        config={"source": source, "k": k if source == "dtw" else None},
        inputs=contract.digest_inputs(**used),
    ) as file:
        file.create_dataset("matrix", data=result)
        file.create_dataset("index", data=rows)
        file.attrs["source"] = description
    logger.info(
        "%d clips, %.1f appropriate reactions each", len(result), result.sum() / len(result)
    )


def official_matrix(
    rows: np.ndarray, matrix: Path, index: Path, sites: Mapping[str, str]
) -> np.ndarray:
    """The part of the official matrix that belongs to the clips of a split, uint8 (2L, 2L).

    The matrix's first person is ours of role a; see ``react24.clips.official_matrix``.

    Args:
        rows: (2L,) of ``contract.INDEX_DTYPE``.
        matrix: As for `part_of_matrix`, which also says what may be wrong with it and ``index``.
        index: CSV with the header ``site,chat_index,clip_index``.
        sites: Session -> site.
    """
    half = len(rows) // 2
    keys = []
    for row in rows:
        session = row["session"].decode()
        if session not in sites:
            raise InputError(f"session {session} has no site; the official matrix is indexed by it")
        keys.append((sites[session].upper(), session.upper(), str(int(row["clip"]))))
    if keys[:half] != keys[half:]:
        raise InputError("the clips of role b are not those of role a in the same order")
    return part_of_matrix(keys[:half], matrix, index)


def nearest_speakers(
    native: Sequence[np.ndarray],
    valid: Sequence[np.ndarray] | None = None,
    *,
    k: int,
    threads: int = 1,
) -> np.ndarray:
    """For each speaker clip, itself and the k - 1 most similar ones; then made symmetric.

    The other person of the same clip (row i + L) is never taken: its direction's listener is
    speaker i, whose own behaviour is not a reaction to it. Of equally distant clips the one with
    the lower row wins. Because of the symmetry a row may have more than k entries; if the split
    has fewer candidates, all of them are taken.

    Args:
        native: (2L, 750, 25) in native units; an HDF5 dataset is read clip by clip.
        valid: bool (2L, 750), in which frames they are known; None for all.
        k: At least 1, own clip included.
        threads: Used for the distances.

    Returns:
        uint8 (2L, 2L), symmetric, ones on the diagonal.

    Raises:
        InputError: k below 1.
    """
    if k < 1:
        raise InputError(f"appropriate.k is {k}; it counts the clip itself and is at least 1")
    rows = len(native)
    partner = windows.listener_rows(rows)
    distances = np.empty((rows, rows))
    if k > 1:
        distances = speaker_distances(native, valid, threads=threads)
    result = np.eye(rows, dtype=np.uint8)
    for i in range(rows):
        others = np.array([j for j in range(rows) if j not in (i, partner[i])], dtype=int)
        nearest = np.argsort(distances[i, others], kind="stable")[: k - 1]
        result[i, others[nearest]] = 1
    return result | result.T


def speaker_distances(
    native: Sequence[np.ndarray], valid: Sequence[np.ndarray] | None = None, *, threads: int = 1
) -> np.ndarray:
    """Distance of every two speaker clips, float64 (N, N), symmetric, 0 on the diagonal.

    The block-weighted DTW of FRDist (AUs / 15 + valence and arousal + expressions / 8), on means
    over 5 frames and within 3 s of the diagonal: about a thousandth of the full alignment's work.

    Args:
        native: (N, T, 25).
        valid: bool (N, T), in which frames they are known; None for all.
        threads: Rows are computed side by side.
    """
    known = [None] * len(native) if valid is None else valid
    steps = np.stack([block_means(np.asarray(c), k) for c, k in zip(native, known, strict=True)])
    sequences = np.ascontiguousarray(steps.transpose(0, 2, 1))  # (N, 25, T / 5)
    count = len(sequences)
    distances = np.zeros((count, count))

    def fill(i: int) -> None:
        banded_distances(sequences, i, BAND_STEPS, distances[i])

    with ThreadPoolExecutor(threads) as pool:
        for _ in progress(
            pool.map(fill, range(count)), what="comparing speakers", unit="clip", total=count
        ):
            pass
    return distances + distances.T


def block_means(clip: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Means of a clip (T, 25) over 5 frames, float64 (T // 5, 25); surplus frames are left out.

    Only frames that are ``valid``, bool (T,), count; None for all. A step without any has the mean
    of the last one before it that has some, or of the first one.
    """
    steps = len(clip) // BLOCK_FRAMES
    blocks = clip[: steps * BLOCK_FRAMES].reshape(steps, BLOCK_FRAMES, clip.shape[1])
    if valid is None or valid.all() or not valid[: steps * BLOCK_FRAMES].any():
        return blocks.mean(axis=1, dtype=np.float64)
    kept = valid[: steps * BLOCK_FRAMES].reshape(steps, BLOCK_FRAMES, 1)
    count = kept.sum(axis=1)  # (steps, 1)
    means = np.where(kept, blocks, 0).sum(axis=1, dtype=np.float64) / np.maximum(count, 1)
    known = np.flatnonzero(count)
    return means[known[np.maximum(np.searchsorted(known, np.arange(steps), "right") - 1, 0)]]
