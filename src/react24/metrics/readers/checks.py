"""What every sequence must be before it is scored, and how a bad value is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from react24.conventions import ACTION_UNITS, AFFECT, CLIP_FRAMES, EMOTION_DIM, EMOTION_NAMES
from react24.errors import InputError

FRAMES = (CLIP_FRAMES, CLIP_FRAMES + 1)
"""Accepted lengths; the last of 751 frames is cut off, as in the official evaluation."""

LOW = np.array([-1.0 if name in AFFECT else 0.0 for name in EMOTION_NAMES])
HIGH = np.ones(EMOTION_DIM)
"""Range of each channel as released: AUs and expressions 0..1, valence and arousal -1..1."""

TRUTH_MARGIN = 0.1
"""How far labels may lie outside their range: regressed valence and arousal overshoot a little."""

PREDICTION_MARGIN = 0.5
"""The same for predictions: the published models do not limit their outputs, and the official
evaluation does not clip. What lies farther out is in another unit (z-scores, per cent, intensities
from 0 to 5) or comes from a model that diverged."""


def check_shape(shape: tuple[int, ...], where: str) -> None:
    """Refuse a sequence that is not (750 or 751, 25).

    Raises:
        InputError: Another shape.
    """
    if len(shape) != 2 or shape[0] not in FRAMES or shape[1] != EMOTION_DIM:
        raise InputError(
            f"{where}: shape {tuple(shape)}; expected ({FRAMES[0]} or {FRAMES[1]} frames, "
            f"{EMOTION_DIM} channels)"
        )


def check_values(
    values: np.ndarray, where: str | Callable[[int], str], margin: float | None
) -> np.ndarray:
    """Refuse values that are not finite or far from where they can be.

    Args:
        values: (S, T, 25).
        where: The file and, where needed, the place in it; or that by sample.
        margin: Accepted distance from the released range; None accepts any finite value.

    Returns:
        float32 (S, 750, 25), C-contiguous.

    Raises:
        InputError: Names the first bad value.
    """
    clip = np.ascontiguousarray(values[:, :CLIP_FRAMES], dtype=np.float32)
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(clip)
        if margin is not None:
            bad |= (clip < LOW - margin) | (clip > HIGH + margin)
    if bad.any():
        sample, frame, channel = (int(i) for i in np.argwhere(bad)[0])
        place = where if isinstance(where, str) else where(sample)
        raise InputError(
            f"{place}, frame {frame}, channel {channel} ({_kind(channel)}), counted from "
            f"0: {_complaint(float(clip[sample, frame, channel]), channel)}"
        )
    return clip


def _kind(channel: int) -> str:
    if channel < len(ACTION_UNITS):
        return "an AU"
    return "valence or arousal" if EMOTION_NAMES[channel] in AFFECT else "an expression"


def _complaint(value: float, channel: int) -> str:
    if not np.isfinite(value):
        return f"found {value}; values must be finite"
    return (
        f"found {value:g}, far outside {LOW[channel]:g} to {HIGH[channel]:g}; if these units are "
        "meant, --any-range scores them as they are"
    )
