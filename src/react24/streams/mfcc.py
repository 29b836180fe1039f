"""Cepstra of the speaker's sound with deltas, one row per video frame: the stream ``mfcc``."""

from __future__ import annotations

import numpy as np

from react24.conventions import FPS
from react24.files.contract import Features
from react24.streams.sources import SoundSource, align_to_ticks

CEPSTRA = 13
SHIFTS = 4
"""Kaldi's windows start every 10 ms, so four of them in a video frame."""

WINDOWS = 2
"""The first two of the four, 25 ms each, end within their frame; the others are not used."""

KINDS = ("mfcc", "delta", "delta2")
BLOCK = 250
"""Frames computed at a time: 8 MB of windows."""


class MFCC:
    """The audio input of REACT's baselines: 78 numbers per 40 ms, no weights.

    The baselines' data set hands each video frame's samples by themselves to
    ``torchaudio.compliance.kaldi.mfcc`` and takes deltas of the two columns that come out. It does
    so at the rate of the sound file, which in the challenge is 44.1 kHz; here the sound of every
    session is decoded to that rate (``react24.media.sound.read_sound``), so that all sessions have
    the same bands. Sound of a lower rate has nothing in the upper ones.

    What is peculiar to these columns:

    * Sound lies in [-1, 1], not in the range of 16-bit integers. Kaldi's floor of the energy is 1,
      so the first coefficient, the window's log energy, is exactly 0 wherever the sum of squares
      of the window is below 1 (an RMS below 0.03), and positive elsewhere.
    * Two windows a and b, repeated at the edges, give the delta 0.3 (b - a) in both places, and
      the delta of the deltas is 0. So of the 78 columns 26 are always 0 and 13 occur twice.
    """

    name = "mfcc"
    backend = "kaldi"
    sample_rate = 44100

    def __init__(self):
        self.feature_names = name_columns()

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
        step = BLOCK * sound.hop
        pieces = [sound.samples[i : i + step] for i in range(0, len(sound.samples), step)]
        return Features(
            values=np.concatenate([compute_rows(piece, self.sample_rate) for piece in pieces]),
            valid=sound.known,
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=True,
        )


def name_columns() -> tuple[str, ...]:
    """78 names: cepstra, deltas, deltas of deltas; in each the two windows lie side by side."""
    return tuple(
        f"{kind}_{coefficient:02d}_{window}"
        for kind in KINDS
        for coefficient in range(CEPSTRA)
        for window in range(WINDOWS)
    )


def compute_rows(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The columns of some video frames, each from its own 40 ms alone.

    Args:
        samples: (T * sample_rate // 25,) in [-1, 1].
        sample_rate: Hz; a multiple of 100, so that windows and frames start together.

    Returns:
        float32 (T, 78).
    """
    # Imported by the job that needs it: they bring torch, two seconds.
    import torch
    from torchaudio.compliance import kaldi
    from torchaudio.functional import compute_deltas

    frames = len(samples) * int(FPS) // sample_rate
    sound = torch.from_numpy(np.asarray(samples, np.float32))[None]
    cepstra = kaldi.mfcc(sound, sample_frequency=sample_rate, use_energy=True)
    # The last frame's unused windows reach beyond the end, so Kaldi leaves them out.
    cepstra = torch.nn.functional.pad(cepstra, (0, 0, 0, SHIFTS * frames - len(cepstra)))
    cepstra = cepstra.view(frames, SHIFTS, CEPSTRA)[:, :WINDOWS].transpose(1, 2)  # (T, 13, 2)
    deltas = compute_deltas(cepstra)
    kinds = torch.stack([cepstra, deltas, compute_deltas(deltas)], dim=1)  # (T, 3, 13, 2)
    return kinds.flatten(1).numpy()
