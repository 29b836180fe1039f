"""Doubts about the recordings, told where people look: below a table, in a list, when a run ends.

Doubts are the notices in the files of a session (``react24.files.notices``) and the clips that a
split lost (``react24.clips.plan``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from react24.clips import windows
from react24.clips.plan import describe_dropped
from react24.conventions import CLIP_FRAMES, FPS
from react24.files import contract
from react24.files.notices import Notice, gather_notices

LISTED = 12
"""Doubts that are told one by one where there is little room; the rest is counted."""

DROPPED = "clips.dropped"
"""Kind of the notice on a clip that was left out."""

COLUMNS = ("split", "session", "role", "kind", "start", "stop", "message")
"""Of the list of all doubts."""

REPEATED = "recording.repeated"
"""Kind of the notice on a recording that stands in two sessions of one split."""

LEFT_OUT = "session.left_out"
"""Kind of the notice on a session that the run does without."""

CORPUS = ""
"""Stands for the session where a doubt is about several."""

Doubts = dict[str, list[Notice]]
"""Session, or ``CORPUS`` -> what is doubtful about it."""


def gather_doubts(
    files: Iterable[str | Path],
    clips: Iterable[str | Path] = (),
    repeated: str | Path | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Doubts:
    """All doubts of media, faces and feature files, clips and ``compare_recordings``, each once.

    Sessions that are left out (name -> why) come first, the others in the order of the files,
    doubts in that of the stages.
    """
    first = {} if repeated is None else repeated_recordings(repeated)
    gone = {name: [Notice(LEFT_OUT, why)] for name, why in (left_out or {}).items()}
    return _together([gone, first, gather_notices(files), *map(dropped_clips, clips)])


def _together(parts: Iterable[Doubts]) -> Doubts:
    """All of them, each once."""
    found: Doubts = {}
    for part in parts:
        for session, notices in part.items():
            found.setdefault(session, []).extend(notices)
    return {session: list(dict.fromkeys(notices)) for session, notices in found.items()}


def repeated_recordings(path: str | Path) -> Doubts:
    """A notice for every recording that was let through although it is used twice."""
    sentences = json.loads(Path(path).read_text(encoding="utf-8"))
    return {CORPUS: [Notice(REPEATED, text) for text in sentences]} if sentences else {}


def dropped_clips(path: str | Path) -> Doubts:
    """A notice for every clip that a split lost."""
    found: Doubts = {}
    with windows.open_clips(path) as clips:
        for clip in clips.dropped:
            begin = int(clip["start"])
            notice = Notice(
                DROPPED,
                describe_dropped(clip, clips.min_valid),
                start=begin / FPS,
                stop=(begin + CLIP_FRAMES) / FPS,
            )
            found.setdefault(clip["session"].decode(), []).append(notice)
    return found


def count_doubts(doubts: Doubts) -> int:
    """How many there are."""
    return sum(map(len, doubts.values()))


def short_list(doubts: Doubts, where: str, limit: int = LISTED) -> list[str]:
    """A line per doubt, up to ``limit``, and one on the rest, which says ``where`` all are.

    A sentence that is told of several sessions is one line. The first doubt of every session comes
    before the second of any, so that a session with many does not hide the others.
    """
    of: dict[str, list[tuple[int, int, str]]] = {}
    for number, (session, notices) in enumerate(doubts.items()):
        for rank, notice in enumerate(notices):
            of.setdefault(_one_line(notice.message), []).append((rank, number, session))
    first = sorted((min(places), text) for text, places in of.items())[:limit]
    lines = []
    for _, text in sorted(first, key=lambda entry: (entry[0][1], entry[0][0])):
        sessions = [session for _, _, session in of.pop(text)]
        lines.append(f"{_named(sessions)}: {text}" if sessions[0] else text)
    if rest := sum(map(len, of.values())):
        lines.append(f"... and {rest} more: {where}")
    return lines


def _named(sessions: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(sessions) - 3} more" if len(sessions) > 3 else ""
    return ", ".join(sessions[:3]) + more


def table_notes(doubts: Doubts, train: Doubts, where: str) -> list[str]:
    """What stands below a table: the doubts of its split, and how many those of training are."""
    lines = short_list(doubts, where)
    if count := count_doubts(train):
        lines.append(
            f"Training split: {count} {_doubts(count)} about {len(train)} "
            f"session{'s' if len(train) != 1 else ''}: {where}"
        )
    return lines


def write_list(doubts: Doubts, splits: Mapping[str, str], *, tsv: Path, md: Path) -> None:
    """Write all doubts, for programs (``COLUMNS``; seconds of the session) and for people.

    Seconds are empty where the whole session is meant; people read split by split.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for session, split in {CORPUS: "", **splits}.items():
        for notice in doubts.get(session, ()):
            times = ["" if t is None else f"{t:.2f}" for t in (notice.start, notice.stop)]
            message = _one_line(notice.message)
            writer.writerow([split, session, notice.role, notice.kind, *times, message])
    for path, content in ((tsv, text.getvalue()), (md, format_list(doubts, splits))):
        with contract.atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")


def format_list(doubts: Doubts, splits: Mapping[str, str]) -> str:
    """Markdown: split, session, doubts with their seconds."""
    count = count_doubts(doubts)
    lines = ["# What is doubtful about the recordings", ""]
    about = len(doubts.keys() - {CORPUS})
    lines += [f"{count} {_doubts(count)}, {about} of {len(splits)} sessions.", ""]
    lines += [f"- {_one_line(n.message)} `{n.kind}`" for n in doubts.get(CORPUS, ())]
    lines += [""] if CORPUS in doubts else []
    for split in dict.fromkeys(splits.values()):
        told = [s for s in splits if splits[s] == split and doubts.get(s)]
        if not told:
            continue
        lines += [f"## {split}", ""]
        for session in told:
            lines += [f"**{session}**", ""]
            lines += [f"- {_one_line(n.message)}{_when(n)} `{n.kind}`" for n in doubts[session]]
            lines += [""]
    return "\n".join(lines)


def describe_doubts(
    files: Iterable[str | Path],
    clips: Iterable[str | Path],
    repeated: str | Path,
    *,
    where: str,
    limit: int = LISTED,
) -> str:
    """The doubts about a run that has ended, for people; empty where there are none.

    Arguments as for ``gather_doubts`` and ``short_list``; files that were not made are left out.
    """
    parts, unreadable = [], []
    readers = ((repeated_recordings, [repeated]), (_notices_of, files), (dropped_clips, clips))
    for read, paths in readers:
        for path in filter(Path.exists, map(Path, paths)):
            try:
                parts.append(read(path))
            except (OSError, ValueError) as error:  # the run's own end must still be told
                unreadable.append(f"  {_one_line(str(error))}")
    doubts = _together(parts)
    if not doubts and not unreadable:
        return ""
    count = count_doubts(doubts)
    about = len(doubts.keys() - {CORPUS})
    title = f"{count} {_doubts(count)} about the recordings, {about} session(s):"
    lines = [f"  {line}" for line in short_list(doubts, where, limit)]
    return "\n".join([title, *lines, *unreadable])


def _notices_of(path: Path) -> Doubts:
    return gather_notices([path])


def _doubts(count: int) -> str:
    return "doubt" if count == 1 else "doubts"


def _when(notice: Notice) -> str:
    """Its seconds in brackets, where its sentence has none."""
    if notice.start is None or " s" in notice.message:
        return ""
    if notice.stop is None:
        return f" (at {notice.start:.1f} s)"
    return f" ({notice.start:.1f} to {notice.stop:.1f} s)"


def _one_line(text: str) -> str:
    return " ".join(text.split())
