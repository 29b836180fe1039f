"""The sample sheet: one row per session, read and checked as a whole before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from react24.contracts.paths import NO_PLACEHOLDERS, PLACEHOLDER
from react24.contracts.settings import show
from react24.conventions import ROLES
from react24.errors import InputError, InputErrors, nearest
from react24.project.choices import DEFAULT, ChoiceError, Choices, parse_choices
from react24.project.config import Settings, count
from react24.project.headers import Headers
from react24.project.near_names import question_names
from react24.project.session import Person, Session
from react24.project.sheet_columns import COLUMNS
from react24.project.sheet_files import (
    FileProblem,
    Use,
    check_files_of,
    check_repeated_files,
    find_on_disk,
    list_uses,
)
from react24.project.sheet_text import SEPARATORS, read_text
from react24.project.splits import conflicts


@dataclass(frozen=True)
class _Row:
    """Cells of one line: column -> text, stripped; absent columns are empty."""

    number: int
    cells: Mapping[str, str]


@dataclass
class InspectedSheet:
    """What could be made of a sheet.

    Attributes:
        sessions: Of the rows without a bad cell.
        placed: Of all rows that say who is in which split.
        sure: Whether that is every row, so that ``auto`` splits can be decided.
        broken: Session -> what is wrong with its recordings. Among ``problems`` too, unless
            ``corpus.skip_broken`` leaves such sessions out.
        problems: What is wrong, each naming the sheet and mostly the row.
        warnings: What deserves a look.
    """

    sessions: list[Session] = field(default_factory=list)
    placed: list[Session] = field(default_factory=list)
    sure: bool = False
    broken: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def inspect_sheet(
    path: str | Path, settings: Settings, *, check_files: bool, headers: Headers | None = None
) -> InspectedSheet:
    """Read and check a sample sheet.

    Text with a header, its columns separated by tabs (or, as some spreadsheets save it, by
    semicolons or commas); lines that start with ``#`` and blank lines are skipped. Encodings, line
    ends and quotation marks: ``react24.project.sheet_text``. Columns:
    ``react24.project.sheet_columns``.

    Args:
        path: The sheet.
        settings: For ``corpus.root``, ``corpus.name`` and ``demo.enabled``.
        check_files: Also look at the files: there, readable, none used twice. Only the process
            that starts a run needs to.
        headers: What is known of the files from before.

    Returns:
        Sessions in the order of rows, and all that is wrong or deserves a look.

    Raises:
        InputError: Not even the header can be understood.
    """
    path, sheet = Path(path), InspectedSheet()
    problems: list[str] = []
    warnings: list[str] = []
    rows = _read_rows(path, problems, warnings)
    lost = bool(problems)
    uses: list[Use] = []
    for row in rows:
        found = _check_cells(row)
        problems += [f"row {row.number}, {problem}" for problem in found]
        session = _make_session(row, settings)
        # A row with a bad cell still names files, and says who is in which split.
        uses += [use for use in list_uses([session]) if _names_file(row, use)]
        if not found:
            sheet.sessions.append(session)
        if row.cells["split"] in COLUMNS["split"].choices and all(session.subjects):
            sheet.placed.append(session)
    repeated = _check_repeated_names(rows)
    problems += repeated
    sheet.sure = not (lost or repeated) and len(sheet.placed) == len(rows)
    sheet.problems += [f"{path}: {problem}" for problem in conflicts(sheet.placed)]
    names = [(row.number, row.cells["session"]) for row in rows]
    warnings += question_names("session", names)
    people = [(row.number, row.cells[f"subject_{role}"]) for row in rows for role in ROLES]
    warnings += question_names("subject", people)
    problems += check_repeated_files(uses, settings, follow_links=check_files, warnings=warnings)
    if check_files:
        found_files = check_files_of(uses, settings, headers or Headers())
        problems += _sort_out(sheet, found_files, settings)
    sheet.problems = [f"{path}, {problem}" for problem in problems] + sheet.problems
    sheet.warnings = [f"{path}, {warning}" for warning in warnings]
    return sheet


def _sort_out(sheet: InspectedSheet, found: Sequence[FileProblem], settings: Settings) -> list[str]:
    """Note the sessions whose recordings cannot be used; returns what keeps the run from starting.

    Those of a row with a bad cell are not left out: the row has to be corrected anyway.
    """
    good = {session.session for session in sheet.sessions}
    problems = []
    for use, text in found:
        name = use.session.session if use else ""
        if name in good:
            sheet.broken.setdefault(name, []).append(text)
        if name not in good or not settings["corpus"]["skip_broken"]:
            problems.append(text)
    return problems


def _names_file(row: _Row, use: Use) -> bool:
    """Whether the cell of a file is one that can be looked for."""
    cell = row.cells.get(f"{use.kind}_{use.role}", "")
    return bool(cell) and not _check_path(cell)


def _read_rows(path: Path, problems: list[str], warnings: list[str]) -> list[_Row]:
    """Rows under a good header.

    Raises:
        InputError: Unreadable, empty, or separated by blanks.
        InputErrors: Missing, unknown or repeated columns: the rows cannot be understood.
    """
    sheet = read_text(path, COLUMNS)
    problems += sheet.problems
    warnings += sheet.warnings
    if not sheet.rows:
        raise InputError(f"sample sheet {path}: it is empty; accepted is a header and one row each")
    (number, header), *lines = sheet.rows
    columns = [cell.casefold() for cell in header]
    while columns and not columns[-1]:  # spreadsheets keep emptied columns
        columns.pop()
    _check_header(f"{path}, row {number}", columns)
    if not lines and not problems:
        problems.append("there is no row under the header; accepted is one per session")
    rows = []
    for number, cells in lines:
        if stray := _explain_stray(columns, cells, SEPARATORS[sheet.separator]):
            problems.append(f"row {number}: {stray}")
            continue
        padded = cells + [""] * (len(columns) - len(cells))
        named = {column: cell for column, cell in zip(columns, padded, strict=False) if column}
        named["split"] = named["split"].casefold()
        rows.append(_Row(number, named))
    return rows


def _explain_stray(columns: list[str], cells: list[str], separators: str) -> str:
    """What is wrong with text that stands under no column; empty where there is none."""
    if any(cells[len(columns) :]):
        filled = max(i for i, cell in enumerate(cells, start=1) if cell)
        return (
            f"found {filled} cells; accepted are {len(columns)}, one per column of the header, "
            f"set apart by {separators}"
        )
    nameless = [cell for column, cell in zip(columns, cells, strict=False) if cell and not column]
    return f"found {nameless[0]!r} in a column without a name" if nameless else ""


def _check_header(where: str, columns: list[str]) -> None:
    problems = []
    for column in filter(None, dict.fromkeys(columns)):
        if columns.count(column) > 1:
            problems.append(f"{where}: column {column!r} is there {columns.count(column)} times")
        if column not in COLUMNS:
            near = nearest(column, COLUMNS)
            hint = f"did you mean {near}? " if near else ""
            problems.append(
                f"{where}: unknown column {column!r}; {hint}Known: {', '.join(COLUMNS)}"
            )
    for column, about in COLUMNS.items():
        if about.required and column not in columns:
            problems.append(f"{where}: column {column!r} is missing; found: {', '.join(columns)}")
    if problems:
        raise InputErrors(f"{where}: {count(problems)}", problems)


def _check_cells(row: _Row) -> list[str]:
    """Problems of single cells and of cells of one row together, without looking at files."""
    problems = []
    for column, about in COLUMNS.items():
        cell = row.cells.get(column, "")
        if not cell:
            if about.required:
                problems.append(f"column {column}: the cell is empty; {about.text}")
            continue
        if about.choices and cell not in about.choices:
            near = nearest(cell, about.choices)
            hint = f" (did you mean {near}?)" if near else ""
            accepted = ", ".join(about.choices)
            problems.append(f"column {column}: found {cell!r}; accepted: {accepted}{hint}")
        if about.pattern and not re.fullmatch(about.pattern, cell):
            hint = _explain_spreadsheet(cell)
            problems.append(
                f"column {column}: found {show(cell)}; accepted: {about.accepted}{hint}"
            )
        if column.startswith(("video_", "audio_")):
            problems += [f"column {column}: {problem}" for problem in _check_path(cell)]
    for role in ROLES:
        try:
            parse_choices(row.cells, role)
        except ChoiceError as error:
            problems += error.problems
    if row.cells.get("subject_a") and row.cells.get("subject_a") == row.cells.get("subject_b"):
        problems.append(
            f"columns subject_a, subject_b: found {row.cells['subject_a']!r} in both; accepted are "
            f"two different persons"
        )
    return problems


def _explain_spreadsheet(cell: str) -> str:
    """A hint where a spreadsheet has made something else of a name."""
    number = re.fullmatch(r"\d+([.,]\d+)?E[+-]?\d+", cell, re.IGNORECASE)
    date = re.fullmatch(r"\d{1,4}/\d{1,2}(/\d{1,4})?|\d{1,2}\. ?[^\W\d]{3,9}\.?( \d{2,4})?", cell)
    if number or date or cell.startswith("#"):
        return " (a spreadsheet seems to have changed it: format the column as text, type it again)"
    return ""


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
    if re.search(PLACEHOLDER, cell):
        return [f"found {cell!r}; {NO_PLACEHOLDERS}"]
    return []


def _make_session(row: _Row, settings: Settings) -> Session:
    def on_disk(cell: str) -> Path:
        return find_on_disk(settings.root, Path(settings["corpus"]["root"]), cell)

    people = []
    for role in ROLES:
        video = on_disk(row.cells[f"video_{role}"])
        audio = row.cells.get(f"audio_{role}", "")
        people.append(
            Person(
                role=role,
                subject=row.cells[f"subject_{role}"],
                role_name=row.cells.get(f"role_{role}", "") or role,
                video=video,
                audio=on_disk(audio) if audio else video,
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
