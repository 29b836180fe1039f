"""Logging to the console and to a job's log file, and progress for people who wait.

The log file of a job says how it ended: its last entry starts with ``DONE``, ``FAILED`` or
``STOPPED``. Where none of them stands, the process was ended without a chance to write: by
SIGKILL, which is also what the kernel does where memory runs out.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
logger = logging.getLogger(__name__)

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SECONDS_BETWEEN_LINES = 10.0
SECONDS_ON_CONSOLE = 60.0
"""How often a job tells on the console how far it is."""

DONE = "The job is done."
FAILED = "The job failed: "
"""Stands before the kind and the text of the exception, which go on to the end of the log."""
STOPPED = "The job was stopped by "
"""Stands before the name of the signal."""
CRASHED = "Fatal Python error: "
"""How Python announces a fault of compiled code, such as ``Segmentation fault``."""

STOPPING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGXCPU") if hasattr(signal, name)
)
"""Signals that schedulers and people end a job with and that a process can still tell."""


def start_logging(path: str | Path | None = None, level: int = logging.INFO) -> None:
    """Send log records to stderr and, where given, to a file that also says how the job ended.

    With a file, which has everything, the console that the jobs of a run share gets warnings,
    errors, and once a minute how far the job is. Where several processes work on one job (several
    GPUs), only the first writes the file.

    Args:
        path: Log file of the job, overwritten; None for the console only.
        level: Lowest level that is shown.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path:
        handlers[0].addFilter(_Seldom())
    if path and os.environ.get("LOCAL_RANK", "0") == "0":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    logging.basicConfig(
        level=level, format=_FORMAT, datefmt="%H:%M:%S", handlers=handlers, force=True
    )
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    if path:
        _log_end(handlers[-1])


class _Seldom(logging.Filter):
    """Lets warnings and errors through, and at times a line of progress."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = time.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        now = time.monotonic()
        if not getattr(record, "is_progress", False) or now - self._shown < SECONDS_ON_CONSOLE:
            return False
        self._shown = now
        return True


def _log_uncaught(kind, value, traceback) -> None:
    """The traceback, then what a person should read: kind and whole text of the exception."""
    atexit.unregister(_log_done)
    if issubclass(kind, KeyboardInterrupt):
        logging.getLogger("react24").critical("%s%s", STOPPED, signal.SIGINT.name)
        sys.__excepthook__(kind, value, traceback)
        return
    log = logging.getLogger("react24")
    log.critical("Where it failed:", exc_info=(kind, value, traceback))
    log.critical("%s%s: %s", FAILED, kind.__name__, value)


def _log_done() -> None:
    logger.info(DONE)


def _log_end(handler: logging.Handler) -> None:
    """See to it that the end of this process is logged, whatever it is."""
    atexit.unregister(_log_done)
    atexit.register(_log_done)
    if isinstance(handler, logging.FileHandler) and handler.stream:
        faulthandler.enable(handler.stream)
    job = os.getpid()

    def stop(number: int, _frame) -> None:
        if os.getpid() == job:  # helpers that were forked off are stopped in the usual course
            logging.getLogger("react24").critical("%s%s", STOPPED, signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in STOPPING_SIGNALS:
        signal.signal(number, stop)


def progress(
    items: Iterable[Item], *, what: str, unit: str, total: int | None = None, start: int = 0
) -> Iterator[Item]:
    """Yield the items and tell how far we are.

    A log line at the start, which names the stage should the process be killed. Then a bar when
    stderr is a terminal that no other job shares, otherwise a log line at most every ten seconds
    and one at the end if it took longer than that.

    Args:
        items: What to iterate over.
        what: What is being done, e.g. ``"tracking session03/a"``.
        unit: What one item is: ``frame``, ``clip``, ``step``.
        total: Number of items including those done before; taken from ``len`` where possible.
        start: Items done before, for work that was resumed.
    """
    if total is None and hasattr(items, "__len__"):
        total = start + len(items)  # type: ignore[arg-type]
    logger.info("%s%s", what, f": {total - start} {unit}s" if total else "")
    if sys.stderr.isatty() and not _has_file():
        from tqdm import tqdm  # a twentieth of a second, which most jobs need not wait for

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
            status = _status(done, done - start, total, unit, now - began)
            logger.info("%s: %s", what, status, extra={"is_progress": True})
    elapsed = time.monotonic() - began
    if elapsed >= SECONDS_BETWEEN_LINES:
        logger.info("%s: done, %s", what, _status(done, done - start, total, unit, elapsed))


def _has_file() -> bool:
    """Whether this is a job of a run, with a log file of its own."""
    return any(isinstance(handler, logging.FileHandler) for handler in logging.root.handlers)


def _status(done: int, done_now: int, total: int | None, unit: str, elapsed: float) -> str:
    rate = done_now / elapsed if elapsed > 0 else 0.0
    if not total:
        return f"{done} {unit}s, {rate:.1f} {unit}s/s"
    left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
    return f"{done}/{total} {unit}s, {rate:.1f} {unit}s/s{left}"
