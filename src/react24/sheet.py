"""The sample sheet: one row per session, read and checked as a whole before anything runs."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from react24 import schema as schemas
from react24.choices import DEFAULT, ChoiceError, Choices, parse_choices
from react24.config import Settings, count
from react24.errors import InputError, InputErrors
from react24.splits import conflicts

logger = logging.getLogger(__name__)

ROLES = ("a", "b")


@dataclass(frozen=True)
class Person:
    """One person of a session.

    Attributes:
        role: ``a`` or ``b``.
        subject: Who it is.
        role_name: The site's own name for the role; ``a`` or ``b`` where it has none.
        video: Path, starting with ``corpus.root``.
        audio: Path of the file the sound is read from; equal to ``video`` where the sheet names
            none.
        choices: How the recording is read.
    """

    role: str
    subject: str
    role_name: str
    video: Path
    audio: Path
    choices: Choices = DEFAULT


@dataclass(frozen=True)
class Session:
    """One row of the sample sheet.

    Attributes:
        session: Name.
        split: train, val, test, or auto where it is not decided yet.
        a: The first person.
        b: The second person.
        site: Site or corpus.
        row: Line of the sheet, counted from 1.
    """

    session: str
    split: str
    a: Person
    b: Person
    site: str
    row: int

    @property
    def people(self) -> tuple[Person, Person]:
        """Both persons, a first."""
        return self.a, self.b

    @property
    def subjects(self) -> tuple[str, str]:
        """Who the two persons are."""
        return self.a.subject, self.b.subject


@dataclass(frozen=True)
class _Row:
    """Cells of one line: column -> text, stripped; absent columns are empty."""

    number: int
    cells: Mapping[str, str]


def read_sheet(path: str | Path, settings: Settings, *, check_files: bool) -> list[Session]:
    """Read and check a sample sheet.

    Tab-separated text in UTF-8 with a header; lines that start with ``#`` and blank lines are
    skipped; a byte-order mark and Windows line ends are tolerated. Columns:
    ``workflow/schemas/sessions.schema.yaml``.

    Args:
        path: The sheet.
        settings: For ``corpus.root``, ``corpus.name`` and ``demo.enabled``.
        check_files: Also look at the files: there, readable, none used twice. Only the process
            that starts a run needs to.

    Returns:
        Sessions in the order of rows.

    Raises:
        InputErrors: Everything that is wrong, in one go.
    """
    path = Path(path)
    problems: list[str] = []
    rows = _read_rows(path, problems)
    sessions: list[Session] = []
    for row in rows:
        found = _check_cells(row)
        problems += [f"{path}, row {row.number}, {problem}" for problem in found]
        if not found:
            sessions.append(_make_session(row, settings))
    problems += [f"{path}, {problem}" for problem in _check_repeated_names(rows)]
    # A row with a bad path still says who is in which split.
    splits = schemas.load_schema("sessions")["properties"]["split"]["enum"]
    told = [row for row in rows if row.cells["split"] in splits]
    problems += [f"{path}: {problem}" for problem in conflicts(_make_all(told, settings))]
    uses = list(_uses(sessions))
    problems += [
        f"{path}, {problem}" for problem in _check_repeated_files(uses, settings, check_files)
    ]
    if check_files:
        problems += [f"{path}, {problem}" for problem in _check_files(uses, settings)]
    if problems:
        raise InputErrors(f"sample sheet {path}: {count(problems)}", problems)
    return sessions


def _read_rows(path: Path, problems: list[str]) -> list[_Row]:
    """Rows under a good header.

    Raises:
        InputError: Unreadable, empty, or another separator than tab.
        InputErrors: Missing, unknown or repeated columns: the rows cannot be understood.
    """
    lines = _read_lines(path)
    if not lines:
        raise InputError(f"sample sheet {path}: it is empty; accepted is a header and one row each")
    number, header = lines[0]
    columns = [cell.strip() for cell in header]
    _check_header(f"{path}, row {number}", columns)
    if len(lines) == 1:
        problems.append(f"{path}: there is no row under the header; accepted is one per session")
    rows = []
    for number, cells in lines[1:]:
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            problems.append(
                f"{path}, row {number}: found {len(cells)} cells; accepted are {len(columns)}, "
                f"one per column of the header, separated by one tab each"
            )
            continue
        padded = cells + [""] * (len(columns) - len(cells))
        named = zip(columns, padded, strict=False)
        rows.append(_Row(number, {column: cell.strip() for column, cell in named}))
    return rows


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """(Line number, cells) of all lines that are neither blank nor comments."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"sample sheet {path}: cannot be read ({error.strerror}); the configuration's key "
            f"`sessions` names it"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"sample sheet {path}: byte {error.start} is not UTF-8; save it as tab-separated text "
            f"in UTF-8"
        ) from error
    kept = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    reader = csv.reader((line for _, line in kept), delimiter="\t")
    return [(number, cells) for (number, _), cells in zip(kept, reader, strict=True)]


def _check_header(where: str, columns: list[str]) -> None:
    schema = schemas.load_schema("sessions")
    known = list(schema["properties"])
    if len(columns) == 1:
        for separator, word in ((",", "commas"), (";", "semicolons"), (r"\s+", "spaces")):
            cells = [cell.strip() for cell in re.split(separator, columns[0])]
            if len(set(cells) & set(known)) > 1:
                raise InputError(
                    f"{where}: the columns are separated by {word}; accepted are tabs (save it as "
                    f"tab-separated text, .tsv)"
                )
    problems = []
    for column in dict.fromkeys(columns):
        if columns.count(column) > 1:
            problems.append(f"{where}: column {column!r} is there {columns.count(column)} times")
        if column not in known:
            near = schemas.nearest(column, known)
            hint = f"did you mean {near}? " if near else ""
            problems.append(f"{where}: unknown column {column!r}; {hint}Known: {', '.join(known)}")
    for column in schema["required"]:
        if column not in columns:
            problems.append(f"{where}: column {column!r} is missing; found: {', '.join(columns)}")
    if problems:
        raise InputErrors(f"{where}: {count(problems)}", problems)


def _check_cells(row: _Row) -> list[str]:
    """Problems of single cells and of cells of one row together, without looking at files."""
    schema = schemas.load_schema("sessions")
    problems = []
    for column, part in schema["properties"].items():
        cell = row.cells.get(column, "")
        if not cell:
            if column in schema["required"]:
                problems.append(f"column {column}: the cell is empty; {part['description']}")
            continue
        if "enum" in part and cell not in part["enum"]:
            near = schemas.nearest(cell, part["enum"])
            hint = f" (did you mean {near}?)" if near else ""
            accepted = ", ".join(part["enum"])
            problems.append(f"column {column}: found {cell!r}; accepted: {accepted}{hint}")
        if "pattern" in part and not re.search(part["pattern"], cell):
            accepted = schemas.explain_pattern(part["pattern"])
            problems.append(f"column {column}: found {schemas.show(cell)}; accepted: {accepted}")
        if column.startswith(("video_", "audio_")):
            problems += [f"column {column}: {problem}" for problem in _check_path(cell)]
    for role in ROLES:
        try:
            parse_choices(row.cells, role)
        except ChoiceError as error:
            problems.append(str(error))
    if row.cells.get("subject_a") and row.cells.get("subject_a") == row.cells.get("subject_b"):
        problems.append(
            f"columns subject_a, subject_b: found {row.cells['subject_a']!r} in both; accepted are "
            f"two different persons"
        )
    return problems


def _check_path(cell: str) -> list[str]:
    accepted = "accepted is a path below corpus.root, such as session01/a.mp4"
    if "\\" in cell:
        return [f"found {cell!r} with backslashes; use / between folders"]
    if any(ord(character) < 32 for character in cell):
        return [f"found {cell!r} with control characters; {accepted}"]
    path = PurePosixPath(cell)
    if path.is_absolute() or cell.startswith("~") or re.match(r"[A-Za-z]:", cell):
        return [f"found {cell!r}, an absolute path; {accepted} (set corpus.root, or link to it)"]
    if ".." in path.parts:
        return [f"found {cell!r}, which may leave the corpus; {accepted}, without '..'"]
    return []


def _make_all(rows: list[_Row], settings: Settings) -> list[Session]:
    named = [row for row in rows if row.cells["subject_a"] and row.cells["subject_b"]]
    return [_make_session(row, settings) for row in named]


def _make_session(row: _Row, settings: Settings) -> Session:
    root = Path(settings["corpus"]["root"])
    people = []
    for role in ROLES:
        video = root / row.cells[f"video_{role}"]
        audio = row.cells.get(f"audio_{role}", "")
        people.append(
            Person(
                role=role,
                subject=row.cells[f"subject_{role}"],
                role_name=row.cells.get(f"role_{role}", "") or role,
                video=video,
                audio=root / audio if audio else video,
                choices=_choices(row, role),
            )
        )
    return Session(
        session=row.cells["session"],
        split=row.cells["split"],
        a=people[0],
        b=people[1],
        site=row.cells.get("site", "") or settings["corpus"]["name"],
        row=row.number,
    )


def _choices(row: _Row, role: str) -> Choices:
    try:
        return parse_choices(row.cells, role)
    except ChoiceError:  # told by `_check_cells`
        return DEFAULT


def _check_repeated_names(rows: list[_Row]) -> list[str]:
    first: dict[str, _Row] = {}
    problems = []
    for row in rows:
        name = row.cells.get("session", "")
        # Some file systems do not tell upper case from lower case.
        before = first.setdefault(name.casefold(), row)
        if name and before is not row:
            problems.append(
                f"row {row.number}, column session: found {name!r}, which row {before.number} has "
                f"as {before.cells['session']!r}; accepted are names used once, case aside"
            )
    return problems


@dataclass(frozen=True)
class _Use:
    """A file named by a cell."""

    session: Session
    role: str
    kind: str
    path: Path

    @property
    def must_sound(self) -> bool:
        """Whether the file must hold sound: all but a video that has a sound file beside it."""
        person = self.session.a if self.role == "a" else self.session.b
        return self.kind == "audio" or person.audio == person.video

    @property
    def where(self) -> str:
        """Row and column, for the user."""
        return f"row {self.session.row}, column {self.kind}_{self.role}"


def _uses(sessions: list[Session]) -> Iterator[_Use]:
    for session in sessions:
        for person in session.people:
            yield _Use(session, person.role, "video", person.video)
            if person.audio != person.video:
                yield _Use(session, person.role, "audio", person.audio)


def _check_repeated_files(uses: list[_Use], settings: Settings, follow_links: bool) -> list[str]:
    first: dict[Path, _Use] = {}
    problems = []
    for use in uses:
        key = (settings.root / use.path).resolve() if follow_links else use.path
        before = first.setdefault(key, use)
        if before is use:
            continue
        if use.session is before.session and use.kind == before.kind == "audio":
            logger.warning(
                "Session %s: both persons take their sound from %s; features of sound will be "
                "the same for both",
                use.session.session,
                use.path,
            )
            continue
        problems.append(
            f"{use.where}: found {use.path}, the same file as {before.where}; accepted is a file "
            f"of its own for every person and session"
        )
    return problems


def _check_files(uses: list[_Use], settings: Settings) -> list[str]:
    from react24.media.probe import check_readable

    problems = []
    for use in uses:
        path = settings.root / use.path
        if path.is_file():
            found = check_readable(path, video=use.kind == "video", sound=use.must_sound)
            problems += [f"{use.where}: {problem}" for problem in found]
        elif not _will_be_made(use.path, settings):
            problems.append(
                f"{use.where}: {use.path}: {_what_is_there(path)}; accepted is a file below "
                f"corpus.root ({settings['corpus']['root']})"
            )
    return problems


def _what_is_there(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return f"a link to {path.readlink()}, which does not exist"
    return "a folder" if path.is_dir() else "no such file"


def _will_be_made(path: Path, settings: Settings) -> bool:
    """Whether it is a video of the demo corpus, which the workflow makes when it is missing."""
    if not settings["demo"]["enabled"]:
        return False
    from react24.demo.sessions import DEMO_SESSIONS

    root = Path(settings["corpus"]["root"])
    return path in {root / name / f"{role}.mp4" for name in DEMO_SESSIONS for role in ROLES}
