"""Two sides of the same work, timed in turns in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]

LONG = 10.0
"""CPU seconds of work that is not repeated as often as asked for."""


@dataclass(frozen=True)
class Sides:
    """The same work twice.

    Attributes:
        official: One step or one call of the official code.
        ours: The same of ours.
        note: What ``compare`` compares, and what else a reader should know.
        compare: Largest difference of their numbers, relative to the largest number; to be called
            before a step changes the weights. None where the two are not compared.
    """

    official: Work
    ours: Work
    note: str = ""
    compare: Callable[[], float] | None = None


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Attributes:
        name: For ``--cases``.
        title: For the table.
        target: Ratio that we want to reach; None where the row is there for information.
        make: Makes both sides; ``(checkouts) -> Sides``.
        training: Whether it is a training step, whose peak memory is of interest.
    """

    name: str
    title: str
    target: float | None
    make: Callable[..., Sides]
    training: bool = True


@dataclass(frozen=True)
class Timing:
    """Smallest seconds of some repeats."""

    cpu: float
    wall: float


def time_both(sides: Sides, repeats: int) -> tuple[Timing, Timing]:
    """Official and ours, in turns so that a busy moment hits both; the first calls do not count.

    CPU seconds of the process, all threads together: other jobs on the machine hardly change them.
    Work of more than ``LONG`` seconds is done twice and both count: warming up is nothing to it.
    """
    official: list[Timing] = []
    ours: list[Timing] = []
    for _ in range(repeats + 1):
        for work, timings in ((sides.official, official), (sides.ours, ours)):
            if len(timings) < 2 or timings[0].cpu <= LONG:
                timings.append(_time(work))
    return _smallest(official), _smallest(ours)


def _time(work: Work) -> Timing:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.process_time() - cpu, time.perf_counter() - wall)


def _smallest(timings: list[Timing]) -> Timing:
    counted = timings if timings[0].cpu > LONG else timings[1:]
    return Timing(min(t.cpu for t in counted), min(t.wall for t in counted))
