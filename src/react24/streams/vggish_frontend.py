"""VGGish's front end: sound to log-mel examples of 96 frames x 64 bands.

Two settings of the same steps. ``ORIGINAL`` is AudioSet's (Hershey et al., ICASSP 2017; 16 kHz,
one example per 0.96 s). ``REGNN`` is what the REGNN baseline of REACT 2024 changed it to: 24 kHz
and a hop of 10 samples, so that 96 frames advance by 960 samples = 40 ms, one example per video
frame. An example of the latter hears 95 * 10 + 600 = 1550 samples, 64.6 ms from its tick on.

Steps (both): frames without padding, periodic Hann window, magnitude of the real FFT, triangular
mel bands whose slopes are linear in mel, ln(mel + 0.01), blocks of 96 frames without overlap,
incomplete tail dropped. Everything up to the logarithm is computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from react24.streams.mel import mel_triangles


@dataclass(frozen=True)
class FrontEnd:
    """Constants of the front end.

    Attributes:
        sample_rate: Hz.
        window: Samples under the Hann window.
        hop: Samples between frames.
        fft: FFT length; frames are zero-padded to it.
        bands: Mel bands.
        low: Lower edge of the first band, Hz.
        high: Upper edge of the last band, Hz.
        offset: Added to the mel magnitudes before the logarithm.
        example_frames: Frames per example.
    """

    sample_rate: int
    window: int
    hop: int
    fft: int
    bands: int = 64
    low: float = 125.0
    high: float = 7500.0
    offset: float = 0.01
    example_frames: int = 96

    @property
    def example_hop(self) -> int:
        """Samples between the starts of neighbouring examples."""
        return self.example_frames * self.hop

    @property
    def example_reach(self) -> int:
        """Samples that one example hears."""
        return (self.example_frames - 1) * self.hop + self.window

    def count_examples(self, samples: int) -> int:
        """Complete examples in a sound of that many samples."""
        return max(0, (samples - self.example_reach) // self.example_hop + 1)


ORIGINAL = FrontEnd(sample_rate=16000, window=400, hop=160, fft=512)
REGNN = FrontEnd(sample_rate=24000, window=600, hop=10, fft=1024)


@cache
def make_mel_matrix(front_end: FrontEnd) -> np.ndarray:
    """Weights from FFT bins to mel bands, float64 (fft // 2 + 1, bands), in [0, 1]."""
    matrix = mel_triangles(
        front_end.sample_rate, front_end.fft, front_end.bands, front_end.low, front_end.high
    )
    matrix[0] = 0.0
    matrix.flags.writeable = False
    return matrix


class LogMel:
    """Turns sound into log-mel examples, a few examples at a time.

    Args:
        front_end: ``REGNN`` or ``ORIGINAL``.
        block: Examples per step; 4 (384 frames) keep the spectra inside the processor's cache,
            and memory does not grow with the length of the sound.
    """

    def __init__(self, front_end: FrontEnd, block: int = 4):
        self.front_end = front_end
        self.block = block
        phase = 2.0 * np.pi * np.arange(front_end.window) / front_end.window
        self._window = torch.from_numpy(0.5 - 0.5 * np.cos(phase))
        matrix = make_mel_matrix(front_end)
        # No band reaches beyond `high`: the bins above need not be looked at.
        self._bins = int(np.flatnonzero(matrix.any(axis=1))[-1]) + 1
        self._matrix = torch.from_numpy(matrix[: self._bins].copy())

    def iterate_blocks(self, samples: np.ndarray) -> Iterator[torch.Tensor]:
        """Yield float32 (n, 96, 64) with n up to ``block``, in the order of time.

        Args:
            samples: (n,) mono, in [-1, 1], at ``front_end.sample_rate``.
        """
        settings = self.front_end
        count = settings.count_examples(len(samples))
        frames = self.block * settings.example_frames
        padded = torch.zeros(frames, settings.fft, dtype=torch.float64)
        for first in range(0, count, self.block):
            rows = min(self.block, count - first) * settings.example_frames
            start = first * settings.example_hop
            reach = (rows - 1) * settings.hop + settings.window
            piece = torch.from_numpy(samples[start : start + reach].astype(np.float64))
            framed = piece.unfold(0, settings.window, settings.hop)  # (rows, window)
            torch.mul(framed, self._window, out=padded[:rows, : settings.window])
            magnitude = torch.fft.rfft(padded[:rows])[:, : self._bins].abs()
            mel = magnitude @ self._matrix  # (rows, bands)
            logarithm = mel.add_(settings.offset).log_().to(torch.float32)
            yield logarithm.view(-1, settings.example_frames, settings.bands)

    def examples(self, samples: np.ndarray) -> np.ndarray:
        """All examples at once, float32 (n, 96, 64): 24 KB each, for tests and short sounds."""
        blocks = list(self.iterate_blocks(samples))
        if not blocks:
            return np.zeros((0, self.front_end.example_frames, self.front_end.bands), np.float32)
        return torch.cat(blocks).numpy()
