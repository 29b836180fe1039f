"""Log-mel spectrum of the speaker's sound at 100 Hz, four rows to a video frame: ``logmel``."""

from __future__ import annotations

import librosa  # loads its parts when they are used
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

FULL_SCALE = 8.0 / WINDOW**2
"""Factor to the square of a spectrum by which a full-scale sine has power 1/2."""

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
        mel = mel_triangles(RATE, WINDOW, BANDS, LOW, RATE / 2).T  # (128, 1025)
        values = np.empty((ROWS * source.frames, BANDS), np.float32)
        for first in range(0, len(values), ROWS * BLOCK):
            rows = min(ROWS * BLOCK, len(values) - first)
            piece = padded[first * HOP : (first + rows - 1) * HOP + WINDOW].astype(np.float64)
            spectra = librosa.stft(piece, n_fft=WINDOW, hop_length=HOP, center=False)
            power = mel @ (FULL_SCALE * np.abs(spectra) ** 2)  # (128, rows)
            values[first : first + rows] = librosa.power_to_db(power, amin=FLOOR, top_db=None).T
        known = np.pad(sound.known, 1)
        return Features(
            values=values.reshape(-1, ROWS * BANDS),
            valid=known[:-2] & known[1:-1] & known[2:],
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=True,
        )
