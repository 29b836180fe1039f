"""Sound: decoding it along the clock of its file, and reading it aligned with tick 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from react24.errors import InputError
from react24.files import contract
from react24.media.clock import ROUNDING, TICKS_PER_SECOND
from react24.media.container import READ_ERRORS, open_media, pick_sound
from react24.media.damage import DamagedFileError
from react24.media.stamps import SMALLEST_WILD
from react24.media.whereabouts import locate
from react24.project.choices import MIX

GAP = Fraction(1, 20)
"""Time stamps that run away from the sample count by more than this (s) mark a real gap."""

SIDES = {"left": ("FL", 0), "right": ("FR", 1)}
"""Word for a channel -> FFmpeg's name of it, and its index where channels have no names."""


@dataclass(frozen=True)
class SoundBlock:
    """Consecutive samples of a sound stream.

    Attributes:
        time: Of the first sample, s on the file's clock.
        samples: float32 (channels, n) in [-1, 1].
        rate: Samples per second.
        names: FFmpeg's name of each channel (``FL``); empty where they have none.
        gap: s without sound before it; negative where it was cut because stamps went back.
        wild: Its stamp contradicted those around it; ``time`` is counted on instead.
    """

    time: Fraction
    samples: np.ndarray
    rate: int
    names: tuple[str, ...] = ()
    gap: Fraction = Fraction(0)
    wild: bool = False

    @property
    def length(self) -> Fraction:
        """In seconds."""
        return Fraction(self.samples.shape[1], self.rate)

    @property
    def end(self) -> Fraction:
        """Time after the last sample, s."""
        return self.time + self.length


def read_blocks(path: str | Path, track: str = "") -> Iterator[SoundBlock]:
    """Decoded sound along its file's clock, at the file's own rate, with all its channels.

    Between blocks whose stamps agree to within ``GAP`` samples are counted, so that stamps which
    are rounded do not tear the sound. Single stamps that contradict the one after them are
    ignored. Where stamps go back, what would be heard twice is left out.

    Raises:
        InputError: No such track (``Choices.audio_track``), or the format changes on the way.
        av.error.FFmpegError: It cannot be decoded on.
    """
    clock, late = None, False
    for block in _without_wild(_decode(path, track)):
        off = Fraction(0) if clock is None else block.time - clock
        if clock is None or abs(off) > (0 if late else GAP):
            time = block.time if clock is None else max(block.time, clock)
            cut = math.ceil(-off * block.rate) if off < 0 else 0
            late = cut > block.samples.shape[1]
            block = replace(block, time=time, samples=block.samples[:, cut:], gap=off)
        else:
            block = replace(block, time=clock)
        clock = block.end
        yield block


def _without_wild(blocks: Iterator[SoundBlock]) -> Iterator[SoundBlock]:
    """Give a block whose stamp is contradicted by the next one the time that is due."""
    held, due = None, None
    while True:
        try:
            block = next(blocks, None)
        except READ_ERRORS:
            if held is not None:  # what was whole is heard
                yield held
            raise
        if block is None:
            break
        if held is not None:
            if due is not None and abs(held.time - due) > GAP >= abs(
                block.time - due - held.length
            ):
                held = replace(held, time=due, wild=True)
            due = held.end
            yield held
        held = block
    if held is not None:
        if due is not None and abs(held.time - due) > SMALLEST_WILD:
            held = replace(held, time=due, wild=True)
        yield held


def _decode(path: str | Path, track: str) -> Iterator[SoundBlock]:
    """Blocks of about half a second, less where time stamps are not those that are due."""
    with open_media(path) as container:
        stream = pick_sound(container, track)
        if stream is None:
            raise InputError(f"{path}: no sound stream")
        to_float, form, names = None, None, ()
        start, parts, count = None, [], 0
        frames = container.decode(stream)
        while True:
            try:
                frame, error = next(frames, None), None
            except READ_ERRORS as broken:
                frame, error = None, broken
            if frame is not None and to_float is None:
                form, names = _format(frame), _channel_names(frame.layout)
                # Packed: PyAV crashes on planar sound with eight or more channels.
                to_float = av.AudioResampler(
                    format="flt", layout=frame.layout, rate=frame.sample_rate
                )
            if frame is not None and _format(frame) != form:
                raise InputError(
                    f"{path}: the sound changes from {form[0]} Hz {form[1]} to {frame.sample_rate} "
                    f"Hz {frame.layout.name} on the way; convert it to one format"
                )
            rate = form[0] if form else 1
            if parts and (frame is None or 2 * count >= rate or _is_off(frame, start, count)):
                samples = np.concatenate(parts).reshape(-1, form[2])
                yield SoundBlock(start, np.ascontiguousarray(samples.T), rate, names)
                start, parts, count = start + Fraction(len(samples), rate), [], 0
            if error is not None:
                raise error
            if frame is None:
                return
            if not parts and frame.pts is not None:
                start = frame.pts * frame.time_base
            start = Fraction(0) if start is None else start
            for part in to_float.resample(frame):
                parts.append(part.to_ndarray()[0])  # (n * channels,)
                count += part.samples


def _format(frame: av.AudioFrame) -> tuple[int, str, int]:
    return frame.sample_rate, frame.layout.name, frame.layout.nb_channels


def _is_off(frame: av.AudioFrame, start: Fraction, count: int) -> bool:
    """Whether a frame's stamp is not the one that is due ``count`` samples after ``start``."""
    if frame.pts is None:
        return False
    due = float(start) + count / frame.sample_rate
    return abs(frame.pts * float(frame.time_base) - due) > float(GAP)


def _channel_names(layout: av.AudioLayout) -> tuple[str, ...]:
    # Of a layout without names PyAV gives channels that do not exist.
    if layout.name == f"{layout.nb_channels} channels":
        return ()
    return tuple(channel.name for channel in layout.channels)


def find_channel(channel: str, block: SoundBlock, path: str | Path) -> int | None:
    """Index of the wanted channel (``Choices.audio_channel``), None for the mean of all.

    Raises:
        InputError: There is no such channel in the block; names the file.
    """
    count = len(block.samples)
    if channel == MIX:
        return None
    if channel in SIDES:
        name, index = SIDES[channel]
        index = block.names.index(name) if name in block.names else index
        missing = bool(block.names) and count > 2 and name not in block.names
    else:
        index, missing = int(channel), False
    if missing or index >= count or (channel in SIDES and count == 1):
        named = f" ({', '.join(block.names)})" if block.names else ""
        raise InputError(
            f"{path}: no channel {channel!r}; its sound has {count} channel"
            f"{'s' if count > 1 else ''}{named}; accepted in audio_channel_* of the sample sheet "
            + (f"is left, right, mix or an index from 0 to {count - 1}" if count > 1 else "is mix")
        )
    return index


def take_channel(samples: np.ndarray, channel: int | None) -> np.ndarray:
    """One channel of samples (channels, n), or the mean of all; float32 (n,).

    The mean is that of the official feature code; FFmpeg weighs channels.
    """
    return samples.mean(axis=0, dtype=np.float32) if channel is None else samples[channel]


def _on_timeline(
    path: str, track: str, channel: str, zero: Fraction, length: Fraction
) -> Iterator[np.ndarray]:
    """The chosen sound at its own rate from ``zero`` (s, file clock) on, gaps made silent.

    Gives at least ``length`` s where the file holds them; damage behind that is ignored.
    """
    position, needed, rate = 0, math.inf, 1  # samples given so far, samples of ``length``
    chosen, known = None, False
    try:
        for block in read_blocks(path, track):
            if not known:
                chosen, known = find_channel(channel, block, path), True
            rate, needed = block.rate, length * block.rate
            samples = take_channel(block.samples, chosen)
            where = math.floor((block.time - zero) * rate + Fraction(1, 2))
            while position < min(where, needed):  # a gap can be hours long
                count = min(where - position, rate)
                yield np.zeros(count, np.float32)
                position += count
            samples = samples[max(position - where, 0) :]
            if len(samples) and where <= position:
                yield samples
                position += len(samples)
    except READ_ERRORS as error:
        if position < needed - ROUNDING * rate:
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
        float32 (T * sample_rate // 25,), mono (the chosen channel, or the mean of all), in
        [-1, 1]; sample 0 is at the instant of tick 0; zeros before the sound starts, after it ends
        and in its gaps.

    Raises:
        DamagedFileError: The sound is unreadable somewhere; names file and second.
        InputError: The file is gone or has no sound.
    """
    with contract.open_file(media_path, "media") as file:
        group = file[role]
        path, ticks = str(locate(file, role, "audio")), int(file.attrs["frames"])
        zero = Fraction(*(int(n) for n in group.attrs["sound_zero"]))
        rate = int(group.attrs["sound_rate"])
        track, channel = str(group.attrs["sound_track"]), str(group.attrs["sound_channel"])
    if rate == 0:
        raise InputError(
            f"{media_path}, role {role}: {path} has no sound that can be used; name a file with "
            f"this person's sound in the sample sheet, or leave out the streams that hear"
        )
    sound = np.zeros(ticks * sample_rate // TICKS_PER_SECOND, np.float32)
    filled = 0
    parts = _on_timeline(path, track, channel, zero, Fraction(ticks, TICKS_PER_SECOND))
    for part in _resample(parts, rate, sample_rate):
        part = part[: len(sound) - filled]
        sound[filled : filled + len(part)] = part
        filled += len(part)
        if filled == len(sound):
            break
    return np.clip(sound, -1.0, 1.0, out=sound)
