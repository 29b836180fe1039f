"""The official list of a split (``val.csv``), and where it and its files call a person what."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from react24.errors import InputError

PEOPLE = (
    ("P1", "Expert_video", "P25", "P41", "P45", "FC1"),
    ("P2", "Novice_video", "P26", "P42", "P46", "FC2"),
)
"""Names of the first and of the second person: lists and videos say Expert_video or P25, the
labels of the release are said to be in P1 and P2, and not all releases agree."""


@dataclass(frozen=True)
class ClipPath:
    """One person's clip as a list names it: ``NoXI/065_2016-04-14_Nottingham/Expert_video/1``.

    Attributes:
        parts: Site, session, person, clip; UDIVA has one more (topic) after the site.
    """

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def session(self) -> str:
        """The recorded pair of people, with its site."""
        pair = self.parts[2] if len(self.parts) == 5 else self.parts[1]
        return f"{self.parts[0]}/{pair}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Site, session and clip as ``data_indices.csv`` names them, upper-cased."""
        site, *middle, _, clip = self.parts
        session = "_".join(reversed(middle))  # UDIVA: {pair}_{topic}
        return site.upper(), session.upper(), clip.upper()

    def spellings(self) -> list[Path]:
        """The path with each name that its person goes by: as it stands, P1 or P2, the others."""
        *before, person, clip = self.parts
        names = [person]
        for group in PEOPLE:
            if person in group:
                names += [name for name in group if name != person]
        return [Path(*before, name, clip) for name in names]


@dataclass(frozen=True)
class ClipPair:
    """A line of a list."""

    speaker: ClipPath
    listener: ClipPath


def read_list(path: Path) -> list[ClipPair]:
    """Read a list: a header line, then running number, speaker path, listener path.

    By ``csv``, not by pandas, for which a line that is too short has empty cells.

    Raises:
        InputError: No such file, no clips, or a line that is not like that (named).
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: the list of the split cannot be read ({error})") from error
    pairs = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) < 3:
            raise InputError(
                f"{path}, line {number}: {len(line)} columns; expected a running number, the "
                "speaker's path and the listener's path"
            )
        where = f"{path}, line {number}"
        pairs.append(ClipPair(_clip_path(line[1], where), _clip_path(line[2], where)))
    if not pairs:
        raise InputError(f"{path}: no clips below the header line")
    return pairs


def _clip_path(text: str, where: str) -> ClipPath:
    parts = tuple(text.strip().split("/"))
    if len(parts) not in (4, 5) or any(
        p in ("", ".", "..") or "\\" in p or "\0" in p for p in parts
    ):
        raise InputError(
            f"{where}: {text!r} is no path of a clip; expected site/session/person/clip, such as "
            "NoXI/065_2016-04-14_Nottingham/Expert_video/1"
        )
    return ClipPath(parts)
