"""What a run shows on the console: a line for each job that has ended.

Snakemake tells the start of a job, why it runs, its end and how far the run is in eight lines. The
console gets one; ``.snakemake/log`` keeps them all, and ``--printshellcmds`` or ``--verbose`` shows
them. Errors, warnings and everything else are left as they are.
"""

from __future__ import annotations

import logging
import time

CONSOLE = "DefaultStreamHandler"
"""Name of the handler by which Snakemake writes to the console."""

SELECTING = "Select jobs to execute..."


class OneLinePerJob(logging.Formatter):
    """Formats what Snakemake logs; `filter` says which of it is not shown at all."""

    def __init__(self, otherwise: logging.Formatter | None):
        """Know of no job yet.

        Args:
            otherwise: Formats what is not about the course of a job.
        """
        super().__init__()
        self._otherwise = otherwise or logging.Formatter()
        self._running: dict[int, tuple[str, float]] = {}
        self._ended: list[tuple[str, float]] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show a record; names and start times of jobs are taken from those hidden."""
        event = str(getattr(record, "event", ""))
        if event == "job_info":
            told = record.__dict__
            self._running[told["jobid"]] = (told["rule_msg"] or told["rule_name"], record.created)
        elif event == "job_finished":
            job = record.__dict__["job_id"]
            self._ended.append(self._running.pop(job, (f"job {job}", record.created)))
        return event not in ("job_info", "job_started", "job_finished") and record.msg != SELECTING

    def format(self, record: logging.LogRecord) -> str:
        """``01:03:52  12 of 164  Tracking the faces of session talk01 (36 s)``, a line per job."""
        if str(getattr(record, "event", "")) != "progress":
            return self._otherwise.format(record)
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        done, total = record.__dict__["done"], record.__dict__["total"]
        ended, self._ended = self._ended, []
        lines = []
        for left, (what, started) in enumerate(reversed(ended)):
            place = f"{done - left:>{len(str(total))}} of {total}"
            lines.append(f"{clock}  {place}  {what} ({record.created - started:.0f} s)")
        return "\n".join(reversed(lines))


def show_one_line_per_job(logger: logging.Logger) -> None:
    """Have Snakemake's logger show each job in one line on the console.

    Where the console is written by something else (a plugin for logging), nothing changes.
    """
    for handler in logger.handlers:
        if handler.name == CONSOLE and not isinstance(handler.formatter, OneLinePerJob):
            brief = OneLinePerJob(handler.formatter)
            handler.addFilter(brief)
            handler.setFormatter(brief)
