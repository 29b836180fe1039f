"""Looking at the headers of recordings, and remembering what was seen while they are the same.

A header takes ten milliseconds to open, and every start of a run looks at all of them. What was
good is kept by size and time of change of the file; what was not is looked at again. Without the
kept file everything is looked at, nothing else changes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from react24.files.atomic import atomic_path

logger = logging.getLogger(__name__)

CODE = ("media/probe.py", "media/container.py")
"""The files of the package that decide what a good header is."""


class Headers:
    """The headers of recordings.

    Args:
        kept: JSON file in which an earlier start left what it saw; None to look at everything.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self._path = kept
        self._seen: dict[str, dict[str, Any]] = {}
        self._changed = False

    def problems(self, path: Path, *, video: bool, sound: bool) -> list[str]:
        """What is wrong with a file (`react24.media.probe.check_readable`)."""
        wanted = [kind for kind, is_wanted in (("video", video), ("sound", sound)) if is_wanted]
        known = self._about(path)
        if known is not None and set(wanted) <= set(known.get("good", ())):
            return []
        from react24.media.probe import check_readable

        problems = check_readable(path, video=video, sound=sound)
        if known is not None and not problems:
            known["good"] = sorted({*known.get("good", ()), *wanted})
            self._changed = True
        return problems

    def seconds(self, path: Path) -> float | None:
        """How long a file is (`react24.media.container.header_seconds`)."""
        known = self._about(path)
        if known is not None and "seconds" in known:
            return known["seconds"]
        from react24.media.container import header_seconds

        seconds = header_seconds(path)
        if known is not None and seconds is not None:
            known["seconds"] = seconds
            self._changed = True
        return seconds

    def save(self) -> None:
        """Keep what was seen; what cannot be written is only slower the next time."""
        if self._path is None or not self._changed:
            return
        try:
            with atomic_path(self._path) as temporary:
                temporary.write_text(json.dumps({"by": _looked_by(), "seen": self._seen}), "utf-8")
        except (OSError, ValueError) as error:
            logger.info("%s: headers are looked at again the next time (%s)", self._path, error)

    def _about(self, path: Path) -> dict[str, Any] | None:
        """What is known of a file as it is now; None where there is none, or nothing is kept."""
        if self._path is None:
            return None
        name = str(path)
        try:
            about = path.stat()
        except OSError:
            return None
        state = [about.st_size, about.st_mtime_ns]
        if name not in self._seen:
            self._seen[name] = self._kept.get(name, {})
        if self._seen[name].get("state") != state:
            self._seen[name] = {"state": state}
        return self._seen[name]

    @cached_property
    def _kept(self) -> dict[str, dict[str, Any]]:
        try:
            kept = json.loads(self._path.read_text("utf-8")) if self._path else {}
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict) or kept.get("by") != _looked_by():
            return {}
        return kept["seen"]


def _looked_by() -> str:
    """Digest of what looks at headers: our code and PyAV."""
    package = Path(__file__).parents[1]
    parts = [version("av").encode(), *((package / name).read_bytes() for name in CODE)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
