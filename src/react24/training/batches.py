"""Batches one step ahead: the next one is made in a thread while the last is worked on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from react24.training.share import Part


class Feed:
    """Hands out batches by step number; the same batches whether it looks ahead or not.

    Use as a context manager.
    """

    def __init__(self, make: Callable[[int], Part], total: int, *, ahead: bool, pin: bool):
        """What is handed out.

        Args:
            make: Step -> this process's part of the batch, on the CPU; a pure function.
            total: Steps in all; nothing beyond is made.
            ahead: Make the next batch in a thread meanwhile.
            pin: Put batches into page-locked memory, from which copies to a GPU need not wait.
        """
        self._make, self._total, self._pin = make, total, pin
        self._thread = ThreadPoolExecutor(1, "feed") if ahead else None
        self._next: tuple[int, Future[Part]] | None = None

    def take(self, step: int) -> Part:
        """The batch of a step; what goes wrong in making it is raised here."""
        if self._thread is None:
            return self._ready(step)
        number, future = self._next or (-1, None)
        batch = future.result() if future is not None and number == step else self._ready(step)
        self._next = None
        if step + 1 < self._total:
            self._next = (step + 1, self._thread.submit(self._ready, step + 1))
        return batch

    def _ready(self, step: int) -> Part:
        part = self._make(step)
        return part.pin_memory() if self._pin else part

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
