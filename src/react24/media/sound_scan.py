"""One pass over a sound stream: its extent, damage, gaps, levels and a sketch of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from react24.errors import InputError
from react24.media.container import (
    HAVE_A_CLOCK,
    READ_ERRORS,
    STATE_LENGTH,
    SoundTrack,
    list_tracks,
    open_media,
    pick_sound,
)
from react24.media.meter import ChannelLevels, Meter
from react24.media.sketch import Sketch
from react24.media.sound import GAP, SoundBlock, find_channel, read_blocks
from react24.media.stamps import BACKWARD_JUMP, ENDLESS_JUMP, Jump
from react24.project.choices import DEFAULT, Choices

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
        channel: Index of the one that was chosen; None for the mean of all.
        damage: (second on the file's clock, clause) of the first unreadable place, or None.
        gaps: Places without sound between start and end.
        wild: Seconds (file clock) at which a single time stamp was ignored.
        tracks: All sound tracks of the file.
        track: Index of the one that was scanned.
        clocked: Second 0 of the file means something.
        levels: Of its channels.
        sketch: Of the sound that the choices ask for.
    """

    start: Fraction
    end: Fraction
    rate: int
    channels: int
    channel: int | None
    damage: tuple[Fraction, str] | None
    gaps: tuple[Jump, ...]
    wild: tuple[Fraction, ...]
    tracks: tuple[SoundTrack, ...]
    track: int
    clocked: bool
    levels: ChannelLevels
    sketch: Sketch


def scan_sound(path: str | Path, choices: Choices = DEFAULT) -> SoundScan | None:
    """Decode a file's sound once; None if it has no sound.

    Decoding is the only way to know the first sample's time (encoders put silence in front that
    the decoder removes) and costs a few seconds for an hour. Memory grows by 4 kB per second of
    sound, for the sketch.

    Raises:
        InputError: The sound cannot be decoded at all, or has no such track or channel.
    """
    with open_media(path) as container:
        stream = pick_sound(container, choices.audio_track)
        if stream is None:
            return None
        if stream.codec_context is None:
            raise InputError(f"{path}: its sound is in a format without a decoder here")
        scan = _read_through(
            path,
            choices,
            tracks=tuple(list_tracks(container)),
            track=container.streams.audio.index(stream),
            clocked=container.format.name in HAVE_A_CLOCK,
        )
        declared = _declared_end(path, stream, scan.end)
    if scan.damage is None and declared is not None and declared - scan.end > TRUNCATION:
        early = float(declared - scan.end)
        damage = scan.end, f"the sound ends here, {early:.1f} s before its stated end"
        return replace(scan, damage=damage)
    return scan


def _read_through(path: str | Path, choices: Choices, *, track: int, **about: Any) -> SoundScan:
    """What the blocks of a stream tell, up to where it breaks; ``about`` goes into the scan."""
    first, meter, channel = None, None, None
    end, damage, gaps, wild = Fraction(0), None, [], []
    try:
        for block in read_blocks(path, str(track)):
            if first is None or meter is None:
                channel = find_channel(choices.audio_channel, block, path)
                first, end, meter = block, block.time, Meter(block, channel)
            damage = _broken_clock(block, end)
            if damage:
                break
            if block.gap > GAP:
                gaps.append(Jump(end, block.gap))
            if block.wild:
                wild.append(block.time)
            meter.add(block)
            end = block.end
    except READ_ERRORS as error:
        damage = end, f"the sound cannot be decoded ({error.strerror})"
    if first is None or meter is None:
        raise InputError(f"{path}: its sound cannot be decoded; convert it to AAC or WAV")
    return SoundScan(
        start=first.time,
        end=end,
        rate=first.rate,
        channels=len(first.samples),
        channel=channel,
        damage=damage,
        gaps=tuple(gaps),
        wild=tuple(wild),
        track=track,
        levels=meter.levels(),
        sketch=meter.sketch(),
        **about,
    )


def _broken_clock(block: SoundBlock, end: Fraction) -> tuple[Fraction, str] | None:
    """Damage where the clock breaks before a block, so that nothing behind can be used."""
    if -BACKWARD_JUMP <= block.gap <= ENDLESS_JUMP:
        return None
    way, why = "back", "two recordings were glued together"
    if block.gap > 0:
        way, why = "forward", "a clock was set"
    return end, (
        f"the time stamps of the sound jump {way} by {abs(float(block.gap)):.2f} s, as where "
        f"{why}; give each piece a file and a session of its own"
    )


def _declared_end(path: str | Path, stream: av.AudioStream, found: Fraction) -> Fraction | None:
    """When sound that ends at ``found`` should end by its header, s on the file's clock."""
    if stream.container.format.name == "wav":
        # FFmpeg states what is there; the header of the cut file still tells what was.
        share = _share_of_wav(Path(path))
        return found / share if share else None
    if stream.container.format.name not in STATE_LENGTH or not stream.duration:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def _share_of_wav(path: Path) -> Fraction | None:
    """Share of its promised bytes of sound that a WAV file holds.

    None where it leaves the number open, as recorders do that write to a pipe.
    """
    with path.open("rb") as file:
        position, end = 12, path.stat().st_size
        while position + 8 <= end:
            file.seek(position)
            kind, size = file.read(4), int.from_bytes(file.read(4), "little")
            position += 8
            if kind == b"data":
                return Fraction(min(size, end - position), size) if 0 < size < 0xFFFFFF00 else None
            position += size + size % 2
    return None


def first_sounds(path: str | Path) -> list[Fraction]:
    """Time of the first sample of every sound track of a file, s on its clock.

    Tracks that cannot be decoded are left out: whether they matter is seen by who reads them.
    """
    with open_media(path) as container:
        decodable = [
            str(index)
            for index, stream in enumerate(container.streams.audio)
            if stream.codec_context is not None
        ]
    times = []
    for track in decodable:
        try:
            block = next(read_blocks(path, track), None)
        except READ_ERRORS:
            continue
        if block is not None:
            times.append(block.time)
    return times
