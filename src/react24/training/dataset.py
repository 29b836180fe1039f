"""The dataset of a split: its clips as tensors, by row, the pictures, and the order of an epoch.

No Python runs per clip: an epoch is two index arrays, a batch is one ``index_select`` (clips in
memory) or one read of the rows (clips on disk). Pictures of the faces are not stored anywhere but
decoded again, window by window: a window costs the decoding from the key picture before it, and
threads read several at a time, because the decoder works outside of Python's lock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from react24.clips import windows
from react24.contracts.model import Space
from react24.errors import InputError
from react24.files.appropriate import read_appropriate

logger = logging.getLogger(__name__)

MIB = 2**20

READERS = 8
"""Windows of pictures read at a time, if there are as many cores."""

Values = h5py.Dataset | windows.RestoredValues
"""An array of a clips file, (2L, 750, D)."""


@dataclass(frozen=True)
class StoredArray:
    """Which array of which clips file."""

    path: Path
    values: Space


@dataclass(frozen=True)
class FaceFiles:
    """Where the pictures of a session and the track of its faces are: media file and face track."""

    media: Path
    faces: Path


def stored_arrays(
    clips: Mapping[str, Path], reads: Mapping[str, tuple[str, Space]]
) -> dict[str, StoredArray]:
    """The arrays that a stage reads, by its own names.

    Args:
        clips: Stream -> clips file.
        reads: Name -> stream and which of its arrays, as in ``StageInputs.clips``.
    """
    return {
        name: StoredArray(Path(clips[stream]), space) for name, (stream, space) in reads.items()
    }


def session_files(media: Iterable[str], faces: Iterable[str]) -> dict[str, FaceFiles]:
    """Session -> its files, from two lists of files that are named by their sessions."""
    pairs = zip(map(Path, media), map(Path, faces), strict=True)
    return {one.stem: FaceFiles(one, two) for one, two in pairs}


def name_files(sessions: Mapping[str, FaceFiles]) -> dict[str, Path]:
    """The files of sessions by names of their own, for the list of inputs in a result."""
    files: dict[str, Path] = {}
    for name, session in sessions.items():
        files |= {f"media_{name}": session.media, f"faces_{name}": session.faces}
    return files


@dataclass(frozen=True)
class Directions:
    """Speaker and listener row of each item of an epoch, int64 (n,) each."""

    speaker: Tensor
    listener: Tensor

    def batch(self, step: int, size: int) -> Directions:
        """The items of one batch; the last one of an epoch may be smaller."""
        part = slice(step * size, (step + 1) * size)
        return Directions(self.speaker[part], self.listener[part])


class ClipDataset:
    """Named arrays of one split, all with the same rows.

    Use as a context manager, or call ``close``.

    Attributes:
        rows: Person-clips, 2L.
        pairs: L.
        split: Of the clips.
        where: The first of the files, for messages.
        index: (2L,) of ``contract.INDEX_DTYPE``.
        pretrained: Whether every stream was made with pretrained weights only.
        sources: Name -> array, as asked for.
        in_memory: Whether all arrays were loaded once; otherwise some are read batch by batch.
        appropriate: bool (2L, 2L), [i, j]: the real reaction of direction j, listener row
            (j + L) mod 2L, is appropriate to speaker row i; None where it was not asked for.
        frames: Reads the pictures of the faces; None where they were not asked for.
    """

    def __init__(
        self,
        sources: Mapping[str, StoredArray],
        *,
        max_memory_mb: float = 4096.0,
        appropriate: Path | None = None,
        sessions: Mapping[str, FaceFiles] | None = None,
        frame_size: int = 224,
    ):
        """Open the files, check that they hold the same clips, and load what fits.

        Args:
            sources: Name -> array; the names are the caller's.
            max_memory_mb: Load as many arrays as fit into this, the smallest first; the others
                are read batch by batch.
            appropriate: File of the split's appropriate reactions.
            sessions: Session -> its media file and face track, to read pictures from.
            frame_size: Height and width of the pictures, pixels.

        Raises:
            InputError: No stream was asked for.
            StoreError: The files are not clips files or do not hold the same clips.
        """
        self.sources = dict(sources)
        self._stack = ExitStack()
        try:
            self._datasets = self._open(sources)
        except BaseException:
            self._stack.close()
            raise
        self._tensors: dict[str, Tensor] = {}
        self._load(max_memory_mb)
        self.appropriate = None if appropriate is None else self._read_appropriate(appropriate)
        self.frames = None
        if sessions is not None:
            self.frames = FrameReader(sessions, self.index, size=frame_size)

    def _load(self, limit: float) -> None:
        """Load what fits into ``limit`` MiB, the smallest arrays first."""
        sizes = {n: d.size * d.dtype.itemsize / MIB for n, d in self._datasets.items()}
        total, room = sum(sizes.values()), limit
        for name in sorted(sizes, key=sizes.__getitem__):
            room -= sizes[name]
            if room < 0:
                break
            self._tensors[name] = torch.from_numpy(self._datasets[name][:])
        left = [name for name in sizes if name not in self._tensors]
        self.in_memory = not left
        how = f"{', '.join(left)} read per batch (limit {limit:.0f} MiB)" if left else "in memory"
        logger.info("%d clip pairs, %s: %.1f MiB, %s", self.pairs, ", ".join(sizes), total, how)
        if not left:
            self._stack.close()

    def _read_appropriate(self, path: Path) -> Tensor:
        file = read_appropriate(path)
        windows.check_same_index(self.index, file.index, (self.where, str(path)))
        return torch.from_numpy(file.matrix.astype(bool))

    def _open(self, sources: Mapping[str, StoredArray]) -> dict[str, Values]:
        datasets: dict[str, Values] = {}
        self._valid: dict[str, Tensor | None] = {}
        self.pretrained = True
        first: windows.Clips | None = None
        for name, source in sources.items():
            clips = self._stack.enter_context(windows.open_clips(source.path))
            if first is None:
                first = clips
            names = (str(first.path), str(clips.path))
            windows.check_same_index(first.index, clips.index, names)
            datasets[name] = clips.native_values if source.values == "native" else clips.zscored
            valid = torch.from_numpy(clips.valid[:])  # (2L, 750), small enough to be held
            self._valid[name] = None if bool(valid.all()) else valid
            self.pretrained &= clips.pretrained
        if first is None:
            raise InputError("no stream was asked for")
        self.where = str(first.path)
        self.split = first.split
        self.index = first.index
        self.rows = first.rows
        self.pairs = first.rows // 2
        return datasets

    def take(self, name: str, rows: Tensor) -> Tensor:
        """Some clips.

        Args:
            name: One of the sources' names.
            rows: int64 (n,), repeats allowed.

        Returns:
            float32 (n, 750, D) on the CPU.
        """
        if name in self._tensors:
            return self._tensors[name].index_select(0, rows)
        wanted, inverse = np.unique(rows.numpy(), return_inverse=True)  # HDF5 wants rising rows
        return torch.from_numpy(self._datasets[name][wanted][inverse])

    def take_windows(self, name: str, rows: Tensor, starts: Tensor, length: int) -> Tensor:
        """Windows of some clips.

        Args:
            name: One of the sources' names.
            rows: int64 (n,), repeats allowed.
            starts: int64 (n,), first frame of each window.
            length: Frames of a window; all must end within the clip.

        Returns:
            float32 (n, length, D) on the CPU.
        """
        if name in self._tensors:
            tensor = self._tensors[name]  # (2L, 750, D)
            first = rows * tensor.shape[1] + starts
            frames = first.unsqueeze(1) + torch.arange(length)  # (n, length) into (2L * 750, D)
            return tensor.flatten(0, 1)[frames.flatten()].unflatten(0, frames.shape)
        dataset = self._datasets[name]
        parts = zip(rows.tolist(), starts.tolist(), strict=True)
        return torch.from_numpy(np.stack([dataset[row, s : s + length] for row, s in parts]))

    def take_valid(self, name: str, rows: Tensor) -> Tensor | None:
        """Which frames of some clips are valid.

        Args:
            name: One of the sources' names.
            rows: int64 (n,), repeats allowed.

        Returns:
            bool (n, 750) on the CPU; None where every frame of the whole split is valid.
        """
        valid = self._valid[name]
        return None if valid is None else valid.index_select(0, rows)

    def take_valid_windows(
        self, name: str, rows: Tensor, starts: Tensor, length: int
    ) -> Tensor | None:
        """Which frames of windows of clips are valid; arguments as ``take_windows``.

        Returns:
            bool (n, length) on the CPU; None where every frame of the whole split is valid.
        """
        valid = self._valid[name]
        if valid is None:
            return None
        frames = starts.unsqueeze(1) + torch.arange(length)  # (n, length)
        return valid[rows.unsqueeze(1), frames]

    def close(self) -> None:
        """Close the files and let go of the memory."""
        self._stack.close()
        self._tensors.clear()

    def __enter__(self) -> ClipDataset:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class FrameReader:
    """Reads windows of face pictures of the clips of one split."""

    def __init__(
        self,
        sessions: Mapping[str, FaceFiles],
        index: np.ndarray,
        *,
        size: int = 224,
        threads: int | None = None,
    ):
        """Say where the pictures are; nothing is opened yet.

        Args:
            sessions: Session -> its media and faces file.
            index: (2L,) of ``contract.INDEX_DTYPE``: whose face a row shows, and from which frame.
            size: Pixels of a picture.
            threads: Windows read at a time; None for as many as there are cores, at most 8.

        Raises:
            InputError: A session of the index has no files.
        """
        names = [name.decode() for name in index["session"]]
        missing = sorted({name for name in names if name not in sessions})
        if missing:
            raise InputError(
                f"pictures of the faces are needed, but session(s) {', '.join(missing)} have no "
                "media and faces files here; use a model that needs no pictures, or run the "
                "stages that make these files"
            )
        self.size = size
        self._files = [sessions[name] for name in names]
        self._roles = [role.decode() for role in index["role"]]
        self._begins = index["start"].astype(int).tolist()
        self._threads = threads or min(READERS, os.cpu_count() or 1)

    def read(self, rows: Tensor, starts: Tensor, length: int) -> Tensor:
        """Windows of face pictures.

        Args:
            rows: int64 (n,), rows of the clips file, repeats allowed.
            starts: int64 (n,), first frame of each window within its clip.
            length: Frames of a window.

        Returns:
            uint8 (n, length, 3, size, size) on the CPU, RGB: the central part of the square
            around the face (``react24.faces.crop``).

        Raises:
            DamagedFileError: A video is unreadable in a window; names file and second.
            InputError: A video is gone, or ends within a window.
        """
        pictures = torch.empty((len(rows), length, 3, self.size, self.size), dtype=torch.uint8)
        jobs = list(zip(pictures.numpy(), rows.tolist(), starts.tolist(), strict=True))
        if len(jobs) == 1 or self._threads == 1:
            for job in jobs:
                self._fill(*job)
            return pictures
        with ThreadPoolExecutor(min(self._threads, len(jobs))) as pool:
            for done in [pool.submit(self._fill, *job) for job in jobs]:
                done.result()
        return pictures

    def _fill(self, target: np.ndarray, row: int, start: int) -> None:
        from react24.faces.crop import VIEW, face_crops  # a decoder, which few models need

        files, role = self._files[row], self._roles[row]
        begin = self._begins[row] + start
        crops = face_crops(
            files.media, files.faces, role, start=begin, stop=begin + len(target),
            size=self.size, part=VIEW,
        )  # fmt: skip
        count = 0
        for tick, crop in crops:
            target[tick - begin] = crop.transpose(2, 0, 1)
            count += 1
        if count != len(target):
            raise InputError(
                f"{files.faces}, role {role}: frames {begin} to {begin + len(target) - 1} are "
                f"needed, only {count} of them exist; run track_faces and window_clips again"
            )


def valid_frames(
    clips: ClipDataset,
    names: Mapping[str, str],
    rows: Tensor,
    starts: Tensor | None = None,
    length: int | None = None,
) -> dict[str, Tensor]:
    """Where clips, or windows of them, are valid; nothing for streams that are so everywhere.

    A batch without them is what it is without any of this, and so is its loss.

    Args:
        clips: Of a split.
        names: Name in the batch -> name of the stream.
        rows: int64 (n,).
        starts: int64 (n,), first frames of windows; None for whole clips.
        length: Frames of a window.

    Returns:
        Name in the batch -> bool (n, 750 or length), on the CPU.
    """
    found = {}
    for name, stream in names.items():
        if starts is None:
            valid = clips.take_valid(stream, rows)
        else:
            valid = clips.take_valid_windows(stream, rows, starts, length)
        if valid is not None:
            found[name] = valid
    return found


def epoch_order(pairs: int, order: torch.Generator) -> Directions:
    """One epoch of training: each pair once, shuffled, roles swapped with probability 1/2.

    These are the semantics of the official training loader: pairs are not mirrored, and who is
    the speaker is drawn anew at each access.

    Args:
        pairs: L.
        order: Generator of the epoch, at its start.
    """
    permutation = torch.randperm(pairs, generator=order)
    swapped = torch.rand(pairs, generator=order) < 0.5
    speaker = permutation + pairs * swapped
    return Directions(speaker, (speaker + pairs) % (2 * pairs))


def every_direction(pairs: int) -> Directions:
    """All 2L directions in the order of the clips file, as in validation and testing."""
    speaker = torch.arange(2 * pairs)
    return Directions(speaker, (speaker + pairs) % (2 * pairs))


def count_batches(items: int, size: int) -> int:
    """Batches of ``size`` that hold ``items``, the last incomplete one included."""
    return -(-items // size)


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation (ddof 0) per channel, float64 (D,) each."""

    mean: np.ndarray
    std: np.ndarray


def channel_statistics(path: Path, rows_at_once: int = 64) -> ChannelStatistics:
    """Statistics of a stream's native values over the valid frames of all clips of a split.

    Two passes, so that the variance does not suffer from a large mean; memory stays bounded.

    Raises:
        InputError: The stream has no native values or no valid frame.
    """
    with windows.open_clips(path) as clips:
        if clips.native is None:
            raise InputError(f"{path}: stream {clips.stream} has no native values")
        count = int(clips.valid[:].sum())
        if not count:
            raise InputError(f"{path}: no frame of split {clips.split} is valid; check the tracks")
        parts = [slice(i, i + rows_at_once) for i in range(0, clips.rows, rows_at_once)]
        mean = sum(_valid(clips, p).sum(0) for p in parts) / count
        variance = sum(np.square(_valid(clips, p) - mean).sum(0) for p in parts) / count
    return ChannelStatistics(mean, np.sqrt(variance))


def _valid(clips: windows.Clips, part: slice) -> np.ndarray:
    return clips.native[part][clips.valid[part]].astype(np.float64)  # (n valid, D)
