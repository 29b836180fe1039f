"""Cutting sessions into 750-frame clips, and reading the clips of a split.

A clips file holds person-clips in REACT's order: the L clips of role a, then the same L of role
b. Direction i has speaker row i and listener row (i + L) mod 2L, so nothing is stored twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from react24.clips.normalize import normalize_session
from react24.clips.plan import (
    DROPPED_DTYPE,
    StreamFiles,
    cut_session,
    describe_dropped,
    tell_dropped,
)
from react24.conventions import CLIP_FRAMES, ROLES
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.files.contract import StoreError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clips:
    """An open clips file.

    Attributes:
        index: (2L,) of ``contract.INDEX_DTYPE``.
        zscored: HDF5 dataset (2L, 750, D).
        native: HDF5 dataset (2L, 750, D), None for streams that do not keep them
            (``Stream.keep_native`` of ``react24.contracts.stream``).
        valid: HDF5 dataset (2L, 750).
        mean: HDF5 dataset (2L, D), of the session and role the row comes from.
        std: HDF5 dataset (2L, D), likewise.
        dropped: Full clips that were left out, of ``DROPPED_DTYPE``.
        min_valid: Share of frames with a known face below which they were.
    """

    path: Path
    stream: str
    split: str
    feature_names: tuple[str, ...]
    pretrained: bool
    weights: str
    backend: str
    index: np.ndarray
    zscored: h5py.Dataset
    native: h5py.Dataset | None
    valid: h5py.Dataset
    mean: h5py.Dataset
    std: h5py.Dataset
    dropped: np.ndarray
    min_valid: float

    @property
    def rows(self) -> int:
        """Number of person-clips, 2L."""
        return len(self.index)

    @property
    def native_values(self) -> h5py.Dataset | RestoredValues:
        """``native``; for streams that are kept as z-scores only, made from them on reading."""
        return RestoredValues(self) if self.native is None else self.native


class RestoredValues:
    """Native values (2L, 750, D) of a stream whose z-scores alone are kept.

    Read like a dataset. ``zscored * std + mean`` gives what was extracted but for float32
    rounding; a channel that is constant in a session has its mean.
    """

    def __init__(self, clips: Clips):
        self._zscored, self._mean, self._std = clips.zscored, clips.mean[:], clips.std[:]
        self.shape, self.size, self.dtype = clips.zscored.shape, clips.zscored.size, np.dtype("f4")

    def __getitem__(self, key: Any) -> np.ndarray:
        """Rows, or (rows, frames)."""
        rows = key[0] if isinstance(key, tuple) else key
        mean, std = self._mean[rows][..., None, :], self._std[rows][..., None, :]
        return self._zscored[key] * std + mean


def listener_rows(rows: int) -> np.ndarray:
    """Row of the listener for each direction: (i + L) mod 2L, int (2L,)."""
    return np.roll(np.arange(rows), -(rows // 2))


def window_clips(
    sessions: Sequence[StreamFiles],
    output: Path,
    *,
    stream: str,
    split: str,
    min_valid: float = 0.5,
    keep_native: bool = True,
    keep_normalized: bool = True,
    normalizing: str = "",
) -> None:
    """Cut one stream of all sessions of a split into clips and write the clips file.

    Each session is z-scored first, or its z-scores are read from where they are kept, so that
    another session costs no more than itself. One session is in memory at a time.

    Args:
        sessions: In the order of the sample sheet.
        output: Clips file.
        stream: Name of the stream.
        split: Name of the split.
        min_valid: A clip is dropped where the face track of either person is valid in a smaller
            share of its frames than this.
        keep_native: Whether native values are kept beside the z-scores.
        keep_normalized: Whether the z-scores of whole sessions stay on disk.
        normalizing: Digest of the code that makes z-scores; those of other code are made anew.

    Raises:
        InputError: The split has no clip at all.
        InputErrors: Sessions without a valid frame, all of them at once.
        StoreError: The files of a session do not belong together.
    """
    plan = [(files, cut_session(files, min_valid)) for files in sessions]
    for files, cut in plan:
        tell_dropped(files.session, cut, min_valid)
    length = sum(len(cut.kept) for _, cut in plan)
    dropped = np.concatenate([cut.dropped for _, cut in plan]) if plan else np.empty(0)
    if not length:
        raise InputError(_no_clip(split, len(sessions), dropped, min_valid))
    sources = {f.session: contract.sha256_file(f.features) for f in sessions}
    config = {
        "stream": stream,
        "split": split,
        "clip_frames": CLIP_FRAMES,
        "min_valid": min_valid,
    }
    normalize = partial(normalize_session, code=normalizing, keep=keep_normalized)
    with contract.create(
        output, schema="clips", created_by="window_clips", config=config, inputs=sources
    ) as file:
        row, networks, problems = 0, [], []
        for files, cut in plan:
            try:
                parts = normalize(files.features, files.normalized, digest=sources[files.session])
            except InputError as error:  # those of the others are made all the same
                problems.append(str(error))
                continue
            networks += _write_session(file, files, parts, cut.kept, row, length, keep_native)
            row += len(cut.kept)
            del parts  # before the next are made
        if problems:
            title = f"{len(problems)} of {len(sessions)} sessions have no z-scores"
            raise InputErrors(title, problems)
        file.create_dataset("dropped", data=dropped)
        file.attrs["stream"] = stream
        file.attrs["split"] = split
        pretrained, weights, backends = zip(*networks, strict=True)
        file.attrs["pretrained"] = all(pretrained)
        file.attrs["weights"] = "; ".join(sorted(set(weights)))
        file.attrs["backend"] = "; ".join(sorted(set(backends)))
    logger.info(
        "%s, %s: %d clips of %d sessions, %d dropped",
        *(stream, split, length, len(sessions), len(dropped)),
    )


def _no_clip(split: str, sessions: int, dropped: np.ndarray, min_valid: float) -> str:
    if len(dropped):
        return (
            f"split {split}: none of its {sessions} sessions has a clip left. {len(dropped)} full "
            f"clip(s) of {CLIP_FRAMES} frames were dropped, because the face of one of the two is "
            f"known in less than {min_valid:.0%} of their frames. The first: session "
            f"{dropped[0]['session'].decode()}, {describe_dropped(dropped[0], min_valid)}. Look at "
            "the face tracks, lower clips.min_valid, or add sessions"
        )
    return (
        f"split {split}: none of its {sessions} sessions has a full clip of {CLIP_FRAMES} frames "
        "(30 s); add longer sessions or leave the split out"
    )


def _write_session(
    file: h5py.File,
    files: StreamFiles,
    parts: Mapping[str, contract.Features],
    clips: list[tuple[int, int]],
    row: int,
    length: int,
    keep_native: bool,
) -> list[tuple[bool, str, str]]:
    """Write the clips of a session from ``row`` on, and ``length`` rows below for role b.

    Returns:
        Of both roles: pretrained, weights and backend.
    """
    native = contract.read_features(files.features) if keep_native else {}
    with contract.open_file(files.features, "features") as opened:
        subjects = {role: str(opened[role].attrs["subject"]) for role in ROLES}
    for first, role in zip((row, row + length), ROLES, strict=True):
        part = parts[role]
        if "index" not in file:
            _create_datasets(file, part.feature_names, 2 * length, keep_native)
        if list(part.feature_names) != json.loads(file.attrs["feature_names"]):
            raise StoreError(
                f"{files.features}, role {role}: its channels differ from those of the sessions "
                "before it; rerun the extraction of this stream for all sessions"
            )
        for at, (number, start) in enumerate(clips, start=first):
            frames = slice(start, start + CLIP_FRAMES)
            file["zscored"][at] = part.values[frames]
            if native:
                file["native"][at] = native[role].values[frames]
            file["valid"][at] = part.valid[frames]
            file["mean"][at], file["std"][at] = part.extra["mean"], part.extra["std"]
            partner = (at + length) % (2 * length)
            names = (name.encode() for name in (files.session, role, subjects[role]))
            file["index"][at] = (*names, partner, number, start)
    return [(part.pretrained, part.weights, part.backend) for part in parts.values()]


def _create_datasets(file: h5py.File, names: tuple[str, ...], rows: int, native: bool) -> None:
    file.attrs["feature_names"] = json.dumps(list(names))
    channels = len(names)
    for name in ("zscored", "native") if native else ("zscored",):
        shape, chunks = (rows, CLIP_FRAMES, channels), (1, CLIP_FRAMES, channels)
        file.create_dataset(name, shape, np.float32, chunks=chunks)
    file.create_dataset("valid", (rows, CLIP_FRAMES), bool)
    file.create_dataset("mean", (rows, channels), np.float32)
    file.create_dataset("std", (rows, channels), np.float32)
    file.create_dataset("index", (rows,), contract.INDEX_DTYPE)


@contextmanager
def open_clips(path: str | Path) -> Iterator[Clips]:
    """Open a clips file for reading.

    Raises:
        FileNotFoundError, StoreError: As ``contract.open_file``.
    """
    with contract.open_file(path, "clips") as file:
        yield Clips(
            path=Path(path),
            stream=str(file.attrs["stream"]),
            split=str(file.attrs["split"]),
            feature_names=tuple(json.loads(file.attrs["feature_names"])),
            pretrained=bool(file.attrs["pretrained"]),
            weights=str(file.attrs["weights"]),
            backend=str(file.attrs["backend"]),
            index=file["index"][:],
            zscored=file["zscored"],
            native=file.get("native"),
            valid=file["valid"],
            mean=file["mean"],
            std=file["std"],
            dropped=file["dropped"][:] if "dropped" in file else np.empty(0, DROPPED_DTYPE),
            min_valid=float(contract.read_json(file, "config").get("min_valid", 0.0)),
        )


def check_same_index(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> None:
    """Refuse two files of a split, by their names and indices, that do not hold the same clips.

    Raises:
        StoreError: Another number or order of clips; names the first row that differs.
    """
    if len(first) != len(second):
        raise StoreError(
            f"{names[0]} has {len(first)} rows, {names[1]} has {len(second)}; "
            "rerun window_clips for this split"
        )
    different = np.flatnonzero(first != second)
    if len(different):
        row = int(different[0])
        raise StoreError(
            f"{names[0]} and {names[1]} differ from row {row} on: {first[row]} against "
            f"{second[row]}; rerun window_clips for this split"
        )
