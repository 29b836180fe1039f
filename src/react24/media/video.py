"""Decoding pictures in one pass along the 25 fps clock."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from react24.errors import InputError
from react24.files import contract
from react24.media.container import READ_ERRORS, open_media, pick_video
from react24.media.damage import DamagedFileError
from react24.media.picture import Screen, Size, read_framing, shown_size
from react24.media.whereabouts import locate
from react24.project.choices import Choices

logger = logging.getLogger(__name__)

MAX_LOST = 12
"""Ticks in a row whose own picture the decoder may leave out; the one before is shown instead."""


def from_first_key(
    packets: Iterator[av.Packet], stream: av.VideoStream | None = None
) -> Iterator[av.Packet]:
    """The non-empty packets without those before the first key picture: they cannot be decoded.

    Packets of other streams than ``stream`` (where given) pass.
    """
    started = False
    for packet in packets:
        video = stream is None or packet.stream is stream
        started = started or (video and packet.is_keyframe)
        if packet.size and (started or not video):
            yield packet


def decode_pictures(container, stream, threads: int) -> Iterator[av.VideoFrame]:
    """All pictures in order of presentation; a damaged packet raises instead of being patched."""
    context = stream.codec_context
    context.thread_count = threads
    context.thread_type = "AUTO" if threads > 1 else "NONE"
    # By default FFmpeg conceals errors and hands out smeared pictures without a word.
    context.options = {"err_detect": "explode"}
    in_order = [] if lacks_pts(container) else None
    for packet in from_first_key(container.demux(stream)):
        if in_order is not None:
            in_order.append(packet.dts)
        yield from _timed(packet.decode(), in_order)
    yield from _timed(context.decode(None), in_order)


def lacks_pts(container) -> bool:
    """Whether the format stores pictures without presentation times, at equal steps (AVI).

    The n-th picture shown then has the n-th decoding time.
    """
    return container.format.name == "avi"


def _timed(frames: list[av.VideoFrame], in_order: list[int] | None) -> Iterator[av.VideoFrame]:
    for frame in frames:
        if in_order is not None:
            frame.pts = in_order.pop(0)
        yield frame


def require_video(container, path: str | Path) -> av.VideoStream:
    """The main video stream.

    Raises:
        InputError: There is none, or no decoder for it.
    """
    stream = pick_video(container)
    if stream is None:
        raise InputError(f"{path}: no video stream; the sample sheet must name a video here")
    if stream.codec_context is None:
        raise InputError(
            f"{path}: its video is in a format without a decoder here; convert it to H.264"
        )
    return stream


class _Source:
    """One decoding pass over a video, asked for pictures in order of presentation."""

    def __init__(self, container, path: str, zero: float, threads: int, wild: set[int]):
        self.path = path
        self.wild = wild
        self.zero = zero
        stream = require_video(container, path)
        self.base = float(stream.time_base)
        self._pictures = decode_pictures(container, stream, threads)
        self._current: av.VideoFrame | None = None
        self._ahead: av.VideoFrame | None = None
        self._ended = False
        self._lost = 0

    def second(self, pts: int) -> float:
        """Seconds on the role's timeline."""
        return float(pts) * self.base - self.zero

    def at(self, pts: int) -> av.VideoFrame:
        """The picture presented at ``pts`` (never earlier than the one asked for before)."""
        while self._current is None or self._current.pts < pts:
            # Nothing beyond what is asked for is decoded: behind a cut there may be damage.
            self._ahead = self._ahead or self._next(pts)
            if self._ahead is None or self._ahead.pts > pts:
                break
            self._current, self._ahead = self._ahead, None
        if self._current is not None and self._current.pts == pts:
            self._lost = 0
            return self._current
        self._lost += 1
        if self._current is None or self._ended or self._lost > MAX_LOST:
            raise DamagedFileError(
                self.path,
                self.second(pts),
                "the picture is missing that was there when the file was probed",
            )
        logger.warning(
            "%s, second %.2f: no picture; the one before is shown", self.path, self.second(pts)
        )
        return self._current

    def _next(self, pts: int) -> av.VideoFrame | None:
        try:
            frame = next(
                (f for f in self._pictures if f.pts is not None and f.pts not in self.wild), None
            )
        except READ_ERRORS as error:
            raise DamagedFileError(
                self.path, self.second(pts), f"the picture cannot be decoded ({error.strerror})"
            ) from error
        if frame is not None and frame.is_corrupt:
            raise DamagedFileError(self.path, self.second(frame.pts), "the picture is broken")
        self._ended = frame is None
        return frame


def _seek(container, path: str, pts: int) -> None:
    """Go to a key picture at or before ``pts``; to the start where seeking proves inexact."""
    stream = require_video(container, path)
    container.seek(pts, stream=stream, backward=True)
    first = next(from_first_key(container.demux(stream)), None)
    exact = first is not None and first.pts is not None and first.pts <= pts
    target = pts if exact else stream.start_time or 0
    container.seek(target, stream=stream, backward=True)


def _tell_size(frame, screen: Screen, before: Size, path: str, second: float) -> Size:
    """The size of a frame; a word in the log where it is another than that of the one before."""
    size = shown_size(frame, screen.framing)
    if size != before:
        logger.warning(
            "%s, second %.2f: the picture is %dx%d from here on; shown within %dx%d",
            path,
            second,
            *size,
            *screen.size,
        )
    return size


def read_frames(
    media_path: str | Path,
    role: str,
    *,
    start: int = 0,
    stop: int | None = None,
    threads: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the picture of every tick, decoding the video once, in order, in constant memory.

    Args:
        media_path: Media file of the session.
        role: ``a`` or ``b``.
        start: First tick; decoding starts at the key picture before it.
        stop: One past the last tick; None for all.
        threads: Decoder threads.

    Yields:
        (tick, picture): the picture as a player shows it, or the part of it that the sample sheet
        asks for: uint8 (H, W, 3), RGB, contiguous, read-only. Ticks that show the same source
        picture yield the same array object.

    Raises:
        DamagedFileError: The video is unreadable somewhere; names file and second.
        InputError: The video is gone.
    """
    with contract.open_file(media_path, "media") as file:
        group = file[role]
        path, zero = str(locate(file, role, "video")), float(group.attrs["zero"])
        size = int(group.attrs["picture_width"]), int(group.attrs["picture_height"])
        crop = Choices.from_json(group.attrs["choices"]).crop
        wanted = group["source_pts"][start:stop]
        wild = set(group["wild_pts"][:].tolist())
    if not len(wanted):
        return
    with open_media(path) as container:
        if start:
            _seek(container, path, int(wanted[0]))
        source = _Source(container, path, zero, threads, wild)
        screen, shown, picture, seen = None, None, None, size
        for tick, pts in enumerate(wanted, start=start):
            frame = source.at(int(pts))
            if screen is None:  # the decoder may say the pixels' shape only with its first picture
                screen = Screen(read_framing(require_video(container, path)), size, crop)
            if frame is not shown:
                shown, picture = frame, screen.show(frame)
                seen = _tell_size(frame, screen, seen, path, source.second(int(pts)))
            yield tick, picture
