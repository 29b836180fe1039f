"""wav2vec2 hidden states of the speaker's sound, one per video frame."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from react24.conventions import FPS
from react24.devices import choose_device
from react24.errors import InputError
from react24.files.contract import Features
from react24.log import progress
from react24.streams.sources import SoundSource, TickSound, align_to_ticks
from react24.streams.wav2vec2_network import FIELD, HOP, load_wav2vec2
from react24.weights import registry as weights_registry

SAMPLE_RATE = 16000
TICK = SAMPLE_RATE // int(FPS)
BORDER = (FIELD - HOP) // 2
"""Samples added on both sides, so that frame j is centred on its own 20 ms, at 320 j + 160."""
VARIANCE_FLOOR = 1e-7


@dataclass(frozen=True)
class Window:
    """Ticks [start, start + length of a window) are run; of these [first, last) are kept."""

    start: int
    first: int
    last: int


def plan_windows(frames: int, length: int, overlap: int) -> list[Window]:
    """Cover T ticks with windows of one length.

    Windows advance by ``length - overlap``; the last one is moved back to end with the sound. Of
    two neighbours each gives the half of their overlap that is farther from its own edge. A sound
    shorter than a window gets one window that reaches beyond its end.

    Args:
        frames: T.
        length: Ticks per window.
        overlap: Ticks that neighbours share, at least.

    Returns:
        Windows whose kept ranges partition [0, T).
    """
    step = length - overlap
    count = max(1, -(-(frames - overlap) // step))
    starts = [max(0, min(i * step, frames - length)) for i in range(count)]
    borders = [(before + length + after) // 2 for before, after in itertools.pairwise(starts)]
    kept = itertools.pairwise([0, *borders, frames])
    return [Window(start, *ticks) for start, ticks in zip(starts, kept, strict=True)]


class Wav2Vec2:
    """wav2vec2-base, 768 values per video frame.

    The network makes two frames of 20 ms per video frame. With 40 zeros added on both sides of
    the sound there are exactly 2 T of them, each centred on its own 20 ms, and row t is the mean
    of frames 2 t and 2 t + 1, which hear samples 640 t - 40 to 640 t + 680.

    The sound is normalised once over the whole file (mean 0, variance 1). As GroupNorm, positional
    convolution and attention look at all of what they are given, every row depends on the length
    of the piece: windows always have the same length, whatever the length of the sound. A sound
    that is shorter than one window is followed by zeros up to that length (after normalisation,
    as in the model's own training batches).

    Args:
        weights: ``random``, a name of the weights registry (``wav2vec2-base``,
            ``wav2vec2-base-960h``), a folder with ``config.json`` and ``model.safetensors`` or
            ``pytorch_model.bin``, or such a weights file alone (wav2vec2-base).
        seed: For random weights.
        device: ``cpu``, ``cuda`` (or ``cuda:1`` ...), or ``auto``.
        layer: ``last``, or the number of the transformer layer (1 to 12) whose output is taken.
        window: Seconds per window.
        overlap: Seconds shared by neighbouring windows, at least.
        batch: Windows per pass; None for 1 on a processor and 8 on a GPU.
        weights_folder: Where published weights are kept.

    Raises:
        InputError: A setting that is not known, or weights that cannot be had.
    """

    name = "wav2vec2"
    backend = "wav2vec2"
    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        weights: str = "random",
        *,
        seed: int = 0,
        device: str = "auto",
        layer: str | int = "last",
        window: float = 30.0,
        overlap: float = 5.0,
        batch: int | None = None,
        weights_folder: str | Path = weights_registry.DEFAULT_FOLDER,
    ):
        self.window, self.overlap = _in_ticks("window", window), _in_ticks("overlap", overlap)
        if not 0 <= self.overlap < self.window:
            raise InputError(
                f"wav2vec2 overlap of {overlap} s with a window of {window} s; the overlap must "
                "be at least 0 and less than the window"
            )
        if layer != "last" and not isinstance(layer, int):
            raise InputError(f"wav2vec2 layer {layer!r}; accepted: last, or a number from 1 on")
        self.device = choose_device(device)
        self.batch = batch or (1 if self.device.type == "cpu" else 8)
        loaded = load_wav2vec2(
            weights, seed, None if layer == "last" else layer, Path(weights_folder)
        )
        network, config, self.weights, self.pretrained = loaded
        self._network = network.to(self.device)
        self.feature_names = tuple(f"wav2vec2_{i:03d}" for i in range(config.hidden_size))

    def extract(self, source: SoundSource) -> Features:
        """Hidden states for the sound of one role.

        Args:
            source: Sound at 16 kHz and the number of ticks T.

        Returns:
            Features with values (T, 768); ``valid`` is False where a tick holds padding or sound
            marked unknown.

        Raises:
            InputError: Sound that does not fit.
        """
        sound = align_to_ticks(source, SAMPLE_RATE)
        wave = self._prepare(sound)
        windows = plan_windows(source.frames, self.window, self.overlap)
        values = np.empty((source.frames, len(self.feature_names)), np.float32)
        groups = [windows[i : i + self.batch] for i in range(0, len(windows), self.batch)]
        for group in progress(groups, what=f"wav2vec2 of {source.name}", unit="window batch"):
            for window, rows in zip(group, self._run(wave, group), strict=True):
                kept = slice(window.first - window.start, window.last - window.start)
                values[window.first : window.last] = rows[kept]
        return Features(
            values=values,
            valid=sound.known,
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=self.pretrained,
            weights=self.weights,
        )

    def _prepare(self, sound: TickSound) -> torch.Tensor:
        """Normalise over the known ticks; add the border, and zeros up to one window's length."""
        ticks = sound.samples.reshape(-1, sound.hop)
        known = ticks[sound.known].astype(np.float64)
        wave = np.zeros_like(ticks)
        if len(known):
            scale = np.sqrt(known.var() + VARIANCE_FLOOR)
            wave[sound.known] = (known - known.mean()) / scale
        missing = max(0, self.window - len(ticks)) * sound.hop
        return torch.from_numpy(np.pad(wave.ravel(), (BORDER, BORDER + missing)))

    def _run(self, wave: torch.Tensor, windows: list[Window]) -> np.ndarray:
        """Rows of a few windows, (B, window, hidden)."""
        length = self.window * TICK + 2 * BORDER
        pieces = [wave[w.start * TICK : w.start * TICK + length] for w in windows]
        with torch.inference_mode():
            hidden = self._network(torch.stack(pieces).to(self.device))  # (B, 2 window, hidden)
            pairs = hidden.unflatten(1, (self.window, 2)).mean(dim=2)
        return pairs.cpu().numpy()


def _in_ticks(name: str, seconds: float) -> int:
    ticks = seconds * FPS
    if abs(ticks - round(ticks)) > 1e-6:
        raise InputError(f"wav2vec2 {name} of {seconds} s is not a whole number of 40 ms frames")
    return round(ticks)
