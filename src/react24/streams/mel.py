"""The mel scale and its bands, for ``vggish`` and ``logmel``."""

from __future__ import annotations

import numpy as np


def hertz_to_mel(frequency: np.ndarray | float) -> np.ndarray:
    """The HTK mel scale: 1127 ln(1 + f / 700)."""
    return 1127.0 * np.log1p(np.asarray(frequency, np.float64) / 700.0)


def mel_triangles(sample_rate: int, fft: int, bands: int, low: float, high: float) -> np.ndarray:
    """Weights from FFT bins to mel bands.

    Band i rises from edge i to edge i+1 and falls to edge i+2. Edges are equally spaced in mel
    and slopes are linear in mel, as VGGish has them. Slopes of librosa and of torchaudio's
    ``melscale_fbanks`` are linear in Hz (weights differ by 4e-3); its ``kaldi.get_mel_banks`` has
    these slopes in float32 (1e-5 off, where VGGish's reference is met to 1e-7).

    Args:
        sample_rate: Hz.
        fft: Length of the FFT.
        bands: Number of bands.
        low: Lower edge of the first band, Hz.
        high: Upper edge of the last band, Hz.

    Returns:
        float64 (fft // 2 + 1, bands), in [0, 1].
    """
    edges = np.linspace(hertz_to_mel(low), hertz_to_mel(high), bands + 2)
    bins = hertz_to_mel(np.linspace(0.0, sample_rate / 2, fft // 2 + 1))
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling))
