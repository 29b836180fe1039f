"""Mouth shapes from the sound of a voice: loudness opens the jaw, colour shapes the lips."""

from __future__ import annotations

import numpy as np

from react24.corpora.demo.speech import SPEECH_RATE

_WINDOW = 960  # samples (60 ms): a frame and a half, so that single pitch periods do not show
_LOW = (200.0, 1000.0)  # Hz; where rounded vowels have their energy
_HIGH = (1600.0, 4000.0)  # Hz; second formant of spread vowels, and hiss
_JAW = 1.0
_ROUND = 0.7
_PURSED = 0.25  # share of rounding that narrows the lips; the rest opens them to a funnel
_SPREAD = 0.5


def mouth_from_speech(samples: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
    """Coefficients of the mouth while a sentence is spoken.

    Args:
        samples: float32 (n,) at ``SPEECH_RATE``.
        times: (T,) seconds from the start of the sentence; may lie outside of it.

    Returns:
        ``jawOpen``, ``mouthFunnel``, ``mouthPucker``, ``mouthStretch``, each (T,) in [0, 1] and
        0 outside of the sentence.
    """
    windows = _windows(samples, times)
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)) ** 2
    hertz = np.fft.rfftfreq(_WINDOW, 1.0 / SPEECH_RATE)
    low = spectrum[:, (hertz >= _LOW[0]) & (hertz < _LOW[1])].sum(axis=1)
    high = spectrum[:, (hertz >= _HIGH[0]) & (hertz < _HIGH[1])].sum(axis=1)
    loudness = np.sqrt(np.mean(windows**2, axis=1))
    peak = float(loudness.max(initial=0.0)) or 1.0
    loudness = (loudness / peak) ** 0.7
    bright = high / (low + high + 1e-9)
    spread = np.clip((bright - 0.15) / 0.5, 0.0, 1.0)
    rounded = np.clip((0.15 - bright) / 0.15, 0.0, 1.0)
    return {
        "jawOpen": _smooth(_JAW * loudness * (1.0 - 0.5 * spread)),
        "mouthFunnel": _smooth(_ROUND * loudness * rounded),
        "mouthPucker": _smooth(_PURSED * _ROUND * loudness * rounded),
        "mouthStretch": _smooth(_SPREAD * loudness * spread),
    }


def _windows(samples: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The sound around each time, zero outside of the sentence: (T, _WINDOW)."""
    padded = np.concatenate([np.zeros(_WINDOW), samples, np.zeros(2 * _WINDOW)])
    first = np.round(times * SPEECH_RATE).astype(np.int64) + _WINDOW // 2
    first = np.clip(first, 0, len(padded) - _WINDOW)
    return padded[first[:, None] + np.arange(_WINDOW)]


def _smooth(values: np.ndarray) -> np.ndarray:
    return np.convolve(np.pad(values, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
