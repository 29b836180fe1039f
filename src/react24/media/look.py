"""A quick look at files, for ``react24 check``: headers and the first seconds, no whole file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av

from react24.choices import DEFAULT, Choices
from react24.media.container import READ_ERRORS, open_media, pick_sound, pick_video
from react24.media.sound_checks import listen
from react24.media.sound_scan import scan_sound
from react24.media.started import Started, compare_starts, read_start
from react24.media.time_checks import WORTH_A_WORD
from react24.media.timing import RoleMedia
from react24.notices import Notice


def look_at_sound(
    path: str | Path, choices: Choices = DEFAULT, seconds: float = 10, role: str = "a"
) -> list[Notice]:
    """What the first seconds of a file's sound tell: tracks, channels, level, silence, clipping.

    Args:
        path: A video or sound file.
        choices: Which track and channel.
        seconds: How much is decoded.
        role: Whose it is, for the message.

    Returns:
        Doubts; none where all is well or there is no sound.

    Raises:
        InputError: The file or its sound cannot be read, or has no such track or channel.
    """
    sound = scan_sound(path, choices, seconds=seconds)
    return [] if sound is None else listen(path, choices, role, sound)


def look_at_times(role: str, files: RoleMedia) -> list[Notice]:
    """Start and end of pictures and sound by the headers and last packets of a person's files.

    What these do not tell is left to ``probe_session``.

    Raises:
        InputError: A file cannot be opened, or has no such track.
    """
    with open_media(files.video) as container:
        pictures = _extent(container, pick_video(container))
        inside = None if files.audio else pick_sound(container, files.choices.audio_track)
        sound = _extent(container, inside)
    if files.audio is not None:
        with open_media(files.audio) as container:
            sound = _extent(container, pick_sound(container, files.choices.audio_track))
            offset = Fraction(str(files.choices.audio_offset))
            sound = tuple(None if time is None else time + offset for time in sound)
    notices = []
    said = f" ({files.audio})" if files.audio else ""
    if None not in (pictures[0], sound[0]) and not files.audio:
        start = sound[0] - pictures[0]
        if abs(start) > WORTH_A_WORD:
            way = "after" if start > 0 else "before"
            text = f"starts {abs(float(start)):.2f} s {way} its pictures"
            notices.append(_tell("time.start", role, files, said, text))
    if None not in (pictures[1], sound[1]):
        off = sound[1] - pictures[1]
        if abs(off) > WORTH_A_WORD:
            way = "after" if off > 0 else "before"
            text = (
                f"ends {abs(float(off)):.2f} s {way} its pictures: one of the two was stopped "
                f"earlier, or the pictures run fast or slow"
            )
            notices.append(_tell("time.drift", role, files, said, text))
    return notices


def look_at_starts(roles: Mapping[str, RoleMedia]) -> list[Notice]:
    """Starts of the files of a session as they state them (``creation_time``), compared.

    Raises:
        InputError: A file cannot be opened.
    """
    started = []
    for role, files in roles.items():
        choices = files.choices
        started.append(
            Started(files.video, role, read_start(files.video), choices.offset, "offset")
        )
        if files.audio is not None:
            time = read_start(files.audio)
            started.append(Started(files.audio, role, time, choices.audio_offset, "audio_offset"))
    return compare_starts(started)


def _extent(
    container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream | None
) -> tuple[Fraction | None, Fraction | None]:
    """Start and end of a stream by its header or last packets, s; None where unknown."""
    if stream is None or stream.time_base is None:
        return None, None
    start = None if stream.start_time is None else stream.start_time * stream.time_base
    if stream.duration:
        return start, (start or Fraction(0)) + stream.duration * stream.time_base
    # Matroska states the end of a stream in a tag, others only the length of the whole file.
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if "duration" in tags:
        return start, _clock_time(tags["duration"])
    return start, _end_of_packets(container, stream)


def _end_of_packets(
    container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream
) -> Fraction | None:
    """End of the last packets of a stream, s; None where the file cannot be searched."""
    if not container.duration:
        return None
    ends = []
    try:
        container.seek(max(0, container.duration - 2 * av.time_base))
        for packet in container.demux(stream):
            begin = packet.dts if packet.pts is None else packet.pts
            if begin is not None:
                ends.append((begin + (packet.duration or 0)) * stream.time_base)
    except READ_ERRORS:
        return None
    return max(ends, default=None)


def _clock_time(text: str) -> Fraction | None:
    """Seconds of a text such as 00:00:12.021000000."""
    parts = text.strip().split(":")
    try:
        hours, minutes, rest = int(parts[0]), int(parts[1]), Fraction(parts[2])
    except (ValueError, IndexError):
        return None
    return 3600 * hours + 60 * minutes + rest


def _tell(kind: str, role: str, files: RoleMedia, said: str, text: str) -> Notice:
    return Notice(kind, f"{files.video} (role {role}): its sound{said} {text}", role)
