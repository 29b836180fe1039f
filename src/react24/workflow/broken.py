"""What the jobs of a run found out about recordings, kept for the next one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from react24.project.broken import BROKEN, names_recording, note_broken
from react24.project.load import Project
from react24.project.session import Session

KINDS = ("InputError", "InputErrors", "DamagedFileError", "NoFaceError")
"""Errors that say what is wrong with what the user gave; others may have passed by themselves."""


class FailedJob(Protocol):
    """What is asked of a job that failed (``react24.workflow.failures.JobRecord``)."""

    rule: str
    wildcards: str
    messages: list[str]


def find_broken(failed: Iterable[FailedJob], sessions: Iterable[Session]) -> dict[str, list[str]]:
    """Session -> why its recordings cannot be used, as the jobs that are about it alone say.

    Only what names a recording counts: missing weights, say, are no fault of a session.
    """
    of_session = {f"session={session.session}": session for session in sessions}
    found: dict[str, list[str]] = {}
    for job in failed:
        session = of_session.get(job.wildcards)
        kind, _, text = job.messages[-1].partition(": ")
        if session and kind in KINDS and names_recording(text, session):
            found.setdefault(session.session, []).append(f"{job.rule}: {' '.join(text.split())}")
    return found


def note_failures(project: Project, failed: Iterable[FailedJob]) -> str:
    """Note the sessions whose recordings a run could not use; returns what to do about them.

    Empty where there are none.
    """
    found = find_broken(failed, project.sessions)
    if not found:
        return ""
    everyone = [*project.sessions, *(left.session for left in project.left_out)]
    note_broken(found, everyone, project.settings)
    names = ", ".join(found)
    told = f"{len(found)} session(s) cannot be used as they are: {names} (noted in {BROKEN})."
    if project.settings["corpus"]["skip_broken"]:
        return (
            f"{told} Start the run again: it leaves them out, says so wherever its figures stand, "
            f"and goes on with the others; they are tried again once their recordings change"
        )
    return (
        f"{told} Repair or replace their recordings and start the run again, or set "
        f"corpus.skip_broken: true, which leaves them out and goes on with the others"
    )


def tell_left_out(project: Project) -> str:
    """What a run that has ended did without; empty where that is nothing."""
    if not project.left_out:
        return ""
    lines = [f"{len(project.left_out)} session(s) left out (corpus.skip_broken):"]
    for left in project.left_out:
        about = left.session
        lines.append(f"  {about.session} (row {about.row}, {about.split}): {left.told}")
    return "\n".join(lines)
