"""Names that differ, but so little that a slip is likelier than two things."""

from __future__ import annotations

import re
from collections.abc import Iterable


def question_names(kind: str, names: Iterable[tuple[int, str]]) -> list[str]:
    """A question for every pair of names that a person may have meant to be one.

    Spreadsheets and people change upper and lower case, leading zeros, trailing zeros behind a
    point, and the character between two parts. ``kind`` is ``session`` or ``subject``; ``names``
    are (row, name), a name as often as it is used.
    """
    rows: dict[str, list[int]] = {}
    for row, name in names:
        rows.setdefault(name, []).append(row)
    first: dict[str, str] = {}
    questions = []
    for name in filter(None, rows):
        before = first.setdefault(_key(name), name)
        # Sessions that differ in nothing but case are refused elsewhere.
        if before == name or (kind == "session" and before.casefold() == name.casefold()):
            continue
        what = "the same person" if kind == "subject" else "the same"
        why = ", and whoever is in two splits is not noticed" if kind == "subject" else ""
        questions.append(
            f"row {rows[name][0]}: {kind} {name!r} is nearly {before!r} of row {rows[before][0]}; "
            f"they count as two{why}: write one name if {what} is meant"
        )
    return questions


def _key(name: str) -> str:
    """What is left of a name when everything is taken out that slips change."""
    plain = name.casefold()
    if re.fullmatch(r"\d+[.]\d+", plain):
        plain = plain.rstrip("0").rstrip(".")
    plain = re.sub(r"[-_.]+", "-", plain).strip("-")
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), plain)
