"""The landmarks of all faces of a video, kept on disk until it is known whose are wanted."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from react24.faces.follow import Sighting
from react24.faces.mesh import POINTS

BYTES = POINTS * 3 * 4
"""Of one face."""


class Sightings:
    """Faces are appended as they are seen; of each, 12 bytes stay in memory.

    Use as a context manager; the file has no name and is gone afterwards, also after a crash.
    """

    def __init__(self) -> None:
        # The context of this object is that of the file.
        self._file = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115
        self._ticks, self._tracklets, self._presence = array("i"), array("i"), array("f")

    def __enter__(self) -> Sightings:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, tick: int, sightings: Iterable[Sighting]) -> None:
        """Keep the faces of a tick; ticks come in order."""
        for seen in sightings:
            self._ticks.append(tick)
            self._tracklets.append(seen.tracklet)
            self._presence.append(seen.mesh.presence)
            self._file.write(np.ascontiguousarray(seen.mesh.points, np.float32).tobytes())

    def of(
        self, tracklets: Iterable[int], block: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The faces of some tracklets, ``block`` at a time, one per tick.

        Where two tracklets of a person overlap, the later one is taken: the other is the old
        place of a face that was found anew.

        Yields:
            Ticks (n,), increasing; points float32 (n, 478, 3); presence float32 (n,).
        """
        tracklet = np.frombuffer(self._tracklets, np.int32)
        rows = np.flatnonzero(np.isin(tracklet, list(tracklets)))
        ticks, tracklet = np.frombuffer(self._ticks, np.int32)[rows], tracklet[rows]
        order = np.lexsort((tracklet, ticks))
        rows, ticks = rows[order], ticks[order]
        last = np.append(ticks[1:] != ticks[:-1], True) if len(ticks) else np.zeros(0, bool)
        rows, ticks = rows[last], ticks[last]
        presence = np.frombuffer(self._presence, np.float32)[rows]
        for begin in range(0, len(rows), block):
            part = slice(begin, begin + block)
            points = np.stack([self._read(int(row)) for row in rows[part]])
            yield ticks[part], points, presence[part]

    def _read(self, row: int) -> np.ndarray:
        self._file.seek(row * BYTES)
        return np.frombuffer(self._file.read(BYTES), np.float32).reshape(POINTS, 3)
