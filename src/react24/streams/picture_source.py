"""What the picture extractors read: one person's face at every 25 fps tick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from react24.errors import InputError
from react24.log import progress


@dataclass(frozen=True)
class PictureSource:
    """Pictures of one role of one session, in order of the ticks; they can be read once.

    Attributes:
        pictures: One uint8 (size, size, 3), RGB, per tick.
        valid: bool (T,), False where the face of the tick is not known.
        name: How messages call it, e.g. ``"session03, role a"``.
    """

    pictures: Iterable[np.ndarray]
    valid: np.ndarray
    name: str = "pictures"


@dataclass(frozen=True)
class Batch:
    """Pictures (n, size, size, 3) and, for each, the ticks (first, last + 1) that show it."""

    pictures: np.ndarray
    ticks: list[tuple[int, int]]


def batches(source: PictureSource, size: int, what: str) -> Iterator[Batch]:
    """The pictures in batches; one that is shown at several ticks in a row is in it once.

    Args:
        source: Where they come from.
        size: Pictures per batch.
        what: What progress messages call the work.

    Raises:
        InputError: More or fewer pictures than ticks.
    """
    shown = progress(source.pictures, what=what, unit="frame", total=len(source.valid))
    runs, end = _runs(shown), 0
    while run := list(islice(runs, size)):
        ticks = [span for _, span in run]
        end = ticks[-1][1]
        yield Batch(np.stack([picture for picture, _ in run]), ticks)
    if end != len(source.valid):
        raise InputError(f"{source.name}: {end} pictures for {len(source.valid)} frames")


def _runs(pictures: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Every picture once for each run of ticks that show it."""
    current, first, tick = None, 0, -1
    for tick, picture in enumerate(pictures):
        if current is None:
            current = picture
        elif picture is not current and not np.array_equal(picture, current):
            yield current, (first, tick)
            current, first = picture, tick
    if current is not None:
        yield current, (first, tick + 1)
