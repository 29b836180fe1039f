"""TLCC (FRSyn): the lag at which a reaction follows the speaker best.

Official source: ``metric/TLCC.py`` of baseline_react2024, whose offsets are reproduced exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from react24.errors import InputError
from react24.metrics.arrays import ClipArray, check_behaviour, check_predictions, read_clips
from react24.metrics.jit import compiled

MAX_LAG = 49
"""Largest shift in frames: 2 s at 25 fps, less one."""

LAGS = 2 * MAX_LAG + 1


@dataclass(frozen=True)
class TLCC:
    """Result of ``tlcc``, in frames.

    Attributes:
        official: Mean over clips of |offset| of sample 0 alone, as the multi-process function
            computes it, which the official evaluation calls.
        all_samples: The same mean over all clips and samples, as the single-process function.
        defined: Mean of |offset| over all pairs that have one once the channels with an undefined
            correlation are left out; NaN if there is no such pair.
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


@dataclass(frozen=True)
class ClipOffsets:
    """Offsets of the samples of one clip, (S,) each; see ``TLCC``."""

    offsets: np.ndarray
    defined_offsets: np.ndarray
    is_defined: np.ndarray


@compiled
def constant_frames(values, at_end):
    """Length of the run of equal values at the start (or end) of each channel.

    Args:
        values: (T, C).
        at_end: Count from the last frame backwards.

    Returns:
        int (C,).
    """
    frames, channels = values.shape
    runs = np.empty(channels, np.int64)
    for c in range(channels):
        run = 1
        if at_end:
            while run < frames and values[frames - 1 - run, c] == values[frames - 1, c]:
                run += 1
        else:
            while run < frames and values[run, c] == values[0, c]:
                run += 1
        runs[c] = run
    return runs


@compiled
def lagged_correlation(prediction, speaker, out):
    """Pearson's r per lag and channel; NaN where either window is constant.

    Two passes (means, then products of deviations), so that windows that hardly vary are as
    precise as NumPy's ``corrcoef``. The channel is the inner loop: it is computed in vectors
    without changing the order of any sum.

    Args:
        prediction: float64 (T, C).
        speaker: float64 (T, C).
        out: float64 (99, C); row k is for lag k - 49, where lag > 0 pairs prediction[t + lag] with
            speaker[t].
    """
    frames, channels = prediction.shape
    runs = np.empty((2, 2, channels), np.int64)
    for at_end in range(2):
        runs[0, at_end] = constant_frames(prediction, at_end == 1)
        runs[1, at_end] = constant_frames(speaker, at_end == 1)
    for k in range(out.shape[0]):
        lag = k - MAX_LAG
        width = frames - abs(lag)
        from_x, from_y = max(lag, 0), max(-lag, 0)
        mean_x, mean_y = np.zeros(channels), np.zeros(channels)
        for t in range(width):
            for c in range(channels):
                mean_x[c] += prediction[from_x + t, c]
                mean_y[c] += speaker[from_y + t, c]
        mean_x /= width
        mean_y /= width
        xx, yy, xy = np.zeros(channels), np.zeros(channels), np.zeros(channels)
        for t in range(width):
            for c in range(channels):
                dx = prediction[from_x + t, c] - mean_x[c]
                dy = speaker[from_y + t, c] - mean_y[c]
                xx[c] += dx * dx
                yy[c] += dy * dy
                xy[c] += dx * dy
        end_x = 1 if lag > 0 else 0  # the window of the prediction touches its end
        end_y = 1 if lag < 0 else 0
        for c in range(channels):
            if runs[0, end_x, c] >= width or runs[1, end_y, c] >= width:
                out[k, c] = np.nan
            else:
                r = xy[c] / math.sqrt(xx[c]) / math.sqrt(yy[c])
                out[k, c] = min(1.0, max(-1.0, r))


def correlation_by_lag(prediction: np.ndarray, speaker: np.ndarray) -> np.ndarray:
    """Correlation of one reaction with the speaker at the lags -49..49.

    Args:
        prediction: float32 (T, 25).
        speaker: float32 (T, 25).

    Returns:
        float32 (99, 25), rounded as the official code does; NaN where a channel is constant over
        the window of that lag.
    """
    out = np.empty((LAGS, prediction.shape[1]))
    lagged_correlation(prediction.astype(np.float64), speaker.astype(np.float64), out)
    return out.astype(np.float32)


def official_offset(by_lag: np.ndarray) -> int:
    """Offset of the maximum of the channel mean.

    One undefined channel makes the mean NaN, and NaN counts as the maximum, the first one winning:
    a channel constant over the clip gives 49, whatever the others do.

    Args:
        by_lag: float32 (99, 25) from ``correlation_by_lag``.
    """
    curve = by_lag.mean(axis=1, dtype=np.float64).astype(np.float32)
    return MAX_LAG - int(np.argmax(curve))  # NumPy's argmax, too, returns the first NaN


def defined_offset(by_lag: np.ndarray) -> int | None:
    """The same over the channels whose correlation is defined at every lag; None if none is."""
    usable = ~np.isnan(by_lag).any(axis=0)
    return official_offset(by_lag[:, usable]) if usable.any() else None


def clip_offsets(clip: np.ndarray, speaker: np.ndarray) -> ClipOffsets:
    """Offsets of all samples of one clip.

    Args:
        clip: float32 (S, T, 25).
        speaker: float32 (T, 25).
    """
    by_lag = [correlation_by_lag(sample, speaker) for sample in clip]
    defined = [defined_offset(curves) for curves in by_lag]
    return ClipOffsets(
        offsets=np.array([official_offset(curves) for curves in by_lag], np.int32),
        defined_offsets=np.array([offset or 0 for offset in defined], np.int32),
        is_defined=np.array([offset is not None for offset in defined]),
    )


def summarize_tlcc(clips: list[ClipOffsets]) -> TLCC:
    """Average the offsets of all clips."""
    offsets = np.stack([c.offsets for c in clips])
    defined_offsets = np.stack([c.defined_offsets for c in clips])
    is_defined = np.stack([c.is_defined for c in clips])
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


def tlcc(predictions: ClipArray, speaker: ClipArray) -> TLCC:
    """Time-lagged cross-correlation of reaction and speaker: mean |offset| in frames, 0..49.

    Args:
        predictions: P (N, S, T, 25), T ≥ 51.
        speaker: Q (N, T, 25).

    Raises:
        InputError: Shapes that do not fit, NaN, clips that are too short.
    """
    clips, _, frames = check_predictions(predictions)
    check_behaviour(speaker, clips, frames, "speaker behaviour")
    check_frames(frames)
    rows = zip(
        read_clips(predictions, "predictions"),
        read_clips(speaker, "speaker behaviour"),
        strict=True,
    )
    return summarize_tlcc([clip_offsets(clip, said) for clip, said in rows])
