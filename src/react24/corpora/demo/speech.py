"""The voices of the demo corpus: short synthetic sentences, kept as FLAC beside this module.

``speech/sentences.tsv`` lists every file with its voice, settings and text; ``synthesise``
makes the files from that list with espeak-ng and is the whole of how they came to be.
"""

from __future__ import annotations

import csv
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.errors import InputError

SPEECH_FOLDER = Path(__file__).with_name("speech")
SPEECH_RATE = 16_000
"""Samples per second of the stored sentences."""
_SILENCE = 0.004  # amplitude under which the ends of a sentence are cut
_PEAK = 0.7
_TIMEOUT = 30.0  # seconds that espeak-ng may take for one sentence


@dataclass(frozen=True)
class Sentence:
    """A stored sentence: espeak-ng's voice, pitch (0 to 99) and speed (words a minute), text."""

    file: str
    voice: str
    pitch: int
    speed: int
    text: str


def list_sentences() -> tuple[Sentence, ...]:
    """The sentences of ``sentences.tsv``, in file order.

    Raises:
        InputError: The list is missing.
    """
    path = SPEECH_FOLDER / "sentences.tsv"
    if not path.exists():
        raise InputError(f"{path}: no such file; it comes with react24, reinstall the package")
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return tuple(
            Sentence(r["file"], r["voice"], int(r["pitch"]), int(r["speed"]), r["text"])
            for r in rows
        )


def list_voices() -> tuple[str, ...]:
    """Names of the voices, in the order in which they first appear."""
    return tuple(dict.fromkeys(s.voice for s in list_sentences()))


def load_voice(voice: str) -> list[np.ndarray]:
    """All sentences of a voice of ``list_voices``, float32 (n,) in [-1, 1] at ``SPEECH_RATE`` each.

    Raises:
        InputError: Unknown voice, or a file at another rate.
    """
    import soundfile

    files = [s.file for s in list_sentences() if s.voice == voice]
    if not files:
        known = ", ".join(list_voices())
        raise InputError(f"{SPEECH_FOLDER}: no sentence of voice {voice!r}; voices: {known}")
    sounds = []
    for name in files:
        path = SPEECH_FOLDER / name
        samples, rate = soundfile.read(path, dtype="float32")
        if rate != SPEECH_RATE or samples.ndim != 1:
            raise InputError(
                f"{path}: {rate} samples/s and shape {samples.shape}, expected mono at "
                f"{SPEECH_RATE}; make the files again with react24.corpora.demo.speech.synthesise"
            )
        sounds.append(samples)
    return sounds


def resample(samples: np.ndarray, count: int) -> np.ndarray:
    """The same sound with ``count`` samples, float32; exact if it begins and ends silent.

    Cuts or pads the spectrum. SciPy's signal package does this too, but takes longer to import
    than all the sound of a session takes to convert.
    """
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return (np.fft.irfft(spectrum, count) * (count / len(samples))).astype(np.float32)


def synthesise() -> None:
    """Make every file of ``sentences.tsv`` with espeak-ng (which must be installed).

    The result of espeak-ng is brought from 22,050 to 16,000 samples per second, cut at the ends,
    brought to a peak of 0.7 and written as 16-bit mono FLAC.

    Raises:
        FileNotFoundError: espeak-ng is not installed.
        subprocess.CalledProcessError: espeak-ng failed, e.g. on an unknown voice.
    """
    import soundfile

    from react24.files.contract import atomic_path

    for sentence in list_sentences():
        samples = _speak(sentence)
        with atomic_path(SPEECH_FOLDER / sentence.file) as temporary:
            soundfile.write(temporary, samples, SPEECH_RATE, format="FLAC", subtype="PCM_16")


def _speak(sentence: Sentence) -> np.ndarray:
    import soundfile
    from scipy.signal import resample_poly

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentence.wav"
        command = ["espeak-ng", "-v", sentence.voice, "-p", str(sentence.pitch)]
        command += ["-s", str(sentence.speed), "-w", str(path), sentence.text]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT)
        samples, rate = soundfile.read(path)
    samples = resample_poly(samples, SPEECH_RATE, rate)
    loud = np.flatnonzero(np.abs(samples) > _SILENCE)
    samples = samples[loud[0] : loud[-1] + 1]
    return (samples * (_PEAK / np.abs(samples).max())).astype(np.float32)
