"""What the check found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from react24.check.looks import RoleLook, SessionLook
from react24.check.run import Report
from react24.project.config import count
from react24.project.session import Person, Session

COLUMNS = (
    *("session", "row", "split", "length", "clips"),
    *("person", "picture", "face", "sound", "told"),
)


FEWER_COLUMNS = ("session", "row", "split", "subject a", "subject b", "video a", "video b")


def format_report(report: Report) -> str:
    """A table of all sessions, two lines each, then warnings and errors, then a line in short."""
    rows: list[tuple[str, ...]] = [COLUMNS] if report.looks else [FEWER_COLUMNS]
    for session in report.project.sessions:
        look = report.looks.get(session.session)
        rows += _rows(session, look) if look else [_only_named(session)]
    parts = ["\n".join(format_table(rows))] if len(rows) > 1 else []
    heard = [f"{look.session}: {look.sync}" for look in report.looks.values() if look.sync]
    left = [f"{b.session.session} (row {b.session.row}): {b.told}" for b in report.left_out]
    sections = (
        *(("Offsets", heard), ("Left out (corpus.skip_broken)", left)),
        *(("Warnings", report.warnings), ("Errors", report.errors)),
    )
    for title, sentences in sections:
        if sentences:
            lines = [f"  {i}. {text}" for i, text in enumerate(sentences, start=1)]
            parts.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join([*parts, _in_short(report)])


def format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, columns aligned and set apart by two blanks."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _only_named(session: Session) -> tuple[str, ...]:
    videos = (str(person.video) for person in session.people)
    return session.session, str(session.row), session.split, *session.subjects, *videos


def _rows(session: Session, look: SessionLook) -> list[tuple[str, ...]]:
    length = _length(look.seconds) if look.seconds is not None else "?"
    length = "made by the run" if look.made_later else length
    about = [session.session, str(session.row), session.split, length]
    about.append(str(look.clips) if look.seconds is not None else "?")
    rows = []
    for person in session.people:
        told = sum(notice.role == person.role for notice in look.notices)
        told += sum(not notice.role for notice in look.notices) if person.role == "a" else 0
        rows.append((*about, *_cells(person, look.roles.get(person.role)), str(told or "")))
        about = [""] * len(about)
    return rows


def _cells(person: Person, look: RoleLook | None) -> tuple[str, ...]:
    name = f"{person.role} {person.subject}"
    if look is None:
        return name, "?", "?", "?"
    picture = f"{look.picture[0]}x{look.picture[1]}, {look.fps:.4g}/s"
    sound = f"{look.sound[0]} Hz, {look.sound[1]} ch" if look.sound else "none"
    return name, picture, _face(look), sound


def _face(look: RoleLook) -> str:
    if look.face is None:
        return "?"
    if look.face_width is None:
        return f"none in {look.face_seconds:g} s"
    return f"{look.face_width:.0f} px, {look.face:.0%} of {look.face_seconds:g} s"


def _length(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds // 60)}:{seconds % 60:05.2f}"


def _in_short(report: Report) -> str:
    sizes = ", ".join(f"{split} {number}" for split, number in report.project.sizes().items())
    found = f"{len(report.project.sessions)} session(s): {sizes}."
    errors = count(list(report.errors)) if report.errors else "No problems"
    warnings = f", {len(report.warnings)} warning(s)" if report.warnings else ""
    left = f", {len(report.left_out)} session(s) left out" if report.left_out else ""
    return f"{found} {errors} found{warnings}{left}."


def format_json(report: Report) -> str:
    """The report as one JSON object."""
    found = {
        "ok": not report.errors,
        "sizes": report.project.sizes(),
        "errors": report.errors,
        "warnings": report.warnings,
        "left_out": {left.session.session: left.told for left in report.left_out},
        "sessions": [
            _as_dict(session, report.looks.get(session.session) or SessionLook(session.session))
            for session in report.project.sessions
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


def _as_dict(session: Session, look: SessionLook) -> dict[str, Any]:
    return {
        "session": session.session,
        "row": session.row,
        "split": session.split,
        "seconds": look.seconds,
        "clips": look.clips if look.seconds is not None else None,
        "made_later": look.made_later,
        "people": {
            person.role: asdict(look.roles[person.role])
            if person.role in look.roles
            else {"role": person.role, "subject": person.subject, "video": str(person.video)}
            for person in session.people
        },
        "sync": look.sync,
        "errors": look.errors,
        "notices": [asdict(notice) for notice in look.notices],
    }
