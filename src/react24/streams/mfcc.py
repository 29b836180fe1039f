"""Cepstra of the speaker's sound with deltas, one row per video frame: the stream ``mfcc``."""

from __future__ import annotations

import numpy as np

from react24.files.contract import Features
from react24.streams.mfcc_frontend import COLUMNS, KaldiMFCC, name_columns
from react24.streams.sources import SoundSource, align_to_ticks

BLOCK = 64
"""Frames computed at a time: 4 MB of spectra."""


class MFCC:
    """The audio input of REACT's baselines: 78 numbers per 40 ms, no weights.

    Each row is a function of its own 40 ms alone. The baselines compute it at the rate of the sound
    file, which in the challenge is 44.1 kHz; here the sound of every session is decoded to that
    rate (``react24.media.sound.read_sound``), so that all sessions have the same bands. Sound of a
    lower rate has nothing in the upper bands.
    """

    name = "mfcc"
    backend = "kaldi"
    sample_rate = 44100

    def __init__(self):
        self.feature_names = name_columns()
        self._front_end = KaldiMFCC(self.sample_rate)

    def extract(self, source: SoundSource) -> Features:
        """Cepstra of the sound of one role.

        Args:
            source: Sound at 44.1 kHz and the number of ticks T.

        Returns:
            Features with values (T, 78); ``valid`` is False where a tick holds padding or sound
            marked unknown.

        Raises:
            InputError: Sound that does not fit.
        """
        sound = align_to_ticks(source, self.sample_rate)
        ticks = sound.samples.reshape(-1, sound.hop)  # (T, 1764)
        values = np.empty((len(ticks), COLUMNS), np.float32)
        for start in range(0, len(ticks), BLOCK):
            values[start : start + BLOCK] = self._front_end.compute(ticks[start : start + BLOCK])
        return Features(
            values=values,
            valid=sound.known,
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=True,
        )
