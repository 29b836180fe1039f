"""The pictures of the faces for models that look at them: decoded again, window by window.

Nothing is stored. A window costs the decoding from the key picture before it; several windows are
read at the same time by threads, because the decoder works outside of Python's lock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from react24.errors import InputError
from react24.faces.crop import VIEW, VIEW_SIZE, face_crops

if TYPE_CHECKING:
    from react24.training.dataset import SessionFiles

THREADS = 8
"""Windows read at a time, if there are as many cores."""


class FrameReader:
    """Reads windows of face pictures of the clips of one split."""

    def __init__(
        self,
        sessions: Mapping[str, SessionFiles],
        index: np.ndarray,
        *,
        size: int = VIEW_SIZE,
        threads: int | None = None,
    ):
        """Say where the pictures are; nothing is opened yet.

        Args:
            sessions: Session -> its media and faces file.
            index: (2L,) of ``store.INDEX_DTYPE``: whose face a row shows, and from which frame.
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
        self._threads = threads or min(THREADS, os.cpu_count() or 1)

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
