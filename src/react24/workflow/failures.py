"""What failed in a run, gathered from the logs of its jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from react24.log import CRASHED, DONE, FAILED, STOPPED

_RECORD = re.compile(r"^\d\d:\d\d:\d\d [A-Z]+ [\w.]+: ", re.MULTILINE)
"""How an entry of a log starts (``react24.log``)."""


@dataclass(frozen=True)
class Failure:
    """One failed job.

    Attributes:
        log: Its log file.
        rule: Its rule, such as ``track_faces``.
        wildcards: What tells it from the rule's other jobs, such as ``session03``.
        message: Kind and whole text of the exception, or what ended the process and the last thing
            it told; may have several lines.
    """

    log: Path
    rule: str
    wildcards: tuple[str, ...]
    message: str


def find_failures(logs: Path, since: float) -> list[Failure]:
    """Jobs whose log does not say that they are done.

    Ask when no job runs any more: one that still does looks like one that was killed.

    Args:
        logs: Folder of the logs, one folder per rule.
        since: Only logs written at or after this time (seconds since the epoch) count.

    Returns:
        Ordered by rule and wildcards.
    """
    failures = []
    for path in sorted(logs.rglob("*.log")):
        if path.stat().st_mtime < since:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if message := explain_end(text):
            rule, *wildcards = path.relative_to(logs).with_suffix("").parts
            failures.append(Failure(path, rule, tuple(wildcards), message))
    return failures


def explain_end(text: str) -> str:
    """Why a job with this log did not end well; empty where it did."""
    entries = _entries(text)
    for entry in reversed(entries):
        if entry.startswith(FAILED):
            return entry.removeprefix(FAILED)
        if entry.startswith(DONE):
            return ""
        if entry.startswith(STOPPED):
            name = entry.removeprefix(STOPPED)
            return f"stopped by {name} (a scheduler at its limit, or a person); {_last(entries)}"
    crash = text.rpartition(CRASHED)
    if crash[1]:
        kind = crash[2].partition("\n")[0]
        return f"crashed ({kind}) in compiled code; {_last(_entries(crash[0]))}"
    return (
        "killed without a chance to say why (SIGKILL: mostly because the memory ran out, else by a "
        f"scheduler or a person); {_last(entries)}"
    )


def _entries(text: str) -> list[str]:
    """Texts of the entries of a log, each with its further lines, in order."""
    return [entry.strip() for entry in _RECORD.split(text)[1:]]


def _last(entries: list[str]) -> str:
    """The last thing a job told before it was ended."""
    told = [e for e in entries if not e.startswith((STOPPED, FAILED, DONE))]
    if not told:
        return "it had told nothing yet"
    return f"the last it told: {told[-1].splitlines()[0]}"


def describe_failures(logs: Path, since: float) -> str:
    """The failed jobs for people: rule, wildcards, whole sentence, log; empty if there are none."""
    failures = find_failures(logs, since)
    if not failures:
        return ""
    lines = [f"{len(failures)} job(s) failed; what depends on them did not run:"]
    for failure in failures:
        first, *others = failure.message.splitlines() or [""]
        lines.append(f"  {' '.join((failure.rule, *failure.wildcards))}: {first}")
        lines += [f"    {line}" for line in others]
        lines.append(f"    log: {failure.log}")
    return "\n".join(lines)
