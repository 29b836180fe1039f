"""Kaldi's cepstra of each 40 ms of sound, with deltas: the 78 audio columns of REACT's baselines.

The baselines' data set hands every video frame's samples by themselves to
``torchaudio.compliance.kaldi.mfcc`` (``use_energy=True``, otherwise its defaults) and takes deltas
of the two columns that it gives. Here a whole block of frames goes through the same steps at once,
in float64. The cepstra are those of Kaldi's ``compute-mfcc-feats``; what is peculiar:

* Sound lies in [-1, 1], not in the range of 16-bit integers. Kaldi's floor of the energy is 1, so
  the first coefficient, the window's log energy, is exactly 0 wherever the sum of squares of the
  window is below 1 (at 44.1 kHz: an RMS below 0.03) and positive elsewhere.
* Two columns a and b, repeated at the edges, give the delta 0.3 (b - a) in both places, and the
  delta of the deltas is 0. So of the 78 columns 26 are always 0 and 13 occur twice.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from react24.conventions import FPS
from react24.errors import InputError
from react24.streams.mel import mel_triangles

CEPSTRA = 13
BANDS = 23
WINDOWS = 2
"""Analysis windows in a video frame."""

COLUMNS = 3 * CEPSTRA * WINDOWS
WINDOW_SECONDS = 0.025
HOP_SECONDS = 0.010
LOW = 20.0
"""Lower edge of the first band, Hz; the last one ends at half the sample rate."""

PREEMPHASIS = 0.97
LIFTER = 22
POVEY = 0.85
"""Kaldi's own window is Hann's to this power."""

FLOOR = float(np.finfo(np.float32).eps)
"""Under energies before a logarithm; the reference computes in float32."""

ENERGY_FLOOR = 1.0


def name_columns() -> tuple[str, ...]:
    """78 names: cepstra, deltas, deltas of deltas; in each the two windows lie side by side."""
    return tuple(
        f"{kind}_{coefficient:02d}_{window}"
        for kind in ("mfcc", "delta", "delta2")
        for coefficient in range(CEPSTRA)
        for window in range(WINDOWS)
    )


class KaldiMFCC:
    """The 78 columns of any number of video frames.

    Args:
        sample_rate: Hz; a multiple of 25 at which a frame of 40 ms holds two windows.

    Raises:
        InputError: Another sample rate.
    """

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self.tick, rest = divmod(sample_rate, int(FPS))
        self.window = int(sample_rate * WINDOW_SECONDS)
        self.hop = int(sample_rate * HOP_SECONDS)
        if rest or self.window < 2 or 1 + (self.tick - self.window) // self.hop != WINDOWS:
            raise InputError(
                f"mfcc: a sample rate of {sample_rate} Hz; accepted are multiples of {FPS:g} Hz at "
                f"which 40 ms hold {WINDOWS} windows of 25 ms, such as 44100 and 16000"
            )
        self.fft = 1 << (self.window - 1).bit_length()

    @cached_property
    def taper(self) -> np.ndarray:
        """The window function, (window,)."""
        phase = 2.0 * np.pi * np.arange(self.window) / (self.window - 1)
        return (0.5 - 0.5 * np.cos(phase)) ** POVEY

    @cached_property
    def mel(self) -> np.ndarray:
        """Weights from FFT bins to bands, (fft // 2 + 1, 23)."""
        matrix = mel_triangles(self.sample_rate, self.fft, BANDS, LOW, self.sample_rate / 2)
        matrix[-1] = 0.0  # the bin at half the sample rate is left out
        return matrix

    @cached_property
    def cosines(self) -> np.ndarray:
        """Orthonormal DCT from log mel energies to cepstra, liftered, (23, 13)."""
        bands, order = np.arange(BANDS)[:, None] + 0.5, np.arange(CEPSTRA)
        matrix = math.sqrt(2.0 / BANDS) * np.cos(np.pi / BANDS * bands * order)
        matrix[:, 0] = math.sqrt(1.0 / BANDS)
        return matrix * (1.0 + 0.5 * LIFTER * np.sin(np.pi * order / LIFTER))

    def compute(self, ticks: np.ndarray) -> np.ndarray:
        """The columns of some video frames, each from its own samples alone.

        Args:
            ticks: (T, sample_rate // 25) in [-1, 1].

        Returns:
            float32 (T, 78).
        """
        starts = self.hop * np.arange(WINDOWS)
        pieces = np.stack([ticks[:, s : s + self.window] for s in starts], axis=1)
        pieces = pieces.astype(np.float64)  # (T, 2, window)
        pieces -= pieces.mean(axis=-1, keepdims=True)
        energy = np.log(np.maximum(np.square(pieces).sum(axis=-1), ENERGY_FLOOR))  # (T, 2)
        # The sample before the first one is taken to be equal to it.
        pieces[..., 1:] -= PREEMPHASIS * pieces[..., :-1]
        pieces[..., 0] *= 1.0 - PREEMPHASIS
        spectra = np.fft.rfft(pieces * self.taper, self.fft)
        power = np.square(spectra.real) + np.square(spectra.imag)
        cepstra = np.log(np.maximum(power @ self.mel, FLOOR)) @ self.cosines  # (T, 2, 13)
        cepstra[..., 0] = energy
        return self._with_deltas(cepstra.swapaxes(1, 2))

    @staticmethod
    def _with_deltas(cepstra: np.ndarray) -> np.ndarray:
        """(T, 13, 2) to (T, 78)."""
        # Regression over five columns, (-2, -1, 0, 1, 2) / 10, of a a a b b and a a b b b.
        deltas = np.repeat(0.3 * np.diff(cepstra, axis=-1), WINDOWS, axis=-1)
        parts = np.stack([cepstra, deltas, np.zeros_like(deltas)], axis=1)  # (T, 3, 13, 2)
        return parts.reshape(len(parts), COLUMNS).astype(np.float32)
