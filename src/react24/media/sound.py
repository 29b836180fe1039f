"""Sound: its extent, and decoding it to mono samples aligned with tick 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from react24 import store
from react24.errors import InputError
from react24.media.clock import TICKS_PER_SECOND
from react24.media.container import READ_ERRORS, STATE_LENGTH, open_media, pick_sound
from react24.media.damage import DamagedFileError

GAP = Fraction(1, 20)
"""Time stamps that run away from the sample count by more than this (s) mark a real gap."""

TRUNCATION = Fraction(1)
"""Sound that ends this much (s) before its declared end was cut short."""


@dataclass(frozen=True)
class SoundScan:
    """What decoding a sound stream once tells.

    Attributes:
        start: Presentation time of the first sample, s on the file's clock.
        end: Presentation time after the last readable sample, s.
        rate: Samples per second.
        channels: Number of channels.
        damage: (second on the file's clock, clause) of the first unreadable place, or None.
    """

    start: Fraction
    end: Fraction
    rate: int
    channels: int
    damage: tuple[Fraction, str] | None


@dataclass(frozen=True)
class _Block:
    """Consecutive samples: ``time`` of the first (s, file clock), mono float32 (n,)."""

    time: Fraction
    samples: np.ndarray
    rate: int
    channels: int


def scan_sound(path: str | Path) -> SoundScan | None:
    """Decode a file's sound once to learn where it starts and ends; None if it has no sound.

    Decoding is the only way to know the first sample's time (encoders put silence in front that
    the decoder removes) and costs about a second for twenty minutes.

    Raises:
        InputError: The sound cannot be decoded at all.
    """
    with open_media(path) as container:
        stream = pick_sound(container)
        if stream is None:
            return None
        declared = _declared_end(path, stream)
    start, end, rate, channels, damage = None, Fraction(0), 0, 0, None
    try:
        for block in _blocks(path):
            start = block.time if start is None else start
            rate, channels = block.rate, block.channels
            end = max(end, block.time + Fraction(len(block.samples), rate))
    except READ_ERRORS as error:
        damage = (end, f"the sound cannot be decoded ({error.strerror})")
    if start is None:
        raise InputError(f"{path}: its sound cannot be decoded; convert it to AAC or WAV")
    if damage is None and declared is not None and declared - end > TRUNCATION:
        damage = (end, f"the sound ends here, {float(declared - end):.1f} s before its stated end")
    return SoundScan(start, end, rate, channels, damage)


def _declared_end(path: str | Path, stream: av.AudioStream) -> Fraction | None:
    """When the sound should end by its header, s on the file's clock."""
    if stream.container.format.name == "wav":
        # FFmpeg states what is there; the header of the cut file still tells what was.
        size = _wav_data_size(Path(path))
        block = stream.codec_context.bit_rate // 8
        return Fraction(size, block) if size and block else None
    if stream.container.format.name not in STATE_LENGTH or not stream.duration:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def _wav_data_size(path: Path) -> int | None:
    """Bytes of sound that a WAV file's header promises; None where it leaves that open."""
    with path.open("rb") as file:
        position, end = 12, path.stat().st_size
        while position + 8 <= end:
            file.seek(position)
            kind, size = file.read(4), int.from_bytes(file.read(4), "little")
            if kind == b"data":
                # Recorders that write to a pipe cannot know the size and put in a filler.
                return size if 0 < size < 0xFFFFFF00 else None
            position += 8 + size + size % 2
    return None


def _blocks(path: str | Path) -> Iterator[_Block]:
    """Decoded sound as mono blocks at the file's own rate.

    Channels are averaged, as in the official feature code, without FFmpeg's mixing weights.
    """
    with open_media(path) as container:
        stream = pick_sound(container)
        if stream is None:
            raise InputError(f"{path}: no sound stream")
        to_float, rate, layout = None, 0, ""
        clock = None
        for frame in container.decode(stream):
            if to_float is None:
                rate, layout = frame.sample_rate, frame.layout.name
                to_float = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
            if (frame.sample_rate, frame.layout.name) != (rate, layout):
                raise InputError(
                    f"{path}: the sound changes from {rate} Hz {layout} to {frame.sample_rate} Hz "
                    f"{frame.layout.name} on the way; convert it to one format"
                )
            if frame.pts is not None:
                clock = frame.pts * frame.time_base
            elif clock is None:
                clock = Fraction(0)
            for part in to_float.resample(frame):
                channels = part.to_ndarray()  # (channels, n)
                mono = channels.mean(axis=0, dtype=np.float32)
                yield _Block(clock, mono, rate, len(channels))
                clock += Fraction(len(mono), rate)


def _on_timeline(path: str, zero: Fraction, length: Fraction) -> Iterator[np.ndarray]:
    """The sound at its own rate from ``zero`` (s, file clock) on, gaps filled with silence.

    Gives at least ``length`` s where the file holds them; damage behind that is ignored.
    """
    position, needed, rate = 0, math.inf, 1  # samples given so far, samples of ``length``
    try:
        for block in _blocks(path):
            samples, rate = block.samples, block.rate
            needed = length * rate
            where = round((block.time - zero) * rate)
            if position == 0 or abs(where - position) > GAP * rate:
                if where > position:
                    where = min(where, math.ceil(needed) + position)  # stamps can be absurd
                    yield np.zeros(where - position, np.float32)
                    position = where
                else:
                    samples = samples[position - where :]
            if len(samples):
                yield samples
                position += len(samples)
    except READ_ERRORS as error:
        if position < needed:
            raise DamagedFileError(
                path,
                position / rate,
                f"the sound cannot be decoded ({error.strerror})",
            ) from error


def _resample(parts: Iterator[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    if rate == wanted:
        yield from parts
        return
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=wanted)
    for part in parts:
        frame = av.AudioFrame.from_ndarray(part[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts = None
        for made in resampler.resample(frame):
            yield made.to_ndarray()[0]
    for made in resampler.resample(None):
        yield made.to_ndarray()[0]


def read_sound(media_path: str | Path, role: str, sample_rate: int) -> np.ndarray:
    """The sound of a role, from tick 0 to the end of the session.

    Args:
        media_path: Media file of the session.
        role: ``a`` or ``b``.
        sample_rate: Samples per second wanted.

    Returns:
        float32 (T * sample_rate // 25,), mono (mean over channels), in [-1, 1]; sample 0 is at
        the instant of tick 0; zeros before the sound starts, after it ends and in its gaps.

    Raises:
        DamagedFileError: The sound is unreadable somewhere; names file and second.
        InputError: The file is gone or has no sound.
    """
    with store.open_file(media_path, "media") as file:
        group = file[role]
        path, ticks = str(group.attrs["audio"]), int(file.attrs["frames"])
        zero = Fraction(*(int(n) for n in group.attrs["sound_zero"]))
        rate = int(group.attrs["sound_rate"])
    sound = np.zeros(ticks * sample_rate // TICKS_PER_SECOND, np.float32)
    filled = 0
    parts = _on_timeline(path, zero, Fraction(ticks, TICKS_PER_SECOND))
    for part in _resample(parts, rate, sample_rate):
        part = part[: len(sound) - filled]
        sound[filled : filled + len(part)] = part
        filled += len(part)
        if filled == len(sound):
            break
    return np.clip(sound, -1.0, 1.0, out=sound)
