"""TLCC (FRSyn): the lag at which a reaction follows the speaker best.

Official source: ``metric/TLCC.py`` of baseline_react2024, whose offsets are reproduced exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from react24.dtw.jit import compiled
from react24.dtw.vectors import LANES, add, add_products, aligned, fill, load, store, widen
from react24.errors import InputError
from react24.metrics.arrays import (
    ClipArray,
    check_behaviour,
    check_predictions,
    check_valid,
    read_clips,
)

MAX_LAG = 49
"""Largest shift in frames: 2 s at 25 fps, less one."""

LAGS = 2 * MAX_LAG + 1

LEAST_SHARE = 1e-5
"""Of the variance of the whole sequence: windows with less are looked at on their own."""


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


@dataclass(frozen=True)
class ClipOffsets:
    """Offsets of the samples of one clip, (S,) each; see ``TLCC``."""

    offsets: np.ndarray
    defined_offsets: np.ndarray
    is_defined: np.ndarray


@compiled
def window_correlation(x, from_x, y, from_y, width):
    """Pearson's r of two windows, neither constant, by two passes in float64."""
    mean_x = mean_y = 0.0
    for t in range(width):
        mean_x += x[from_x + t]
        mean_y += y[from_y + t]
    mean_x /= width
    mean_y /= width
    xx = yy = xy = 0.0
    for t in range(width):
        dx, dy = x[from_x + t] - mean_x, y[from_y + t] - mean_y
        xx += dx * dx
        yy += dy * dy
        xy += dx * dy
    return min(1.0, max(-1.0, xy / math.sqrt(xx) / math.sqrt(yy)))


@compiled
def lagged_products(padded, speaker, out):
    """Sums of products at all lags, for ``LANES`` pairs of sequences at once.

    Args:
        padded: float64 ((T + LAGS - 1) LANES,), between ``MAX_LAG`` frames of zeros on either side.
        speaker: float64 (T LANES,).
        out: float64 (LAGS LANES,), filled: row k is for lag k - 49.
    """
    frames = speaker.shape[0] // LANES
    zero = fill(0.0)
    for first in range(0, LAGS, 9):
        sums = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
        for t in range(frames):
            sums = add_products(sums, padded, (t + first) * LANES, speaker, t * LANES)
        for k, total in enumerate(sums):
            store(out, (first + k) * LANES, total)


@compiled
def lagged_correlation(predictions, speaker, count, padded, beside, products, out):
    """Pearson's r per lag and column; NaN where either window is constant.

    Means and variances of all windows follow from those of the whole sequence. Where hardly any of
    its variance is left in a window, that would be imprecise, and r is computed from the window
    alone.

    Args:
        predictions: float32 (T, L), L a multiple of ``LANES``.
        speaker: float32 (T, L).
        count: Columns that hold something.
        padded: float64 ((T + LAGS - 1) * LANES,), work.
        beside: float64 (T * LANES,), work.
        products: float64 (LAGS * LANES,), work.
        out: float32 (LAGS, L), filled; row k is for lag k - 49, where lag > 0 pairs
            predictions[t + lag] with speaker[t].
    """
    frames, columns = predictions.shape
    edge = MAX_LAG * LANES
    padded[:edge], padded[-edge:] = 0.0, 0.0
    reaction = padded[edge:-edge]
    by_lag = products.reshape(-1, LANES)
    sums_x, sums_y = np.empty((LAGS, 2, LANES)), np.empty((LAGS, 2, LANES))
    means = np.empty(LANES)
    for start in range(0, columns, LANES):
        centre(predictions.reshape(-1), start, columns, means, reaction)
        centre(speaker.reshape(-1), start, columns, means, beside)
        lagged_products(padded, beside, products)
        window_sums(reaction, sums_x)
        window_sums(beside, sums_y)
        for k in range(LAGS):
            width = frames - abs(k - MAX_LAG)
            window_correlations(
                by_lag[k], sums_x[k], sums_y[LAGS - 1 - k], width, out[k, start : start + LANES]
            )
        for lane in range(min(LANES, count - start)):
            correct_quiet_windows(
                predictions[:, start + lane],
                speaker[:, start + lane],
                sums_x[:, 1, lane],
                sums_y[:, 1, lane],
                out[:, start + lane],
            )


@compiled
def window_correlations(products, sums_x, sums_y, width, out):
    """Pearson's r of ``LANES`` columns at one lag; meaningless where a window is quiet.

    Args:
        products: float64 (LANES,).
        sums_x: float64 (2, LANES) from ``window_sums``; the sums of squares become those around
            the mean of the window.
        sums_y: Likewise.
        width: Frames of the window.
        out: float32 (LANES,), filled.
    """
    share = 1.0 / width
    for lane in range(LANES):
        sum_x, sum_y = sums_x[0, lane], sums_y[0, lane]
        xx = sums_x[1, lane] - sum_x * sum_x * share
        yy = sums_y[1, lane] - sum_y * sum_y * share
        r = (products[lane] - sum_x * sum_y * share) / math.sqrt(xx * yy)
        out[lane] = min(1.0, max(-1.0, r))
        sums_x[1, lane], sums_y[1, lane] = xx, yy


@compiled
def centre(values, at, step, means, out):
    """Take the means from ``LANES`` columns.

    Args:
        values: float32 (T * step,), frame after frame.
        at: First column.
        step: Columns.
        means: float64 (LANES,), work.
        out: float64, filled from its start: (T * LANES,).
    """
    frames = len(values) // step
    total = fill(0.0)
    for t in range(frames):
        total = add(total, widen(load(values, t * step + at)))
    store(means, 0, total)
    # The sum of equal float32 values is exact in float64, so a constant column becomes exactly 0.
    for lane in range(LANES):
        means[lane] = -(means[lane] / frames)
    less = load(means, 0)
    for t in range(frames):
        store(out, t * LANES, add(widen(load(values, t * step + at)), less))


@compiled
def window_sums(values, out):
    """Sums and sums of squares over the windows of all lags.

    Args:
        values: float64 (T * LANES,), centred.
        out: float64 (LAGS, 2, LANES), filled: up to row 49 the windows begin at frame 0 and lose
            frames at the end; from there on they end at the last frame and lose frames at the
            start.
    """
    frames = len(values) // LANES
    total, squares = fill(0.0), (fill(0.0),)
    for t in range(frames):
        total = add(total, load(values, t * LANES))
        squares = add_products(squares, values, t * LANES, values, t * LANES)
    store(out[MAX_LAG, 0], 0, total)
    store(out[MAX_LAG, 1], 0, squares[0])
    for lag in range(1, MAX_LAG + 1):
        for lane in range(LANES):
            last, first = values[(frames - lag) * LANES + lane], values[(lag - 1) * LANES + lane]
            out[MAX_LAG - lag, 0, lane] = out[MAX_LAG - lag + 1, 0, lane] - last
            out[MAX_LAG - lag, 1, lane] = out[MAX_LAG - lag + 1, 1, lane] - last * last
            out[MAX_LAG + lag, 0, lane] = out[MAX_LAG + lag - 1, 0, lane] - first
            out[MAX_LAG + lag, 1, lane] = out[MAX_LAG + lag - 1, 1, lane] - first * first


@compiled
def correct_quiet_windows(x, y, squares_x, squares_y, out):
    """Replace what was computed imprecisely: NaN where a window is constant.

    Args:
        x: float32 (T,), reaction.
        y: float32 (T,), speaker.
        squares_x: float64 (LAGS,) sums of squares of the windows of all lags.
        squares_y: Likewise for the speaker, with the lags in reverse.
        out: float32 (LAGS,).
    """
    least_x, least_y = LEAST_SHARE * squares_x[MAX_LAG], LEAST_SHARE * squares_y[MAX_LAG]
    runs_known = False
    head_x = tail_x = head_y = tail_y = 0
    for k in range(LAGS):
        if squares_x[k] > least_x and squares_y[LAGS - 1 - k] > least_y:
            continue
        if not runs_known:
            head_x, tail_x = constant_frames(x), constant_frames(x[::-1])
            head_y, tail_y = constant_frames(y), constant_frames(y[::-1])
            runs_known = True
        lag = k - MAX_LAG
        width = len(x) - abs(lag)
        # The window touches the end of one sequence and the start of the other.
        if (tail_x if lag > 0 else head_x) >= width or (head_y if lag > 0 else tail_y) >= width:
            out[k] = np.nan
        else:
            out[k] = window_correlation(x, max(lag, 0), y, max(-lag, 0), width)


@compiled
def constant_frames(values):
    """Length of the run of equal values at the start of (T,)."""
    run = 1
    while run < len(values) and values[run] == values[0]:
        run += 1
    return run


def correlation_by_lag(prediction: np.ndarray, speaker: np.ndarray) -> np.ndarray:
    """Correlation of reactions with the speaker at the lags -49..49.

    Args:
        prediction: float32 (S, T, C).
        speaker: float32 (T, C).

    Returns:
        float32 (S, 99, C), rounded as the official code does; NaN where a channel is constant
        over the window of that lag.
    """
    samples, frames, channels = prediction.shape
    count = samples * channels
    columns = -(-count // LANES) * LANES
    side_by_side = np.zeros((2, frames, columns), np.float32)
    target = side_by_side[:, :, :count].reshape(2, frames, samples, channels)
    target[0] = prediction.transpose(1, 0, 2)
    target[1] = speaker[:, None]
    out = np.empty((LAGS, columns), np.float32)
    work = (aligned(size * LANES, np.float64) for size in (frames + LAGS - 1, frames, LAGS))
    lagged_correlation(*side_by_side, count, *work, out)
    return out[:, :count].reshape(LAGS, samples, channels).transpose(1, 0, 2)


@compiled
def known_correlation(reactions, speaker, known, out):
    """Pearson's r per lag over the frames in which the speaker is known, by two passes.

    Args:
        reactions: float32 (n, T).
        speaker: float32 (C, T); reaction i is held against row i mod C.
        known: bool (T,), of the speaker.
        out: float32 (n, LAGS), filled; NaN where either side is constant in what is left, or
            nothing is. Lags as in ``lagged_correlation``.
    """
    frames = reactions.shape[1]
    for i in range(reactions.shape[0]):
        x, y = reactions[i], speaker[i % speaker.shape[0]]
        for k in range(LAGS):
            lag = k - MAX_LAG
            start, stop = max(0, -lag), frames - max(0, lag)
            count, first = 0, -1
            moves_x = moves_y = False
            mean_x = mean_y = 0.0
            for t in range(start, stop):
                if known[t]:
                    if first < 0:
                        first = t
                    moves_x |= x[t + lag] != x[first + lag]
                    moves_y |= y[t] != y[first]
                    mean_x += x[t + lag]
                    mean_y += y[t]
                    count += 1
            if not (moves_x and moves_y):
                out[i, k] = np.nan
                continue
            mean_x /= count
            mean_y /= count
            xx = yy = xy = 0.0
            for t in range(start, stop):
                if known[t]:
                    dx, dy = x[t + lag] - mean_x, y[t] - mean_y
                    xx += dx * dx
                    yy += dy * dy
                    xy += dx * dy
            out[i, k] = min(1.0, max(-1.0, xy / math.sqrt(xx) / math.sqrt(yy)))


def correlation_where_known(
    prediction: np.ndarray, speaker: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """As ``correlation_by_lag``, with the frames left out in which the speaker is not known.

    Args:
        prediction: float32 (S, T, C).
        speaker: float32 (T, C).
        known: bool (T,).
    """
    samples, frames, channels = prediction.shape
    reactions = np.ascontiguousarray(prediction.transpose(0, 2, 1)).reshape(-1, frames)
    out = np.empty((len(reactions), LAGS), np.float32)
    known_correlation(reactions, np.ascontiguousarray(speaker.T), known, out)
    return out.reshape(samples, channels, LAGS).transpose(0, 2, 1)


def official_offset(by_lag: np.ndarray) -> np.ndarray:
    """Offset of the maximum of the channel mean.

    One undefined channel makes the mean NaN, and NaN counts as the maximum, the first one winning:
    a channel constant over the clip gives 49, whatever the others do.

    Args:
        by_lag: float32 (..., 99, channels) from ``correlation_by_lag``.

    Returns:
        int (...).
    """
    curve = by_lag.mean(axis=-1, dtype=np.float64).astype(np.float32)
    return MAX_LAG - np.argmax(curve, axis=-1)  # NumPy's argmax, too, returns the first NaN


def clip_offsets(
    clip: np.ndarray, speaker: np.ndarray, known: np.ndarray | None = None
) -> ClipOffsets:
    """Offsets of all samples of one clip.

    Args:
        clip: float32 (S, T, 25).
        speaker: float32 (T, 25).
        known: bool (T,), in which frames the speaker is known; None for all.
    """
    by_lag = correlation_by_lag(clip, speaker)
    offsets = official_offset(by_lag)
    defined_offsets = offsets.copy()
    if known is not None and not known.all():
        by_lag = correlation_where_known(clip, speaker, known)
        defined_offsets = official_offset(by_lag)
    usable = ~np.isnan(by_lag).any(axis=1)  # (S, 25), at every lag
    for s in np.flatnonzero(~usable.all(axis=1)):
        kept = by_lag[s][:, usable[s]]
        defined_offsets[s] = official_offset(kept) if usable[s].any() else 0
    return ClipOffsets(
        offsets=offsets.astype(np.int32),
        defined_offsets=defined_offsets.astype(np.int32),
        is_defined=usable.any(axis=1),
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
    rows = zip(
        read_clips(predictions, "predictions"),
        read_clips(speaker, "speaker behaviour"),
        strict=True,
    )
    known = check_valid(valid, clips, frames, "speaker behaviour")
    known = [None] * clips if known is None else known
    return summarize_tlcc(
        [clip_offsets(clip, said, heard) for (clip, said), heard in zip(rows, known, strict=True)]
    )
