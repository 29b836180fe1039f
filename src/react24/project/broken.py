"""Sessions whose recordings cannot be used: what a run leaves out, and what an earlier one found.

A header that cannot be read is seen when a run starts. Damage further on, or a face that is never
there, is found by a job; it is then noted in ``results/broken.json``, together with what the
recordings looked like, and counts until they, or the way they are read, change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from react24.files.atomic import atomic_path
from react24.project.config import Settings
from react24.project.session import Session
from react24.project.sheet_files import list_uses

BROKEN = Path("results/broken.json")
"""Where a run, or ``react24 check --write-broken``, notes them."""


@dataclass(frozen=True)
class LeftOut:
    """A session that a run does without.

    Attributes:
        session: Its row, the split decided.
        why: What is wrong with its recordings, in sentences.
    """

    session: Session
    why: tuple[str, ...]

    @property
    def told(self) -> str:
        """What is wrong with its recordings, in a line."""
        return "; ".join(" ".join(text.split()) for text in self.why)

    @property
    def reason(self) -> str:
        """Why it is missing, as a clause."""
        return f"left out (corpus.skip_broken), because its recordings cannot be used: {self.told}"

    def sentence(self) -> str:
        """Which and why, for people."""
        name = f"session {self.session.session} (row {self.session.row}, {self.session.split})"
        return f"{name} is {self.reason}"


def names_recording(text: str, session: Session) -> bool:
    """Whether a sentence is about a recording of a session: it names the file."""
    return any(str(use.path) in text for use in list_uses([session]))


def read_broken(
    sessions: Iterable[Session], settings: Settings, path: Path | None = None
) -> dict[str, tuple[str, ...]]:
    """Session -> what was wrong with it, for those whose recordings are as they were then."""
    noted = _read(settings.root / (path or BROKEN))
    return {
        s.session: tuple(noted[s.session]["why"])
        for s in sessions
        if s.session in noted and noted[s.session].get("seen") == _look(s, settings)
    }


def note_broken(
    found: Mapping[str, Iterable[str]],
    sessions: Iterable[Session],
    settings: Settings,
    path: Path | None = None,
) -> None:
    """Note sessions that cannot be used, beside those that were noted and have not changed.

    Args:
        found: Session -> what is wrong with it.
        sessions: All of the sample sheet.
        settings: Of the run.
        path: Where; ``BROKEN`` unless given.
    """
    sessions = list(sessions)
    why = {**read_broken(sessions, settings, path), **{k: tuple(v) for k, v in found.items()}}
    noted = {
        s.session: {"why": why[s.session], "seen": _look(s, settings)}
        for s in sessions
        if s.session in why
    }
    with atomic_path(settings.root / (path or BROKEN)) as temporary:
        temporary.write_text(json.dumps(noted, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        noted = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # nothing is noted that could be understood: all are tried
        return {}
    return noted if isinstance(noted, dict) else {}


def _look(session: Session, settings: Settings) -> dict[str, Any]:
    """What decides whether the recordings of a session can be used, as JSON has it."""
    files = {}
    for use in list_uses([session]):
        try:
            about = (settings.root / use.path).stat()
            files[str(use.path)] = [about.st_size, about.st_mtime_ns]
        except OSError:
            files[str(use.path)] = []
    return {
        "files": files,
        "choices": [person.choices.to_json() for person in session.people],
        "settings": [settings["media"], settings["faces"], settings.hears],
    }
