"""A first look at the pictures of a recording: how large they are, and what they show in small.

The start is decoded whole, and after it a key picture now and then, so the cost has a limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import av
import h5py
import numpy as np

from react24.errors import InputError
from react24.files.notices import Notice, about_file
from react24.media.container import READ_ERRORS, list_videos, open_media
from react24.media.fingerprint import SIDE, Fingerprint, compare
from react24.media.picture import (
    Framing,
    Screen,
    Size,
    read_framing,
    read_orientation,
    shown_size,
)
from react24.media.video import decode_pictures, from_first_key, lacks_pts, require_video
from react24.project.choices import Choices

WHOLE = Fraction(20)
"""Seconds from the first picture on that are decoded whole."""

STEP = Fraction(1, 5)
"""Seconds from one small picture to the next there."""

KEY_STEP = Fraction(5)
"""Seconds from one key picture to the next after that."""

FINE_KEY_STEP = Fraction(1, 2)
"""The same between two that differ in size."""

LONGEST = Fraction(600)
"""Second after which no picture is looked at."""

TURN_TOLERANCE = 1.0
"""Degrees by which a file may miss a quarter turn without a word."""

MOST_PLACES = 6
"""Changes of size that are told one by one."""

_FINE = 64  # side to which pictures are shrunk at once, before they are averaged to SIDE


@dataclass(frozen=True)
class Survey:
    """What a first look at a recording tells.

    Attributes:
        size: The size that most of the recording has, as a player shows it.
        sizes: (second on the file's clock, size) of the first picture and of each whose size
            differs from that of the one before.
        turn_error: Degrees between the turn that the file asks for and the nearest quarter turn.
        framing: Pixel shape and hidden margins.
        fingerprint: Small pictures.
        streams: All video streams of the file by their index, in words.
        stream: Index of the one that is taken.
    """

    size: Size
    sizes: tuple[tuple[Fraction, Size], ...]
    turn_error: float
    framing: Framing
    fingerprint: Fingerprint
    streams: Mapping[int, str] = field(default_factory=dict)
    stream: int = 0


def survey_pictures(path: str | Path, threads: int = 1) -> Survey:
    """Look at a recording.

    Raises:
        InputError: No readable video stream, or no picture that can be decoded.
    """
    with open_media(path) as container:
        stream = require_video(container, path)
        base = stream.time_base
        streams, index = list_videos(container), container.streams.video.index(stream)
        pictures = _sample(path, container, stream, threads)
        try:
            first = next(pictures, None)
        except READ_ERRORS as error:
            raise InputError(
                f"{path}: its first picture cannot be decoded ({error.strerror})"
            ) from error
        if first is None and _lacks_times(path):
            raise InputError(
                f"{path}: its pictures have no times (a stream without a container); give it one, "
                f"with the true number of pictures per second, for instance with ffmpeg -r 25 -i "
                f"IN -c copy OUT.mp4"
            )
        if first is None:
            raise InputError(f"{path}: its video stream holds no picture that can be decoded")
        framing = read_framing(stream)
        screen = Screen(framing, shown_size(first, framing))
        seen, times, small = [], [], []
        zero, due = first.pts, Fraction(0)
        for frame in _until_damage(first, pictures):
            second = (frame.pts - zero) * base
            seen.append((frame.pts * base, shown_size(frame, framing)))
            if second >= due:
                due = (second // STEP + 1) * STEP
                times.append(second)
                small.append(screen.shrink(frame, _FINE))
    cells = np.array(small, np.float32).reshape(-1, SIDE, _FINE // SIDE, SIDE, _FINE // SIDE)
    return Survey(
        _usual_size(seen),
        tuple(entry for i, entry in enumerate(seen) if i == 0 or entry[1] != seen[i - 1][1]),
        read_orientation(first).error,
        framing,
        Fingerprint(np.array(times, np.float32), cells.mean((2, 4)).astype(np.float16)),
        streams,
        index,
    )


def _lacks_times(path: str | Path) -> bool:
    """Whether not even the first packet has a time stamp."""
    with open_media(path) as container:
        packet = next(from_first_key(container.demux(require_video(container, path))), None)
        return packet is not None and packet.pts is None and packet.dts is None


def _until_damage(first: av.VideoFrame, others: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The pictures up to the first that cannot be read: to tell of that is not a survey's task."""
    yield first
    try:
        yield from others
    except READ_ERRORS:
        return


def _sample(path, container, stream, threads: int) -> Iterator[av.VideoFrame]:
    """All pictures of the start, then key pictures, in order of presentation."""
    base, begin, last = stream.time_base, None, None
    for frame in decode_pictures(container, stream, threads):
        if frame.pts is None or frame.is_corrupt:
            continue
        begin = frame.pts if begin is None else begin
        if (frame.pts - begin) * base > WHOLE:
            break
        last = frame.pts
        yield frame
    else:
        return
    with open_media(path) as again:
        stream = require_video(again, path)
        step, fine = int(KEY_STEP / base), int(FINE_KEY_STEP / base)
        end = begin + int(LONGEST / base)
        if stream.duration is not None:
            end = min(end, (stream.start_time or 0) + stream.duration)
        for target in range(last + step, end, step):
            found = _key_picture(again, stream, target, last)
            if found is None:
                continue
            if (found.width, found.height) != (frame.width, frame.height):  # where does it change?
                for earlier in range(last + fine, found.pts, fine):
                    between = _key_picture(again, stream, earlier, last)
                    if between is not None:
                        last = between.pts
                        yield between
            if found.pts > last:
                frame, last = found, found.pts
                yield found


def _key_picture(container, stream, target: int, after: int) -> av.VideoFrame | None:
    """The last key picture before ``target``; None where none is later than ``after``."""
    container.seek(target, stream=stream, backward=True)
    packet = next(from_first_key(container.demux(stream)), None)
    time = packet and (packet.dts if lacks_pts(container) else packet.pts)
    if time is None or time <= after:
        return None
    frames = [*packet.decode(), *stream.codec_context.decode(None)]
    if not frames or frames[0].is_corrupt:
        return None
    frames[0].pts = time
    return frames[0]


def _usual_size(seen: list[tuple[Fraction, Size]]) -> Size:
    """The size shown longest; of equals, the first."""
    lasting: dict[Size, Fraction] = {}
    ends = [second for second, _ in seen[1:]] + [seen[-1][0]]
    for (second, size), end in zip(seen, ends, strict=True):
        lasting[size] = lasting.get(size, Fraction(0)) + max(end - second, Fraction(0))
    return max(lasting, key=lasting.__getitem__)


def picture_notices(path: str | Path, role: str, survey: Survey, zero: Fraction) -> list[Notice]:
    """What a user should know of how the pictures of a recording are shown.

    ``zero`` is the second on the file's clock that is the role's zero.
    """
    notices = []
    if len(survey.streams) > 1:
        text = (
            f"it has {len(survey.streams)} video streams ({'; '.join(survey.streams.values())}); "
            f"stream {survey.stream} was taken; if another one shows the face, copy it into a file "
            f"of its own, for instance with ffmpeg -i IN -map 0:v:N -map 0:a -c copy OUT, and name "
            f"that"
        )
        notices.append(about_file("picture.streams", path, role, text))
    if survey.turn_error > TURN_TOLERANCE:
        text = (
            f"the file asks a player for a turn that is {survey.turn_error:.0f} degrees off a "
            f"quarter turn; the nearest quarter turn is shown; turn the video upright and encode "
            f"it again if the face is askew"
        )
        notices.append(about_file("picture.turn", path, role, text))
    if len(survey.sizes) > 1:
        places = ", ".join(
            f"{width}x{height} from second {float(second - zero):.2f}"
            for second, (width, height) in survey.sizes[:MOST_PLACES]
        )
        more = len(survey.sizes) - MOST_PLACES
        others = [second for second, size in survey.sizes if size != survey.size]
        text = (
            f"the picture size changes on the way ({places}"
            + (f", and {more} times more" if more > 0 else "")
            + "); all is shown within {}x{}".format(*survey.size)
        )
        notices.append(about_file("picture.size", path, role, text, float(others[0] - zero)))
    return notices


def check_crop(path: str | Path, role: str, choices: Choices, survey: Survey) -> None:
    """Refuse a part of the picture that lies outside.

    Raises:
        InputError: Names the file, the part and the picture's size.
    """
    try:
        Screen(survey.framing, survey.size, choices.crop)
    except InputError as error:
        raise InputError(f"{path} (role {role}): {error}; correct crop_{role}") from error


def refuse_same_pictures(session: str, roles: Mapping[str, tuple[Path, Choices, Survey]]) -> None:
    """Refuse a session whose roles show the same, unless they take different parts or faces of it.

    ``roles`` is role -> video, what the sheet says on reading it, and its survey.

    Raises:
        InputError: Names both files.
    """
    for (role, mine), (partner, other) in combinations(roles.items(), 2):
        if (mine[1].crop, mine[1].face) != (other[1].crop, other[1].face):
            continue
        found = compare(mine[2].fingerprint, other[2].fingerprint)
        if found is not None and found.same:
            raise InputError(
                f"session {session}: {mine[0]} (role {role}) and {other[0]} (role {partner}) show "
                f"the same ({found.describe()}); name each person's own recording, or where one "
                "picture holds both people say with crop_a and crop_b, or with face_a and face_b, "
                "who is who"
            )


def write_pictures(group: h5py.Group, survey: Survey, choices: Choices) -> None:
    """Store in a role's group of a media file how its pictures are shown, and its fingerprint."""
    group.attrs["picture_width"], group.attrs["picture_height"] = survey.size
    width, height = choices.crop[2:] if choices.crop else survey.size
    group.attrs["width"], group.attrs["height"] = width, height
    stored = group.create_group("fingerprint")
    stored.create_dataset("times", data=survey.fingerprint.times)
    stored.create_dataset("pictures", data=survey.fingerprint.pictures)
