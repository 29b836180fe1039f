"""How one person's recording is read, where the sample sheet says it: times, sound, place, face."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

COLUMNS = (
    "offset",
    "audio_offset",
    "audio_track",
    "audio_channel",
    "crop",
    "face",
    "neutral",
)
"""Columns of the sample sheet, each once for ``_a`` and once for ``_b``."""

MIX = "mix"


@dataclass(frozen=True)
class Choices:
    """What the sheet says about reading one person's recording.

    Attributes:
        offset: When the video starts, s after the session's zero; positive starts later, as
            FFmpeg's ``-itsoffset``. Only the difference between the two persons counts.
        audio_offset: When a separate sound file starts, s after the video's own zero; negative
            where the recorder was started before the camera.
        audio_track: Which sound track of the file: its index from 0 (FFmpeg's ``0:a:N``) or its
            title; empty for the main one.
        audio_channel: Which channel of it: an index from 0, ``left``, ``right``, or ``mix``, the
            mean of all channels.
        crop: x, y, width, height in pixels of the picture as a player shows it; None for all of it.
        face: ``left`` or ``right`` where the picture holds two people; empty otherwise.
        neutral: From and to second of the video, as a player shows it, at which the face is at
            rest; None where unknown.
    """

    offset: float = 0.0
    audio_offset: float = 0.0
    audio_track: str = ""
    audio_channel: str = MIX
    crop: tuple[int, int, int, int] | None = None
    face: str = ""
    neutral: tuple[float, float] | None = None

    def to_json(self) -> str:
        """As stored in the attribute ``choices`` of a role."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Choices:
        """The reverse of `to_json`."""
        values = json.loads(text)
        for name in ("crop", "neutral"):
            values[name] = tuple(values[name]) if values[name] is not None else None
        return cls(**values)


DEFAULT = Choices()
"""Nothing said."""


class ChoiceError(ValueError):
    """Cells that cannot be understood.

    Attributes:
        problems: A sentence for each: what was found and what is accepted.
    """

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


def parse_choices(cells: Mapping[str, str], role: str) -> Choices:
    """Understand the cells of one person; absent or empty ones take the default.

    Raises:
        ChoiceError: Naming the columns.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for column in COLUMNS:
        if cell := cells.get(f"{column}_{role}", ""):
            try:
                values[column] = _PARSERS[column](cell)
            except ValueError as error:
                problems.append(f"column {column}_{role}: found {cell!r}; accepted: {error}")
    if problems:
        raise ChoiceError(problems)
    return Choices(**values)


def _seconds(cell: str) -> float:
    if not re.fullmatch(r"[+-]?\d+([.,]\d+)?", cell):
        raise ValueError("seconds such as 7 or -0.48")
    return float(cell.replace(",", "."))


def _channel(cell: str) -> str:
    if not re.fullmatch(r"\d+|left|right|mix", cell.casefold()):
        raise ValueError("a number from 0, left, right or mix")
    return cell.casefold()


def _crop(cell: str) -> tuple[int, int, int, int]:
    numbers = re.fullmatch(r"(\d+)[,; ]+(\d+)[,; ]+(\d+)[,; ]+(\d+)", cell)
    if not numbers or not int(numbers[3]) or not int(numbers[4]):
        raise ValueError("x,y,width,height in pixels, such as 0,0,640,720")
    x, y, width, height = (int(number) for number in numbers.groups())
    return x, y, width, height


def _face(cell: str) -> str:
    if cell.casefold() not in ("left", "right"):
        raise ValueError("left or right")
    return cell.casefold()


def _span(cell: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*[-–]\s*(\d+(?:[.,]\d+)?)", cell)
    begin, end = (float(t.replace(",", ".")) for t in found.groups()) if found else (0.0, 0.0)
    if not end > begin:
        raise ValueError("from-to in seconds, such as 12.0-15.5")
    return begin, end


_PARSERS: dict[str, Callable[[str], Any]] = {
    "offset": _seconds,
    "audio_offset": _seconds,
    "audio_track": str,
    "audio_channel": _channel,
    "crop": _crop,
    "face": _face,
    "neutral": _span,
}
