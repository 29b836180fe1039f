"""What a user should know of a recording although nothing failed: doubts, with their seconds.

A stage that sees something doubtful (a silent microphone, a second face, recordings that started
apart) writes a `Notice` into its file. They are read together wherever people look: in the log of
the job, by ``react24 check`` and ``react24 inspect``, below the table of metrics, in the report.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py

from react24.files.contract import open_hdf5

logger = logging.getLogger(__name__)

DATASET = "notices"
"""Name of the dataset at the root of a file: JSON text, a list of notices."""


@dataclass(frozen=True)
class Notice:
    """One doubt about a session.

    Attributes:
        kind: What it is about, a dotted name for programs: ``sound.silent``, ``face.other``.
        message: A sentence for people; names the file, and says what to do where there is a choice.
        role: ``a`` or ``b``; empty where it concerns the session as a whole.
        start: From when on, s on the session's timeline (tick 0 = 0); None where it concerns all.
        stop: Until when, s; None where it concerns all, or an instant.
    """

    kind: str
    message: str
    role: str = ""
    start: float | None = None
    stop: float | None = None


def about_file(
    kind: str,
    path: str | Path,
    role: str,
    text: str,
    start: float | None = None,
    stop: float | None = None,
) -> Notice:
    """A notice on one person's file, whose sentence names file and role; else as `Notice`."""
    return Notice(kind, f"{path} (role {role}): {text}", role, start, stop)


def write_notices(file: h5py.File, session: str, notices: Sequence[Notice]) -> None:
    """Store the notices of a stage in its file (also none), and warn of each in the log."""
    text = json.dumps([asdict(notice) for notice in notices], ensure_ascii=False)
    file.create_dataset(DATASET, data=text, dtype=h5py.string_dtype())
    for notice in notices:
        logger.warning("session %s: %s", session, notice.message)


def read_notices(path: str | Path) -> list[Notice]:
    """The notices of a file of the pipeline; none where its stage writes none."""
    with open_hdf5(path) as file:
        if DATASET not in file:
            return []
        return [Notice(**entry) for entry in json.loads(file[DATASET].asstr()[()])]


def gather_notices(paths: Iterable[str | Path]) -> dict[str, list[Notice]]:
    """Session -> notices of all its files, in the order of the paths.

    Files name their session in the attribute ``session``, or by their own name.
    """
    found: dict[str, list[Notice]] = {}
    for path in paths:
        with open_hdf5(path) as file:
            session = str(file.attrs.get("session", Path(path).stem))
        if notices := read_notices(path):
            found.setdefault(session, []).extend(notices)
    return found
