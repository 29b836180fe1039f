"""Thinned-out sound, and finding the same sound in two recordings.

Both recordings are reduced to the onsets of sound in eight bands at 100 frames per second, and
correlated over all lags at once by FFT. Onsets hardly depend on level, microphone and codec, and
many of them in a row occur only once: a voice is found again 30 dB below another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SKETCH_RATE = 100
"""Frames per second of a sketch."""

MIN_OVERLAP = 2 * SKETCH_RATE
"""Frames that two sketches must share at a lag that is looked at."""

CLEAR_PEAK = 10.0
"""A lag whose correlation stands out by so many standard deviations is no chance."""

ALONE = 0.55
"""The second-best lag must stay below this part of the best one."""

SAME = 0.93
"""Likeness from which on two sketches are the same sound, whatever their level and codec.

Two microphones in one room, each nearer to another voice, stay below.
"""

MIN_HALF = 60 * SKETCH_RATE
"""Frames of half a recording from which on the drift of two clocks is looked for."""

_ONSET_RANGE = 60.0  # dB below the loudest frames that onsets are looked for
_LIKENESS_RANGE = 35.0  # dB likewise for likeness: noise between words does not count
_NEIGHBOURS = SKETCH_RATE // 2  # frames around the best lag that belong to its peak


@dataclass(frozen=True)
class Sketch:
    """Sound, thinned out: enough to see silence and to find it again elsewhere.

    Attributes:
        start: Of the first frame, s on the file's clock.
        levels: float32 (n,), mean power of each 10 ms, dB.
        bands: float32 (n, 8), power in bands of speech, dB.
    """

    start: Fraction
    levels: np.ndarray
    bands: np.ndarray


@dataclass(frozen=True)
class Lag:
    """Where the sound of one sketch is heard in another.

    Attributes:
        seconds: How much later after the start of the second sketch than after the start of the
            first.
        peak: By how many standard deviations of all lags its correlation stands out.
        second: The same of the best lag elsewhere.
        likeness: Correlation of both at this lag, -1 to 1; 1 is the same sound.
    """

    seconds: Fraction
    peak: float
    second: float
    likeness: float

    @property
    def sure(self) -> bool:
        """Whether the lag is no chance."""
        return self.peak >= CLEAR_PEAK and self.second <= ALONE * self.peak

    @property
    def same(self) -> bool:
        """Whether it is the same sound, not only the same room."""
        return self.sure and self.likeness >= SAME


def find_lag(first: Sketch, second: Sketch) -> Lag | None:
    """Look for the sound of one sketch in another.

    Returns:
        The best lag; None where a sketch is silent or too short to tell.
    """
    if min(len(first.levels), len(second.levels)) < 2 * MIN_OVERLAP:
        return None
    one, other = _onsets(first.bands), _onsets(second.bands)
    if not (one.any() and other.any()):
        return None
    size = 1 << (len(one) + len(other)).bit_length()
    spectrum = np.zeros(size // 2 + 1, np.complex128)
    for band in range(one.shape[1]):
        spectrum += np.conj(np.fft.rfft(one[:, band], size)) * np.fft.rfft(other[:, band], size)
    lags = np.arange(MIN_OVERLAP - len(one), len(other) - MIN_OVERLAP + 1)
    overlap = np.minimum(len(one), len(other) - lags) - np.maximum(0, -lags)
    # Chance grows with the root of what is compared.
    score = np.fft.irfft(spectrum, size)[lags] / np.sqrt(overlap)
    best = int(score.argmax())
    elsewhere = np.abs(lags - lags[best]) > _NEIGHBOURS
    chance = score[elsewhere]
    score = (score - chance.mean()) / (chance.std() + 1e-12)
    return Lag(
        seconds=Fraction(round(10 * (int(lags[best]) + _summit(score, best))), 10 * SKETCH_RATE),
        peak=float(score[best]),
        second=float(score[elsewhere].max()),
        likeness=_likeness(first.bands, second.bands, int(lags[best])),
    )


def find_drift(first: Sketch, second: Sketch, lag: Lag) -> Fraction | None:
    """How two clocks part: the lag in the second half of what both hear less that in the first, s.

    ``lag`` is that of the whole. None where the halves are too short, or a lag in them is not sure.
    """
    shift = round(lag.seconds * SKETCH_RATE)
    begin, end = max(0, -shift), min(len(first.levels), len(second.levels) - shift)
    middle = (begin + end) // 2
    if middle - begin < MIN_HALF:
        return None
    found = []
    for low, high in ((begin, middle), (middle, end)):
        part = find_lag(_part(first, low, high), _part(second, low + shift, high + shift))
        if part is None or not part.sure:
            return None
        found.append(part.seconds)
    return found[1] - found[0]


def _part(sketch: Sketch, low: int, high: int) -> Sketch:
    start = sketch.start + Fraction(low, SKETCH_RATE)
    return Sketch(start, sketch.levels[low:high], sketch.bands[low:high])


def _onsets(bands: np.ndarray) -> np.ndarray:
    """How much louder each band became in 20 ms, less what is usual, float64 (n, 8)."""
    from scipy.ndimage import uniform_filter1d

    loud = _above(bands, _ONSET_RANGE)
    loud = uniform_filter1d(loud, 3, axis=0)
    rise = np.zeros_like(loud)
    rise[2:] = np.maximum(loud[2:] - loud[:-2], 0)
    rise -= uniform_filter1d(rise, SKETCH_RATE, axis=0)
    spread = rise.std(axis=0)
    return rise / np.where(spread > 0, spread, 1)


def _above(bands: np.ndarray, depth: float) -> np.ndarray:
    """Level in dB over ``depth`` dB below the loudest hundredth of all bands, at least 0."""
    return np.maximum(bands.astype(np.float64) - (np.percentile(bands, 99) - depth), 0)


def _summit(score: np.ndarray, best: int) -> float:
    """Where between frames the peak has its summit, by a parabola, -0.5 to 0.5."""
    if not 0 < best < len(score) - 1:
        return 0.0
    before, at, after = score[best - 1 : best + 2]
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _likeness(first: np.ndarray, second: np.ndarray, lag: int) -> float:
    """Correlation of the loud parts of two sketches where they overlap."""
    begin, end = max(0, -lag), min(len(first), len(second) - lag)
    one = _above(first[begin:end], _LIKENESS_RANGE)
    other = _above(second[begin + lag : end + lag], _LIKENESS_RANGE)
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    norm = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / norm) if norm > 0 else 0.0
