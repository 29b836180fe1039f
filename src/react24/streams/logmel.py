"""Log-mel spectrum of the speaker's sound at 100 Hz, four rows to a video frame: ``logmel``."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from react24.conventions import FPS
from react24.files.contract import Features
from react24.streams.mel import mel_triangles
from react24.streams.sources import SoundSource, align_to_ticks

RATE = 24000
BANDS = 128
ROWS = 4
"""Rows of a video frame; they stand side by side in a row of the stream."""

WINDOW = 2048
"""Samples under the Hann window, 85 ms."""

HOP = RATE // int(FPS) // ROWS
LOW = 20.0
"""Lower edge of the first band, Hz; the last one ends at half the sample rate."""

FLOOR = 1e-10
"""Under the power before the logarithm, -100 dB."""

BLOCK = 64
"""Frames computed at a time: 4 MB of windows."""


class LogMel:
    """Sound as Learning2Listen reads it: 128 mel bands, four rows to a video frame.

    Row j of frame t is centred on the middle of its 10 ms, sample (4 t + j + 1/2) * 240 at 24 kHz,
    and hears 85 ms. Values are decibels: 10 log10 of the power in a band. How the sound of the
    published model was made is not documented; these are usual choices, not its numbers.
    """

    name = "logmel"
    backend = "hann2048"
    sample_rate = RATE

    def __init__(self):
        self.feature_names = tuple(f"mel_{j}_{k:03d}" for j in range(ROWS) for k in range(BANDS))

    @cached_property
    def _mel(self) -> np.ndarray:
        return mel_triangles(RATE, WINDOW, BANDS, LOW, RATE / 2)  # (1025, 128)

    @cached_property
    def _taper(self) -> np.ndarray:
        """A Hann window under which a full-scale sine has power 1/2."""
        hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)
        return hann * np.sqrt(2.0) / hann.sum()

    def extract(self, source: SoundSource) -> Features:
        """Spectra of the sound of one role.

        Args:
            source: Sound at 24 kHz and the number of ticks T.

        Returns:
            Features with values (T, 512). ``valid`` is False where a row hears beyond the ends,
            padding or sound marked unknown: its window reaches into the neighbouring ticks.

        Raises:
            InputError: Sound that does not fit.
        """
        sound = align_to_ticks(source, RATE)
        reach = (WINDOW - HOP) // 2
        padded = np.pad(sound.samples, (reach, WINDOW - HOP - reach))
        windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (4 T, 2048)
        values = np.empty((len(windows), BANDS), np.float32)
        for start in range(0, len(windows), ROWS * BLOCK):
            part = slice(start, start + ROWS * BLOCK)
            values[part] = self._compute(windows[part])
        known = np.pad(sound.known, 1)
        return Features(
            values=values.reshape(-1, ROWS * BANDS),
            valid=known[:-2] & known[1:-1] & known[2:],
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=True,
        )

    def _compute(self, windows: np.ndarray) -> np.ndarray:
        """Decibels of some windows, (n, 2048) -> (n, 128)."""
        spectra = np.fft.rfft(windows * self._taper)
        power = np.square(spectra.real) + np.square(spectra.imag)
        return 10.0 * np.log10(np.maximum(power @ self._mel, FLOOR))
