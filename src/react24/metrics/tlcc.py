"""TLCC (FRSyn): the lag at which a reaction follows the speaker best.

Official source: ``metric/TLCC.py`` of baseline_react2024, whose offsets are reproduced exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from react24.dtw import compiled
from react24.errors import InputError
from react24.metrics.arrays import (
    ClipArray,
    check_behaviour,
    check_predictions,
    check_valid,
    read_clips,
)
from react24.metrics.moments import make_units

MAX_LAG = 49
"""Largest shift in frames: 2 s at 25 fps, less one."""

LAGS = 2 * MAX_LAG + 1

QUIET = 1e-5
"""Share of a channel's variance below which a window is computed by the plain definition."""


@dataclass(frozen=True)
class TLCC:
    """Result of ``tlcc``, in frames.

    Attributes:
        official: Mean over clips of |offset| of sample 0 alone, as the multi-process function
            computes it, which the official evaluation calls.
        all_samples: The same mean over all clips and samples, as the single-process function.
        defined: Mean of |offset| over all pairs that have one once the channels with an undefined
            correlation, and frames in which the speaker is not known, are left out; NaN if there is
            no such pair.
        defined_share: Share of the (clip, sample) pairs that enter ``defined``.
        offsets: int (N, S), official, in [-49, 49]; negative where the reaction comes after the
            speaker.
        defined_offsets: int (N, S), channels left out; 0 where ``is_defined`` is False.
        is_defined: bool (N, S).
    """

    official: float
    all_samples: float
    defined: float
    defined_share: float
    offsets: np.ndarray
    defined_offsets: np.ndarray
    is_defined: np.ndarray


class ClipOffsets(NamedTuple):
    """Offsets of the samples of one clip, (S,) each; see ``TLCC``."""

    offsets: np.ndarray
    defined_offsets: np.ndarray
    is_defined: np.ndarray


@compiled(reorder=True)
def pearson(x, y, lag, known):
    """The plain definition: Pearson's r of x[t + lag] and y[t] over the frames t that are known.

    Args:
        x: float32 (T,), reaction.
        y: float32 (T,), speaker.
        lag: In frames, of either sign.
        known: bool (T,), of the speaker.

    Returns:
        In [-1, 1], by two passes in float64; NaN where either side is constant, or nothing is
        known.
    """
    start, stop = max(0, -lag), len(x) - max(0, lag)
    count, first = 0, -1
    x_moves = y_moves = False
    mean_x = mean_y = 0.0
    for t in range(start, stop):
        if known[t]:
            if first < 0:
                first = t
            x_moves |= x[t + lag] != x[first + lag]
            y_moves |= y[t] != y[first]
            mean_x += x[t + lag]
            mean_y += y[t]
            count += 1
    if not (x_moves and y_moves):
        return np.nan
    mean_x /= count
    mean_y /= count
    xx = yy = xy = 0.0
    for t in range(start, stop):
        if known[t]:
            dx, dy = x[t + lag] - mean_x, y[t] - mean_y
            xx += dx * dx
            yy += dy * dy
            xy += dx * dy
    return min(1.0, max(-1.0, xy / math.sqrt(xx) / math.sqrt(yy)))


@compiled
def compute_plainly(reactions, speaker, known, wanted, out):
    """``pearson`` of chosen pairs and lags.

    Args:
        reactions: float32 (n, T).
        speaker: float32 (C, T); reaction i is compared with row i mod C.
        known: bool (T,), of the speaker.
        wanted: bool (n, 99); column k is for lag k - 49.
        out: float32 (n, 99), filled where wanted.
    """
    for i in range(len(reactions)):
        for k in range(LAGS):
            if wanted[i, k]:
                out[i, k] = pearson(reactions[i], speaker[i % len(speaker)], k - MAX_LAG, known)


@compiled(reorder=True)
def correlate_later(late, early, out):
    """Pearson's r of x[lag:] and y[:T - lag] at the lags 0..49, of several pairs x, y.

    Sums and squares of a window follow from those of the lag before, so that only products are
    summed anew.

    Args:
        late: float64 (n or C, T), centred and of norm 1; x is row i modulo the rows there are.
        early: The same of y.
        out: float32 (n, 50), filled; NaN where a window is quiet.
    """
    for i in range(len(out)):
        x, y = late[i % len(late)], early[i % len(early)]
        sum_x = sum_y = 0.0
        xx = yy = 1.0
        for lag in range(MAX_LAG + 1):
            width = len(x) - lag
            if lag:
                lost_x, lost_y = x[lag - 1], y[width]
                sum_x -= lost_x
                sum_y -= lost_y
                xx -= lost_x * lost_x
                yy -= lost_y * lost_y
            xy = 0.0
            for t in range(width):
                xy += x[lag + t] * y[t]
            spread_x, spread_y = xx - sum_x * sum_x / width, yy - sum_y * sum_y / width
            if spread_x > QUIET and spread_y > QUIET:
                r = (xy - sum_x * sum_y / width) / math.sqrt(spread_x * spread_y)
                out[i, lag] = min(1.0, max(-1.0, r))
            else:
                out[i, lag] = np.nan


def correlation_by_lag(
    prediction: np.ndarray, speaker: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """Correlation of reactions with the speaker at the lags -49..49.

    Args:
        prediction: float32 (S, T, C).
        speaker: float32 (T, C).
        known: bool (T,), the frames of the speaker that count; None for all.

    Returns:
        float32 (S, 99, C), rounded as the official code does; NaN where a channel is constant
        over the window of that lag.
    """
    samples, frames, channels = prediction.shape
    reactions = np.ascontiguousarray(prediction.transpose(0, 2, 1)).reshape(-1, frames)
    speaker = np.ascontiguousarray(speaker.T)
    out = np.full((len(reactions), LAGS), np.nan, np.float32)
    if known is None or known.all():
        known = np.ones(frames, bool)
        made, said = make_units(reactions), make_units(speaker)
        correlate_later(said.unit, made.unit, out[:, MAX_LAG::-1])
        correlate_later(made.unit, said.unit, out[:, MAX_LAG:])
        moves = (made.norm > 0) & np.tile(said.norm > 0, samples)
        out[~moves] = np.nan
        wanted = np.isnan(out) & moves[:, None]
    else:
        wanted = np.ones(out.shape, bool)
    compute_plainly(reactions, speaker, known, wanted, out)
    return out.reshape(samples, channels, LAGS).transpose(0, 2, 1)


def official_offset(by_lag: np.ndarray) -> np.ndarray:
    """Offset of the maximum of the channel mean: (..., 99, channels) -> int (...).

    One undefined channel makes the mean NaN, and NaN counts as the maximum, the first one winning:
    a channel constant over the clip gives 49, whatever the others do.
    """
    curve = by_lag.mean(axis=-1, dtype=np.float64).astype(np.float32)
    return MAX_LAG - np.argmax(curve, axis=-1)  # NumPy's argmax, too, returns the first NaN


def clip_offsets(
    clip: np.ndarray, speaker: np.ndarray, known: np.ndarray | None = None
) -> ClipOffsets:
    """Offsets of all samples (S, T, 25) of one clip; ``known`` as for ``correlation_by_lag``."""
    by_lag = correlation_by_lag(clip, speaker)
    offsets = official_offset(by_lag)
    defined_offsets = offsets.copy()
    if known is not None and not known.all():
        by_lag = correlation_by_lag(clip, speaker, known)
        defined_offsets = official_offset(by_lag)
    usable = ~np.isnan(by_lag).any(axis=1)  # (S, 25), at every lag
    for s in np.flatnonzero(~usable.all(axis=1)):
        kept = by_lag[s][:, usable[s]]
        defined_offsets[s] = official_offset(kept) if usable[s].any() else 0
    return ClipOffsets(
        offsets.astype(np.int32), defined_offsets.astype(np.int32), usable.any(axis=1)
    )


def summarize_tlcc(clips: list[ClipOffsets]) -> TLCC:
    """Average the offsets of all clips."""
    offsets, defined_offsets, is_defined = (np.stack(values) for values in zip(*clips, strict=True))
    kept = np.abs(defined_offsets)[is_defined]
    return TLCC(
        official=float(np.abs(offsets[:, 0]).mean()),
        all_samples=float(np.abs(offsets).mean()),
        defined=float(kept.mean()) if len(kept) else math.nan,
        defined_share=float(is_defined.mean()),
        offsets=offsets,
        defined_offsets=defined_offsets,
        is_defined=is_defined,
    )


def check_frames(frames: int) -> None:
    """Refuse clips in which the largest lag leaves fewer than 2 frames.

    Raises:
        InputError: T below 51.
    """
    if frames < MAX_LAG + 2:
        raise InputError(
            f"TLCC shifts by up to {MAX_LAG} frames and needs clips of at least {MAX_LAG + 2} "
            f"frames; found {frames}"
        )


def tlcc(predictions: ClipArray, speaker: ClipArray, *, valid: np.ndarray | None = None) -> TLCC:
    """Time-lagged cross-correlation of reaction and speaker: mean |offset| in frames, 0..49.

    Args:
        predictions: P (N, S, T, 25), T ≥ 51.
        speaker: Q (N, T, 25).
        valid: bool (N, T), in which frames the speaker is known; None for all. Concerns what is
            ``defined`` alone.

    Raises:
        InputError: Shapes that do not fit, NaN, clips that are too short.
    """
    clips, _, frames = check_predictions(predictions)
    check_behaviour(speaker, clips, frames, "speaker behaviour")
    check_frames(frames)
    known = check_valid(valid, clips, frames, "speaker behaviour")
    made = read_clips(predictions, "predictions")
    said = read_clips(speaker, "speaker behaviour")
    heard = [None] * clips if known is None else known
    return summarize_tlcc([clip_offsets(*clip) for clip in zip(made, said, heard, strict=True)])
