"""When files say that they were recorded (``creation_time``), compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from react24.files.notices import Notice
from react24.media.container import open_media

WORTH_A_WORD = 0.5
"""Starts that differ by more than this (s) are told."""

WHOLE_SECONDS = 1.0
"""Most files state whole seconds: what the sheet says may differ by so much (s)."""

_TAGS = ("com.apple.quicktime.creationdate", "creation_time", "date")
"""Names of it, the most exact first."""


@dataclass(frozen=True)
class Started:
    """When a file says that it was started.

    Attributes:
        path: The file.
        role: ``a`` or ``b``.
        time: What it states; None where it does not.
        offset: Its start as the sample sheet has it, s; of a sound file after its video.
        column: The column that says so, ``offset`` or ``audio_offset``.
        length: s; None where unknown.
    """

    path: Path
    role: str
    time: datetime | None
    offset: float
    column: str
    length: float | None = None


def read_start(path: str | Path) -> datetime | None:
    """The time at which a file says that it was recorded; None where it does not.

    Raises:
        InputError: The file cannot be opened.
    """
    with open_media(path) as container:
        places = [container.metadata, *(stream.metadata for stream in container.streams)]
        for tag in _TAGS:
            for place in places:
                lower = {key.lower(): value for key, value in place.items()}
                if tag in lower and (time := _parse(lower[tag], lower)) is not None:
                    return time
    return None


def _parse(text: str, tags: dict[str, str]) -> datetime | None:
    """A full date and time; broadcast WAV files state the date in a tag of its own."""
    if "date" in tags and len(text) == 8 and text.count(":") == 2:
        text = f"{tags['date']}T{text}"
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if len(text.strip()) < len("2024-05-01T10:00:00") - 3:  # a day only
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def compare_starts(started: Sequence[Started]) -> list[Notice]:
    """Tell where files say that they were started apart, and the sample sheet does not.

    Videos are compared with each other, a sound file with the video of its role.
    """
    notices = []
    for one, other in combinations([s for s in started if s.time is not None], 2):
        beside = one.role == other.role
        if not beside and "audio_offset" in (one.column, other.column):
            continue
        apart = (other.time - one.time).total_seconds()
        if beside and not apart:  # taken out of the video, which copies the time
            continue
        known = other.offset - (0.0 if beside else one.offset)
        slack = WHOLE_SECONDS if known else WORTH_A_WORD
        if abs(apart - known) > slack:
            notices.append(_tell(one, other, apart, known))
    return notices


def _tell(one: Started, other: Started, apart: float, known: float) -> Notice:
    early, late = (one, other) if apart > 0 else (other, one)
    text = (
        f"{late.path} (role {late.role}) was started {abs(apart):.1f} s after {early.path} (role "
        f"{early.role}) as the files state it (creation_time {early.time.isoformat()} and "
        f"{late.time.isoformat()})"
    )
    if known:
        said = known if one is early else -known
        text += f", but {other.column}_* in the sample sheet makes it {said:.2f} s"
    else:
        text += "; they were taken to start together"
    same = one.role == other.role
    length = early.length
    if length is not None and abs(apart) > length:
        advice = "by this they do not overlap: a clock was not set, or they do not belong together"
    elif same:
        advice = f"if the clocks are right, write audio_offset_{other.role} {apart:.1f}"
    else:
        advice = f"if the clocks are right, write offset_{late.role} {abs(apart):.1f}"
    return Notice("time.offset", f"{text}; {advice}", late.role if same else "")
