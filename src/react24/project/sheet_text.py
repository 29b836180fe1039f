"""The sample sheet as text: encodings, separators and quotation marks as spreadsheets save them.

What can be understood in one way is read; what cannot is told by row. A row is never lost. That is
why neither ``csv`` nor ``pandas.read_csv`` takes the rows apart: for both, a quotation mark that is
text opens a cell that swallows the rows below it, and pandas moves the cells of a row that has too
many under other columns.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from react24.errors import InputError

SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
"""Separators that spreadsheets write, in the order in which they are tried."""

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"
"""Characters without width that come along when a cell is copied from a web page or a chat."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ERROR_CELL = re.compile(r"#(NAME\?|REF!|VALUE!|N/A|NULL!|NUM!|DIV/0!|NAME|#+)$")
"""What a spreadsheet shows in place of a value that it could not work out or fit in."""


@dataclass
class SheetText:
    """A sheet taken apart into cells.

    Attributes:
        rows: (number as a spreadsheet counts rows, from 1; cells) in order, the header first; blank
            rows and remarks are left out; cells are stripped and in composed form (NFC).
        separator: Between cells.
        problems: What cannot be understood, each starting with ``row N``.
        warnings: What was understood but deserves a look.
    """

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    separator: str = "\t"
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_text(path: Path, columns: Iterable[str]) -> SheetText:
    """Take a sheet apart; the separator is the one that sets known ``columns`` apart.

    Raises:
        InputError: It cannot be read or decoded, or its cells are separated by blanks.
    """
    found = SheetText()
    text = _decode(path, found)
    header = next(filter(_says_something, text.split("\n")), "")
    found.separator = _find_separator(path, header, set(columns))
    for number, cells in _split_rows(text, found):
        if not any(cells) or (not found.rows and cells[0].casefold().startswith("sep=")):
            continue  # "sep=;" tells a spreadsheet how to read the file, and us nothing new
        if found.rows and _ERROR_CELL.match(cells[0]) and any(cells[1:]):
            found.problems.append(
                f"row {number}: found {cells[0]!r} in the first column, a spreadsheet's sign that "
                f"it took the text for a formula or could not show it; format the column as text "
                f"and type it again"
            )
        elif not cells[0].startswith("#"):
            found.rows.append((number, cells))
    return found


def _decode(path: Path, found: SheetText) -> str:
    """Text of the file, its lines ended by LF; complains where the encoding is a guess."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"sample sheet {path}: cannot be read ({error.strerror}); the configuration's key "
            f"`sessions` names it"
        ) from error
    if data[:2] == b"PK" or data[:4] == b"\xd0\xcf\x11\xe0":
        raise InputError(
            f"sample sheet {path}: it is a spreadsheet's own file (.xlsx, .ods or .xls); save it "
            f"as text, separated by tabs"
        )
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:2]:  # a header starts with a Latin letter or '#'
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise InputError(
                f"sample sheet {path}: byte {error.start} is not {encoding.upper()}, as which the "
                f"file starts; save it as text, separated by tabs, in UTF-8"
            ) from error
        return _decode_old(path, data, found)
    return _end_lines(text)


def _decode_old(path: Path, data: bytes, found: SheetText) -> str:
    """Text of a program that knows no Unicode: of Windows, or of the Macintosh."""
    old_mac = b"\n" not in data and b"\r" in data
    encoding, name = ("mac_roman", "Macintosh") if old_mac else ("cp1252", "Windows-1252")
    try:
        text = _end_lines(data.decode(encoding))
    except UnicodeDecodeError as error:
        row = _end_lines(data[: error.start].decode("latin-1")).count("\n") + 1
        raise InputError(
            f"sample sheet {path}, row {row}: byte {error.start} is neither UTF-8 nor {name}; save "
            f"it as Unicode text, separated by tabs"
        ) from error
    words: dict[str, int] = {}
    for row, line in enumerate(text.split("\n"), start=1):
        for cell in re.split(r"[\t;,]", line):
            if not cell.isascii():
                words.setdefault(cell.strip('" '), row)
    shown = ", ".join(f"{word!r} (row {row})" for word, row in list(words.items())[:5])
    found.warnings.append(
        f"row {next(iter(words.values()))}: the sheet is not in UTF-8 and was read as {name} text, "
        f"which gives {shown}{' and more' if len(words) > 5 else ''}; if that is wrong, save it as "
        f"Unicode text, separated by tabs"
    )
    return text


def _end_lines(text: str) -> str:
    """Lines that end in CR LF or CR end in LF; other separators of Unicode stay within them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _says_something(line: str) -> bool:
    """Whether a line is neither blank nor a remark."""
    cells = line.strip("\t;, \u00a0\"'" + INVISIBLE)
    return bool(cells) and not cells.startswith("#") and not cells.casefold().startswith("sep=")


def _find_separator(path: Path, header: str, columns: set[str]) -> str:
    def known(cells: list[str]) -> int:
        return len(columns & {_clean(cell).casefold() for cell in cells})

    best = max(SEPARATORS, key=lambda separator: known(_cells(header, separator)))
    if known(_cells(header, best)) > 1:
        return best
    if known(re.split(r"\s+", header)) > 1:
        raise InputError(
            f"sample sheet {path}: the columns of its header are separated by spaces; accepted are "
            f"tabs (save it as text, separated by tabs)"
        )
    return "\t"


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _split_rows(text: str, found: SheetText) -> Iterator[tuple[int, list[str]]]:
    """(Row, cleaned cells) of every row; those whose quotation marks are ambiguous are told.

    A quotation mark counts only as the first character of a cell, and ends only before a separator
    or the end of the line; everywhere else it is text. Between the two, a doubled one stands for
    one, and lines may break.
    """
    separator = re.escape(found.separator)
    cell = re.compile(
        rf'(?:[^\S\t\n]*"(?P<quoted>[^"]*(?:""[^"]*)*)"[^\S\t\n]*(?={separator}|\n|\Z)'
        rf"|(?P<text>[^{separator}\n]*))(?P<end>{separator}|\n|\Z)"
    )
    remark = re.compile(rf'[ "\u00a0{INVISIBLE}]*# [^\n]*(\n|\Z)')  # its quotation marks are text
    row, position = 0, 0
    while position < len(text):
        row += 1
        if match := remark.match(text, position):
            position = match.end()
            continue
        cells, uncertain, end = [], 0, found.separator
        while end == found.separator and (match := cell.match(text, position)):
            quoted, end, position = match["quoted"], match["end"], match.end()
            cells.append(_clean(match["text"] if quoted is None else quoted.replace('""', '"')))
            if quoted and "\n" in quoted and found.separator in quoted:
                uncertain += quoted.count("\n")
        if uncertain:
            found.problems.append(
                f"row {row}: a cell starts with a quotation mark, and where it ends is not certain "
                f"(perhaps {uncertain} line(s) below); take the quotation mark away, or "
                f"the line breaks inside the cell"
            )
        else:
            yield row, cells


def _clean(cell: str) -> str:
    """Without line breaks inside and invisible characters around; letters composed (NFC)."""
    kept = re.sub(r"[\r\n\v\f\x85\u2028\u2029]+", " ", cell)
    previous = None
    while previous != kept:
        previous, kept = kept, kept.strip().strip(INVISIBLE)
    return unicodedata.normalize("NFC", kept)
