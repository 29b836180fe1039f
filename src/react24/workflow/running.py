"""What the jobs of a run are doing, told on the head while they run elsewhere."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from react24.log import CRASHED, DONE, FAILED, STOPPED

VARIABLE = "REACT24_PROGRESS"
"""Environment variable: seconds between two looks, 0 for none."""

SECONDS = 60.0
MOST_LINES = 20
_START = re.compile(r"^\d\d:\d\d:\d\d [A-Z]+ [\w.]+: ")
_TAIL = 4096
"""Bytes at the end of a log that are read; the last entry stands in them."""


def seconds_between(on_cluster: bool) -> float:
    """How often to look: as the environment says, else each minute where jobs run elsewhere.

    Raises:
        ValueError: The environment variable is not a number.
    """
    told = os.environ.get(VARIABLE)
    if told is None:
        return SECONDS if on_cluster else 0.0
    try:
        return float(told)
    except ValueError:
        raise ValueError(f"{VARIABLE}={told}: expected a number of seconds, 0 for none") from None


@dataclass
class Running:
    """The jobs of a run, seen through their logs.

    Attributes:
        logs: Folder of the logs, one folder per rule.
        seen: Log -> its last change that was looked at. What is there at the start is of earlier
            runs; comparing with it and not with a clock, nodes whose clocks differ do no harm.
    """

    logs: Path
    seen: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> list[str]:
        """What jobs that still run have told since the last look: a line each, sorted by name."""
        lines = []
        for path in sorted(self.logs.rglob("*.log")):
            try:
                changed = path.stat().st_mtime_ns
                if self.seen.get(path) == changed:
                    continue
                self.seen[path] = changed
                told = last_told(path)
            except OSError:  # removed, or written anew, as we looked
                continue
            if told:
                name = " ".join(path.relative_to(self.logs).with_suffix("").parts)
                lines.append(f"{name} | {told}")
        return lines


def last_told(log: Path) -> str:
    """The last line of a log, without time and module; empty where the job has ended or is mute.

    Raises:
        OSError: The log cannot be read.
    """
    with log.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
        text = file.read().decode("utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or any(mark in text for mark in (DONE, FAILED, STOPPED, CRASHED)):
        return ""
    return _START.sub("", lines[-1]).strip()


def tell_regularly(
    logs: Path, seconds: float, tell: Callable[[str], None], ended: threading.Event
) -> None:
    """Start telling, each so many seconds, what jobs have told; silent where nothing is new.

    A thread does it that ends with the process at the latest.

    Args:
        logs: Folder of the logs.
        seconds: Between two looks; 0 for none.
        tell: Takes a text of several lines.
        ended: Set when the run has ended.
    """
    if seconds <= 0:
        return
    running = Running(logs)

    def repeat() -> None:
        while not ended.wait(seconds):
            if lines := running.look():
                more = len(lines) - MOST_LINES
                lines = lines[:MOST_LINES] + ([f"and {more} more"] if more > 0 else [])
                tell("\n".join(["Running:", *(f"  {line}" for line in lines)]))

    threading.Thread(target=repeat, name="progress", daemon=True).start()
