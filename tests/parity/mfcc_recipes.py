"""Recipe behind mfcc78.npz: sound made from names.

The reference values are what the data set of REACT 2024's baseline made of ``make_wave`` with
torchaudio 2.11, read back from a file of the given format. Only the outputs are stored.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "mfcc78.npz"


@dataclass(frozen=True)
class Case:
    rate: int
    seconds: float
    frames: int
    channels: int = 1
    integers: bool = True  # stored with 16 bits


CASES = {
    "mono44100": Case(44100, 1.0, 25),
    "stereo44100_short": Case(44100, 0.9, 25, channels=2),
    "mono16000": Case(16000, 1.0, 25, integers=False),
    "silence_tail44100": Case(44100, 0.5, 20),
}


def make_wave(tag):
    """float64 (n,): noise and five tones with slowly changing loudness, mean over the channels."""
    case = CASES[tag]
    digest = hashlib.sha256(f"input:mfcc/public/{tag}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    count = round(case.rate * case.seconds)
    wave = 0.01 * generator.standard_normal(count)
    time = np.arange(count) / case.rate
    for _ in range(5):
        loudness = generator.uniform(0.02, 0.15)
        tone = np.sin(2 * np.pi * generator.uniform(80, 5000) * time + generator.uniform(0, 6.28))
        wave += loudness * tone * (0.6 + 0.4 * np.sin(2 * np.pi * generator.uniform(0.3, 4) * time))
    channels = np.stack([wave, 0.7 * wave][: case.channels])
    if case.integers:
        # libsndfile rounds to 32 bits and cuts off the lower 16.
        return (np.floor(np.rint(channels * 2.0**31) / 2.0**16) / 2.0**15).mean(axis=0)
    return channels.astype(np.float32).astype(np.float64).mean(axis=0)


def make_ticks(tag):
    """The wave cut or padded to the video's length, (frames, samples per frame)."""
    case = CASES[tag]
    wanted = case.frames * case.rate // 25
    wave = make_wave(tag)[:wanted]
    return np.pad(wave, (0, wanted - len(wave))).reshape(case.frames, -1)


def read_reference(tag):
    with np.load(PATH, allow_pickle=False) as arrays:
        return arrays[tag]
