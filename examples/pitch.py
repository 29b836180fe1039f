"""Pitch and loudness of the speaker's voice: a stream of your own in one file."""

import librosa  # loads its parts when they are used
import numpy as np

from react24.contracts.settings import SettingsModel
from react24.contracts.stream import Backend, Stream
from react24.files.contract import Features
from react24.streams.sources import SoundSource, align_to_ticks

NAMES = ("f0", "loudness")


class PitchSettings(SettingsModel):
    """What `streams: {pitch: {...}}` of the configuration takes beside `type` and `enabled`."""

    low: float = 80.0
    """Lowest pitch that is looked for, Hz."""


class Pitch:
    """Octaves above ``low`` (YIN) and decibels of full scale, both of the middle of a frame."""

    sample_rate = 16000

    def __init__(self, low: float):
        self.low = low

    def extract(self, source: SoundSource) -> Features:
        """Values (T, 2); valid where there is sound."""
        sound = align_to_ticks(source, self.sample_rate)
        voice, hop = sound.samples[sound.hop // 2 :], sound.hop
        f0 = librosa.yin(voice, fmin=self.low, fmax=500, sr=self.sample_rate, hop_length=hop)
        power = np.square(sound.samples.reshape(-1, hop)).mean(axis=1)
        values = np.stack([np.log2(f0 / self.low), librosa.power_to_db(power)], axis=1)
        return Features(values.astype("f4"), sound.known, NAMES, "pitch", "yin", pretrained=True)


BACKENDS = {"yin": Backend("sound", "pitch:Pitch", environment="torch", mem_mb=1000, runtime=30)}
STREAM = Stream("pitch", NAMES, BACKENDS, "pitch and loudness", settings="pitch:PitchSettings")
