"""The files that a sample sheet names: where they lie, whether they are there, who shares them."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from react24.conventions import ROLES
from react24.project.config import Settings

if TYPE_CHECKING:
    from react24.project.headers import Headers
    from react24.project.session import Person, Session


@dataclass(frozen=True)
class Use:
    """A file named by a cell."""

    session: Session
    role: str
    kind: str
    path: Path

    @property
    def person(self) -> Person:
        """Whose recording it is."""
        return self.session.a if self.role == "a" else self.session.b

    @property
    def holds_sound(self) -> bool:
        """Whether the person's sound is read from it: all but a video with a file beside it."""
        return self.path == self.person.audio

    @property
    def where(self) -> str:
        """Row and column, for the user."""
        return f"row {self.session.row}, column {self.kind}_{self.role}"


def list_uses(sessions: Sequence[Session]) -> list[Use]:
    """Every file of every session, videos before sound."""
    uses = []
    for session in sessions:
        for person in session.people:
            uses.append(Use(session, person.role, "video", person.video))
            if person.audio != person.video:
                uses.append(Use(session, person.role, "audio", person.audio))
    return uses


def find_on_disk(start: Path, corpus: Path, cell: str) -> Path:
    """The path of ``cell`` below ``corpus``, written as the disk writes it.

    An accented letter is one character (NFC) or two (NFD, as macOS hands out names); they look the
    same, but most file systems tell them apart. Where there is no such file, or more than one, the
    path is as in the cell.
    """
    path = corpus / cell
    if cell.isascii() or _exists(start / path):
        return path
    found = corpus
    for part in Path(cell).parts:
        found /= part if _exists(start / found / part) else _same_name(start / found, part)
    return found


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # False, not an error, where a folder may not be entered


def _same_name(folder: Path, name: str) -> str:
    """The only entry of a folder that reads like the name; the name itself where there is none."""
    try:
        entries = [entry.name for entry in folder.iterdir()]
    except OSError:  # told where the files are looked at
        return name
    composed = unicodedata.normalize("NFC", name)
    same = [entry for entry in entries if unicodedata.normalize("NFC", entry) == composed]
    return same[0] if len(same) == 1 else name


def check_repeated_files(
    uses: Sequence[Use], settings: Settings, *, follow_links: bool, warnings: list[str]
) -> list[str]:
    """Files that are used twice without a reason, one sentence each.

    A reason is a sound file of the room, and a video that shows several people: then every use
    says by ``crop`` or ``face`` who of them is meant. ``follow_links`` finds two links to one file;
    ``warnings`` gets a sentence where two people share their sound.
    """
    before: dict[Path, list[Use]] = {}
    problems = []
    for use in uses:
        path = Path(os.path.realpath(settings.root / use.path)) if follow_links else use.path
        others = before.setdefault(path, [])
        wrong = next((other for other in others if not _may_share(use, other)), None)
        if wrong is not None:
            problems.append(
                f"{use.where}: found {use.path}, the same file as {wrong.where}; accepted is a "
                f"file of its own for every person and session, or a place of its own in the "
                f"picture for each of them (columns crop_a, crop_b or face_a, face_b)"
            )
        elif shared := next((other for other in others if _same_sound(use, other)), None):
            warnings.append(
                f"{use.where}: the sound is that of {shared.where} too; features of sound will be "
                f"the same for both (say by audio_track or audio_channel whose is whose, if the "
                f"file tells them apart)"
            )
        others.append(use)
    return problems


def _may_share(one: Use, other: Use) -> bool:
    if one.kind == other.kind == "audio":
        return one.session is other.session
    if one.kind == other.kind == "video":
        places = [(u.person.choices.crop, u.person.choices.face) for u in (one, other)]
        return places[0] != places[1] and all(crop or face for crop, face in places)
    return False


def _same_sound(one: Use, other: Use) -> bool:
    if not (one.holds_sound and other.holds_sound):
        return False
    choices = [use.person.choices for use in (one, other)]
    return len({(c.audio_track, c.audio_channel) for c in choices}) == 1


class FileProblem(NamedTuple):
    """What is wrong with a file; ``use`` is None where it concerns all of them."""

    use: Use | None
    text: str


def check_files_of(uses: Sequence[Use], settings: Settings, headers: Headers) -> list[FileProblem]:
    """Look at the header of every file: what is missing, unreadable or lacks a stream.

    A wrong ``corpus.root`` is told once, not for every file.
    """
    wrong = explain_wrong_root(uses, settings)
    if wrong is not None:
        return [FileProblem(None, wrong)] if wrong else []
    problems = []
    for use in uses:
        path = settings.root / use.path
        if missing := explain_missing(use, settings):
            problems.append(FileProblem(use, f"{use.where}: {missing}"))
        elif path.exists():
            sound = use.holds_sound and settings.hears
            found = headers.problems(path, video=use.kind == "video", sound=sound)
            problems += [FileProblem(use, f"{use.where}: {problem}") for problem in found]
    return problems


def explain_missing(use: Use, settings: Settings) -> str:
    """Why a file cannot be opened, without opening it; empty where it can (or will be made)."""
    path, root = settings.root / use.path, settings["corpus"]["root"]
    mode = _mode(path)
    if stat.S_ISREG(mode):
        if os.access(path, os.R_OK):
            return ""
        return f"{use.path}: it may not be read (permission denied); correct the file's rights"
    if stat.S_ISDIR(mode):
        what = "a folder"
    elif mode:
        what = "neither a file nor a link to one"
    elif closed := _closed_folder(path):
        return f"{use.path}: the folder {closed} may not be entered; correct its rights"
    elif path.is_symlink():
        what = f"a link to {path.readlink()}, which does not exist or may not be read"
    elif will_be_made(use.path, settings):
        return ""
    else:
        what = f"no such file{_in_other_case(path)}"
    return f"{use.path}: {what}; accepted is a file below corpus.root ({root})"


def _in_other_case(path: Path) -> str:
    """A hint where capitals are all that is wrong with a path; empty otherwise."""
    folder = next(folder for folder in path.parents if folder.is_dir())
    if not os.access(folder, os.R_OK):
        return ""
    wanted = path.relative_to(folder).parts[0]
    same = [entry.name for entry in folder.iterdir() if entry.name.casefold() == wanted.casefold()]
    return f" (but {folder / same[0]}: capitals count)" if len(same) == 1 else ""


def _mode(path: Path) -> int:
    """Kind and rights of what a path leads to; 0 where that is nothing, or hidden from us."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _closed_folder(path: Path) -> Path | None:
    """The folder on the way to a path that this user may not enter, if that hides the path."""
    for folder in reversed(path.parents):
        if not stat.S_ISDIR(_mode(folder)):
            return None
        if not os.access(folder, os.X_OK):
            return folder
    return None


def explain_wrong_root(uses: Sequence[Use], settings: Settings) -> str | None:
    """A sentence where no file at all is below ``corpus.root``.

    Returns:
        None where some are (or will be made); empty where there is no such folder, which is told
        with the configuration.
    """
    if any(will_be_made(use.path, settings) for use in uses):
        return None
    if not stat.S_ISDIR(_mode(settings.corpus_root)):
        return ""
    if len(uses) < 3 or any(_exists(settings.root / use.path) for use in uses):
        return None
    if _closed_folder(settings.root / uses[0].path):
        return None
    root = Path(settings["corpus"]["root"])
    below = uses[0].path.relative_to(root)
    near = [root.parent, *sorted(settings.corpus_root.iterdir())]
    seen = next((folder for folder in near if _exists(settings.root / folder / below)), None)
    hint = f"but below {seen}: " if seen else ""
    return (
        f"none of its {len(uses)} files is below corpus.root ({root}), the first being "
        f"{uses[0].path} ({uses[0].where}), {hint}correct corpus.root, or the paths in the sheet"
    )


def will_be_made(path: Path, settings: Settings) -> bool:
    """Whether it is a video of the demo corpus, which the workflow makes when it is missing."""
    if not settings["demo"]["enabled"]:
        return False
    from react24.corpora.demo.sessions import DEMO_SESSIONS

    root = Path(settings["corpus"]["root"])
    return path in {root / name / f"{role}.mp4" for name in DEMO_SESSIONS for role in ROLES}
