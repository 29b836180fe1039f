"""Logging to the console and to a job's log file, and progress for people who wait."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
logger = logging.getLogger(__name__)

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SECONDS_BETWEEN_LINES = 10.0

FAILED = "The job failed."
"""How the log of a failed job announces the exception."""


def start_logging(path: str | Path | None = None, level: int = logging.INFO) -> None:
    """Send log records to stderr and, where given, to a file; log uncaught exceptions too.

    Where several processes work on one job (several GPUs), only the first writes the file.

    Args:
        path: Log file of the job, overwritten; None for the console only.
        level: Lowest level that is shown.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path and os.environ.get("LOCAL_RANK", "0") == "0":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    logging.basicConfig(
        level=level, format=_FORMAT, datefmt="%H:%M:%S", handlers=handlers, force=True
    )
    logging.captureWarnings(True)

    def log_uncaught(kind, value, traceback):
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, value, traceback)
            return
        logging.getLogger("react24").critical(FAILED, exc_info=(kind, value, traceback))

    sys.excepthook = log_uncaught


def progress(
    items: Iterable[Item], *, what: str, unit: str, total: int | None = None, start: int = 0
) -> Iterator[Item]:
    """Yield the items and tell how far we are.

    A bar when stderr is a terminal, otherwise a log line at most every ten seconds and one at
    the end if it took longer than that.

    Args:
        items: What to iterate over.
        what: What is being done, e.g. ``"tracking session03/a"``.
        unit: What one item is: ``frame``, ``clip``, ``step``.
        total: Number of items including those done before; taken from ``len`` where possible.
        start: Items done before, for work that was resumed.
    """
    if total is None and hasattr(items, "__len__"):
        total = start + len(items)  # type: ignore[arg-type]
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, unit=unit, total=total, initial=start, leave=False)
        return
    began = shown = time.monotonic()
    done = start
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            logger.info("%s: %s", what, _status(done, done - start, total, unit, now - began))
    elapsed = time.monotonic() - began
    if elapsed >= SECONDS_BETWEEN_LINES:
        logger.info("%s: done, %s", what, _status(done, done - start, total, unit, elapsed))


def _status(done: int, done_now: int, total: int | None, unit: str, elapsed: float) -> str:
    rate = done_now / elapsed if elapsed > 0 else 0.0
    if not total:
        return f"{done} {unit}s, {rate:.1f} {unit}s/s"
    left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
    return f"{done}/{total} {unit}s, {rate:.1f} {unit}s/s{left}"
