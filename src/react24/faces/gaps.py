"""What stands in for a face that was not found."""

from __future__ import annotations

import numpy as np

from react24.media.spans import Span


def bridge(
    gap: Span, before: np.ndarray | None, after: np.ndarray | None, *, max_gap: int
) -> np.ndarray:
    """Values (gap.length, ...) for the frames of a gap.

    A gap of up to ``max_gap`` frames between two found faces is interpolated linearly. A longer
    one holds the value before it, and a gap at the start the value after it.

    Args:
        gap: Frames without a face.
        before: Value (...) at the last frame before the gap; None at the start.
        after: Value (...) at the first frame after it; None at the end.
        max_gap: Longest gap that is interpolated, frames.
    """
    if before is None and after is None:
        raise ValueError("a gap needs a found frame on at least one side")
    if before is not None and after is not None and gap.length <= max_gap:
        weight = np.arange(1, gap.length + 1) / (gap.length + 1)
        weight = weight.reshape(-1, *[1] * before.ndim).astype(before.dtype)
        return before + weight * (after - before)
    held = before if before is not None else after
    return np.repeat(held[None], gap.length, axis=0)
