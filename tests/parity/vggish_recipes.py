"""Recipes behind vggish_regnn.npz and vggish_original.npz: weights and sound made from names.

The reference values were computed with the published implementations of VGGish (16 kHz) and of
REGNN's variant (24 kHz) after filling their weights by ``draw_weights`` and feeding them
``make_wave``. Only the outputs are stored; both recipes need NumPy alone.
"""

import hashlib
import math
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
GAIN = math.sqrt(2.0)
CASES = {"regnn": (24000, 1.0), "original": (16000, 2.5)}
"""Variant -> sample rate, seconds."""


def name_generator(text):
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def draw_weight(key, shape):
    """float32: biases N(0, 0.05²), others N(0, 2 / fan in), drawn in float64."""
    scale = 0.05 if key.endswith("bias") else GAIN / math.sqrt(math.prod(shape[1:]))
    return (scale * name_generator(key).standard_normal(shape)).astype(np.float32)


def draw_weights(shapes):
    return {key: draw_weight(key, shape) for key, shape in shapes.items()}


PCA_SHAPES = {"pproc.pca_eigen_vectors": (128, 128), "pproc.pca_means": (128, 1)}


def make_wave(variant):
    """float64 (n,): noise and six tones with slowly changing loudness."""
    rate, seconds = CASES[variant]
    generator = name_generator(f"input:vggish_{variant}/public/wave{rate}")
    count = round(rate * seconds)
    wave = 0.02 * generator.standard_normal(count)
    time = np.arange(count) / rate
    for _ in range(6):
        pitch = generator.uniform(80, 7000)
        loudness = generator.uniform(0.02, 0.12)
        phase = generator.uniform(0, 2 * np.pi)
        beat = generator.uniform(0.3, 4)
        envelope = 0.6 + 0.4 * np.sin(2 * np.pi * beat * time)
        wave += loudness * envelope * np.sin(2 * np.pi * pitch * time + phase)
    return wave


def read_reference(variant):
    with np.load(FOLDER / f"vggish_{variant}.npz", allow_pickle=False) as arrays:
        return dict(arrays)
