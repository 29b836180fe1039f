"""Signals that ask a training to stop: it writes a checkpoint first.

Slurm sends SIGTERM before it kills a job, at its time limit and for a job of higher priority; the
next attempt then goes on at the very step.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any, Self

from react24.log import STOPPING_SIGNALS

logger = logging.getLogger(__name__)


class StopRequestedError(BaseException):
    """A signal asked for the end; not an ``Exception``, so that nobody takes it for a failure."""


class StopSignals:
    """While this is open, the first signal is noted, not obeyed; a second one ends the process.

    The code at work asks ``asked`` where it can stop and raises `StopRequestedError`. Then the
    process ends by the signal as it would have, so that its log says so. What was done before
    anybody asked, or failed, ends as it does without a signal.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only it may set handlers
            for number in STOPPING_SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.asked = number
        self._put_back()
        name = signal.Signals(number).name
        logger.warning("asked to stop (%s): writing a checkpoint after this step", name)

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._put_back()
        if self.asked is not None and kind is StopRequestedError:
            os.kill(os.getpid(), self.asked)
