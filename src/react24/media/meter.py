"""Measuring sound while it passes by: levels per channel, and a sketch that can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from react24.media.sketch import SKETCH_RATE, Sketch
from react24.media.sound import SoundBlock, take_channel

BAND_EDGES = (150, 300, 450, 650, 900, 1250, 1700, 2300, 3200)
"""Hz; bands of a sketch, where voices have their energy, below half of 8 kHz."""

FLOOR_DB = -100.0
"""Level of digital silence, dB; a full-scale square wave has 0."""

CLIPPED = 0.99
"""Samples of at least this amplitude stand at the end of the scale."""

TOP = 0.98
"""From this share of the highest amplitude on, samples stand at the top."""

PILED_UP = 10
"""So many times more samples at the top than in the range of equal width below it were cut off
there, and the recording turned down later. A tone has 2.4 times as many, a voice fewer."""

LEAST_PEAK = 0.1
"""Below this amplitude steps of 16 bits or less may pile up as well."""

_SHARE = 2  # frames of a sketch to one of the channels' envelopes


@dataclass(frozen=True)
class ChannelLevels:
    """What the channels of a sound stream hold.

    Attributes:
        names: FFmpeg's name of each, or its index.
        power: float64 (C,), mean square of each, without what is constant.
        peak: float64 (C,), largest amplitude of each.
        clipped: float64 (C,), share of samples at the end of the scale, or cut off below it.
        likeness: float64 (C, C), correlation of the channels' envelopes; NaN for silent ones.
        mix_power: Mean square of the mean of all channels.
    """

    names: tuple[str, ...]
    power: np.ndarray
    peak: np.ndarray
    clipped: np.ndarray
    likeness: np.ndarray
    mix_power: float


class Meter:
    """Takes the blocks of a sound stream in order and keeps sums of them.

    A sketch is made of the chosen ``channel``; None for the mean of all.
    """

    def __init__(self, first: SoundBlock, channel: int | None):
        count = len(first.samples)
        self._start, self._rate, self._channel = first.time, first.rate, channel
        self._names = first.names or tuple(str(i) for i in range(count))
        self._samples = 0
        self._squares, self._peak = np.zeros(count), np.zeros(count)
        self._totals = np.zeros(count)
        self._clipped = np.zeros(count)
        self._near_peak = np.zeros((2, count))  # from TOP on, and also in as much below it
        self._mix_squares = 0.0
        self._envelopes = 0
        self._sum, self._products = np.zeros(count), np.zeros((count, count))
        self._waiting: list[np.ndarray] = []
        self._waiting_length = 0
        self._frames = 0
        self._parts: list[tuple[int, np.ndarray, np.ndarray]] = []

    def add(self, block: SoundBlock) -> None:
        """Take the next block."""
        if block.gap:
            self._flush(rest=True)
            # Sample counts and the clock part at a gap; the sketch stays on the clock.
            self._frames = max(self._frames, round((block.time - self._start) * SKETCH_RATE))
        self._waiting.append(block.samples)
        self._waiting_length += block.samples.shape[1]
        if self._waiting_length >= self._rate:
            self._flush(rest=False)

    def _flush(self, *, rest: bool) -> None:
        """Measure what waits: whole 20 ms, the remainder only where nothing follows it."""
        if not self._waiting_length:
            return
        samples = np.concatenate(self._waiting, axis=1)
        length = samples.shape[1]
        whole = length * SKETCH_RATE // (_SHARE * self._rate)
        edges = np.arange(whole * _SHARE + 1) * self._rate // SKETCH_RATE
        used = length if rest else int(edges[-1])
        if used:
            self._count(samples[:, :used])
        if whole:
            self._sketch(samples[:, : edges[-1]], edges[:-1])
        left = samples[:, used:]
        self._waiting, self._waiting_length = [left], left.shape[1]

    def _count(self, samples: np.ndarray) -> None:
        size = np.abs(samples)
        self._samples += samples.shape[1]
        self._squares += np.square(samples).sum(axis=1, dtype=np.float64)
        self._totals += samples.sum(axis=1)
        self._count_top(size)
        mix = take_channel(samples, None)
        self._mix_squares += float(np.dot(mix, mix))

    def _count_top(self, size: np.ndarray) -> None:
        """Count amplitudes (C, n) at the end of the scale, and near the highest so far."""
        loudest = size.max(axis=1)
        peak = np.maximum(self._peak, loudest)
        self._near_peak[:, self._peak < TOP * peak] = 0
        self._peak = peak
        for row, share in enumerate((TOP, 2 * TOP - 1)):
            if (loudest >= share * peak).any():  # in most blocks of speech none
                self._near_peak[row] += np.count_nonzero(size >= share * peak[:, None], axis=1)
        if loudest.max() >= CLIPPED:
            self._clipped += np.count_nonzero(size >= CLIPPED, axis=1)

    def _sketch(self, samples: np.ndarray, edges: np.ndarray) -> None:
        """Envelopes of the channels and frames of the chosen sound; ``edges`` begin frames."""
        power = np.add.reduceat(np.square(samples), edges[::_SHARE], axis=1) * (
            SKETCH_RATE / (_SHARE * self._rate)
        )
        loudness = np.sqrt(power, dtype=np.float64)  # (C, frames / 2)
        self._envelopes += loudness.shape[1]
        self._sum += loudness.sum(axis=1)
        self._products += loudness @ loudness.T
        chosen = take_channel(samples, self._channel)
        share = SKETCH_RATE / self._rate
        levels = np.add.reduceat(np.square(chosen), edges) * share
        levels -= np.square(np.add.reduceat(chosen, edges) * share)  # a constant is no sound
        self._parts.append((self._frames, _decibels(levels), self._bands(chosen, edges)))
        self._frames += len(edges)

    def _bands(self, chosen: np.ndarray, edges: np.ndarray) -> np.ndarray:
        length = 2 * self._rate // SKETCH_RATE  # 20 ms around each 10 ms
        padded = np.pad(chosen, (length // 4, length))
        windows = np.lib.stride_tricks.sliding_window_view(padded, length)[edges]
        cuts = np.round(np.array(BAND_EDGES) * length / self._rate).astype(int)
        spectrum = np.fft.rfft(windows * np.hanning(length).astype(np.float32), axis=1)
        used = spectrum[:, : cuts[-1]]
        power = (np.square(used.real) + np.square(used.imag)) / (length * length)  # (frames, bins)
        return _decibels(np.add.reduceat(power, cuts[:-1], axis=1))

    def levels(self) -> ChannelLevels:
        """What was heard in each channel; call it when all blocks are in."""
        self._flush(rest=True)
        count = max(self._samples, 1)
        mean = self._sum / max(self._envelopes, 1)
        spread = self._products / max(self._envelopes, 1) - np.outer(mean, mean)
        deviation = np.sqrt(np.maximum(np.diag(spread), 0))
        deviation[deviation < 1e-3 * mean] = 0  # an even hum or silence is like nothing
        with np.errstate(divide="ignore", invalid="ignore"):
            likeness = spread / np.outer(deviation, deviation)
        return ChannelLevels(
            names=self._names,
            power=np.maximum(self._squares / count - np.square(self._totals / count), 0),
            peak=self._peak,
            clipped=np.maximum(self._clipped, self._cut_off()) / count,
            likeness=np.where(np.isfinite(likeness), likeness, np.nan),
            mix_power=max(self._mix_squares / count - (self._totals.mean() / count) ** 2, 0.0),
        )

    def _cut_off(self) -> np.ndarray:
        """Samples of each channel at its highest amplitude, where they pile up there."""
        top, wide = self._near_peak
        piled_up = (top > PILED_UP * (wide - top)) & (self._peak > LEAST_PEAK)
        return np.where(piled_up, top, 0)

    def sketch(self) -> Sketch:
        """The sketch of all blocks."""
        self._flush(rest=True)
        levels = np.full(self._frames, FLOOR_DB, np.float32)
        bands = np.full((self._frames, len(BAND_EDGES) - 1), FLOOR_DB, np.float32)
        for begin, level, band in self._parts:
            levels[begin : begin + len(level)] = level
            bands[begin : begin + len(band)] = band
        return Sketch(self._start, levels, bands)


def _decibels(power: np.ndarray) -> np.ndarray:
    return (10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))).astype(np.float32)
