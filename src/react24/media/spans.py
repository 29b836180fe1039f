"""Stretches in which something holds, of masks along time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    """Positions ``start`` to ``stop - 1``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of positions."""
        return self.stop - self.start


def find_spans(mask: np.ndarray) -> list[Span]:
    """The stretches of True in bool (T,), in order."""
    padded = np.concatenate([[False], np.asarray(mask, bool), [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [Span(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
