"""Stamps of files, read once as long as the files are the same: planning looks at thousands."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from react24.files.atomic import atomic_path
from react24.files.carriers import carrier, read_stamp

logger = logging.getLogger(__name__)


class StampCache:
    """Stamps by path, kept from one planning to the next.

    A kept stamp holds while time, time of change and size of its file are the same; without the
    kept ones all files are read again, nothing else changes.
    """

    def __init__(self, kept: str | Path) -> None:
        """Start with what an earlier planning left in the JSON file ``kept``, if it can be read."""
        self.path = Path(kept)
        self._kept: dict[str, list] = _read(self.path)
        self._seen: dict[str, list] = {}
        self._changed = False

    def stamp(self, path: str) -> str | None:
        """The stamp of a file; None where it carries none or is not there."""
        place = str(carrier(path))
        if place not in self._seen:
            self._seen[place] = self._look(path, place)
        return self._seen[place][-1]

    def forget(self) -> None:
        """Look at all files anew."""
        self._kept |= {place: entry for place, entry in self._seen.items() if len(entry) > 1}
        self._seen.clear()

    def _look(self, path: str, place: str) -> list:
        try:
            found = os.stat(place)  # noqa: PTH116 (a third of the time of pathlib's)
        except OSError:
            return [None]
        state = [found.st_mtime_ns, found.st_ctime_ns, found.st_size]
        kept = self._kept.get(place)
        if kept is not None and kept[:-1] == state:
            return kept
        self._changed = True
        return [*state, read_stamp(path)]

    def save(self) -> None:
        """Keep the stamps; what cannot be written is only slower the next time."""
        if not self._changed:
            return
        found = {place: entry for place, entry in self._seen.items() if len(entry) > 1}
        try:
            with atomic_path(self.path) as temporary:
                temporary.write_text(json.dumps(self._kept | found), "utf-8")
        except (OSError, ValueError) as error:
            logger.info("%s: stamps are not kept for the next planning (%s)", self.path, error)


def _read(path: Path) -> dict[str, list]:
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {p: e for p, e in kept.items() if isinstance(e, list) and len(e) == 4}
