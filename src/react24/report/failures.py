"""What failed in a run, gathered from the logs of its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from react24.log import FAILED


@dataclass(frozen=True)
class Failure:
    """One failed job.

    Attributes:
        log: Its log file.
        job: Rule and wildcards, as the log's path gives them: ``track_faces/session03``.
        message: The last line of the exception.
    """

    log: Path
    job: str
    message: str


def find_failures(logs: Path, since: float) -> list[Failure]:
    """Jobs whose log ends in an exception.

    Args:
        logs: Folder of the logs, one folder per rule.
        since: Only logs written at or after this time (seconds since the epoch) count.

    Returns:
        Ordered by job.
    """
    failures = []
    for path in sorted(logs.rglob("*.log")):
        if path.stat().st_mtime < since:
            continue
        _, mark, after = path.read_text(encoding="utf-8", errors="replace").rpartition(FAILED)
        if mark:
            # An exception's own text may have several lines; the traceback's are indented.
            lines = [line for line in after.splitlines() if line and not line.startswith(" ")]
            message = next((line for line in lines if not line.startswith("Traceback")), "")
            failures.append(
                Failure(path, str(path.relative_to(logs).with_suffix("")), _without_module(message))
            )
    return failures


def _without_module(line: str) -> str:
    """``react24.errors.InputError: text`` as ``InputError: text``."""
    name, colon, text = line.partition(": ")
    return f"{name.rpartition('.')[2]}{colon}{text}"


def describe_failures(logs: Path, since: float) -> str:
    """The failed jobs for people, a line each; empty if there are none."""
    failures = find_failures(logs, since)
    if not failures:
        return ""
    lines = [f"  {failure.job}: {failure.message} ({failure.log})" for failure in failures]
    return "\n".join([f"{len(failures)} job(s) failed; what depends on them did not run:", *lines])
