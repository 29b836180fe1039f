"""When the pictures of a video are presented, and whether the video is whole."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from react24.errors import InputError
from react24.log import progress
from react24.media.container import READ_ERRORS, STATE_LENGTH, open_media
from react24.media.survey import Survey, survey_pictures
from react24.media.video import (
    decode_pictures,
    from_first_key,
    lacks_pts,
    require_video,
)

logger = logging.getLogger(__name__)

TRUNCATION = Fraction(1)
"""A stream that ends this much (s) before its declared end was cut short."""

BACKWARD_JUMP = Fraction(1)
"""Decoding times that jump back by more than this (s) come from a broken or glued file."""


@dataclass(frozen=True)
class VideoScan:
    """What one pass over a video stream tells, without (or with) decoding it.

    Attributes:
        pts: int64 (n,), strictly increasing presentation times in units of ``time_base``.
        time_base: Seconds per unit.
        end: When the last readable picture disappears, s on the clock of ``pts``.
        survey: What a first look at the pictures tells.
        damage: (second on the clock of ``pts``, clause) of the first unreadable place, or None.
    """

    pts: np.ndarray
    time_base: Fraction
    end: Fraction
    survey: Survey
    damage: tuple[Fraction, str] | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures as shown."""
        return self.survey.size

    @property
    def start(self) -> Fraction:
        """Presentation time of the first picture, s."""
        return int(self.pts[0]) * self.time_base

    @property
    def rate(self) -> float:
        """Mean pictures per second."""
        if len(self.pts) < 2:
            return 0.0
        span = int(self.pts[-1] - self.pts[0]) * self.time_base
        return float((len(self.pts) - 1) / span)


def scan_video(path: str | Path, *, decode: bool, threads: int = 1) -> VideoScan:
    """Read the presentation times of a video's pictures and look for damage.

    Without ``decode`` the packets are only demultiplexed (fast: what the disk gives), which finds
    files that were cut short, broken containers and packets that the container marks as broken.
    With it every picture is decoded, which also finds damage inside the packets (unless it still
    decodes without an error). Where packets should carry presentation times but do not, pictures
    are decoded in any case.

    Args:
        path: The video.
        decode: Whether to decode every picture.
        threads: Decoder threads.

    Raises:
        InputError: No readable video stream, or not a single picture.
    """
    survey = survey_pictures(path, threads)
    with open_media(path) as container:
        stream = require_video(container, path)
        time_base = stream.time_base
        average = 1 / stream.average_rate if stream.average_rate else None
    times = _times_of_packets(path)
    if decode or times.incomplete:
        times = _times_of_pictures(path, times, threads)
    pts = np.unique(np.asarray(times.pts, np.int64))
    if not len(pts):
        raise InputError(f"{path}: its video stream holds no picture that can be decoded")
    last = times.last_duration or _usual_step(pts) or (average / time_base if average else 0)
    end = (int(pts[-1]) + Fraction(last)) * time_base
    damage = times.damage
    if damage:
        pts = pts[pts * float(time_base) < float(damage[0])] if damage[0] < end else pts
        end = min(end, damage[0])
        if not len(pts):
            raise InputError(f"{path}: unreadable from its first picture on ({damage[1]})")
    return VideoScan(pts, time_base, end, survey, damage)


@dataclass(frozen=True)
class _Times:
    pts: list[int]
    last_duration: int | None
    incomplete: bool
    damage: tuple[Fraction, str] | None


class _PacketTimes:
    """Gathers presentation times while packets pass by, and notices where they go wrong."""

    def __init__(self, base: Fraction, by_dts: bool):
        self.base = base
        self.by_dts = by_dts
        self.pts: list[int] = []
        self.first_key: int | None = None
        self.incomplete = False
        self.last_duration: int | None = None
        self._newest: int | None = None
        self._dts: int | None = None

    def add(self, packet: av.Packet) -> tuple[Fraction, str] | None:
        """Take one packet of the stream; returns damage that shows in it."""
        pts = packet.dts if self.by_dts else packet.pts
        if packet.is_corrupt:
            return (pts or 0) * self.base, "the picture data is cut off or broken"
        if packet.dts is not None:
            if self._dts is not None and (self._dts - packet.dts) * self.base > BACKWARD_JUMP:
                return self.newest, "the time stamps jump back"
            self._dts = packet.dts
        self.first_key = pts if self.first_key is None else self.first_key
        if pts is None:
            self.incomplete = True
        elif not packet.is_discard:
            self.pts.append(pts)
            if self._newest is None or pts >= self._newest:
                self._newest = pts
                self.last_duration = None if self.by_dts else packet.duration
        return None

    @property
    def newest(self) -> Fraction:
        """End of the latest picture so far, s."""
        return ((self._newest or 0) + (self.last_duration or 0)) * self.base


def _times_of_packets(path: str | Path) -> _Times:
    """Presentation times as the container states them."""
    damage = None
    with open_media(path) as container:
        stream = require_video(container, path)
        times = _PacketTimes(stream.time_base, lacks_pts(container))
        furthest = Fraction(0)
        try:
            for packet in from_first_key(container.demux(), stream):
                if packet.stream is not stream:
                    furthest = max(furthest, _end_of(packet))
                    continue
                damage = times.add(packet)
                if damage:
                    break
        except READ_ERRORS as error:
            damage = times.newest, f"the file cannot be read on ({error.strerror})"
        damage = damage or _early_end(container, stream, times.newest, furthest)
    # Pictures presented before the first key picture refer to ones that were cut away.
    pts = [p for p in times.pts if p >= times.first_key]
    return _Times(pts, times.last_duration, times.incomplete, damage)


def _end_of(packet: av.Packet) -> Fraction:
    begin = packet.pts if packet.pts is not None else packet.dts
    if begin is None or not packet.time_base:
        return Fraction(0)
    return (begin + (packet.duration or 0)) * packet.time_base


def _early_end(
    container, stream, pictures: Fraction, others: Fraction
) -> tuple[Fraction, str] | None:
    """Damage if the packets end well before the end that the header states."""
    if container.format.name not in STATE_LENGTH:
        return None
    if stream.duration:
        declared = ((stream.start_time or 0) + stream.duration) * stream.time_base
        found = pictures
    elif container.duration:
        # Matroska states one length for all streams; writers disagree on whether it counts from
        # the first time stamp or from zero, so the smaller reading is taken.
        declared = Fraction(container.duration, av.time_base)
        found = max(pictures, others)
    else:
        return None
    if declared - found <= TRUNCATION:
        return None
    return pictures, f"the pictures end here, {float(declared - found):.1f} s too early"


def _times_of_pictures(path: str | Path, packets: _Times, threads: int) -> _Times:
    """Presentation times of the pictures that the decoder gives, up to the first damage."""
    pts: list[int] = []
    duration, damage = None, None
    with open_media(path) as container:
        stream = require_video(container, path)
        base, by_dts = stream.time_base, lacks_pts(container)
        try:
            for frame in progress(
                decode_pictures(container, stream, threads),
                what=f"checking {Path(path).name}",
                unit="frame",
                total=len(packets.pts),
            ):
                if frame.is_corrupt:
                    damage = (frame.pts or 0) * base, "the picture is broken"
                    break
                if frame.pts is not None:
                    pts.append(frame.pts)
                    duration = None if by_dts else frame.duration
        except READ_ERRORS as error:
            second = ((pts[-1] if pts else 0) + (duration or 0)) * base
            damage = second, f"the picture cannot be decoded ({error.strerror})"
    earlier = [d for d in (packets.damage, damage) if d]
    return _Times(pts, duration, False, min(earlier) if earlier else None)


def _usual_step(pts: np.ndarray) -> int | None:
    return int(np.median(np.diff(pts))) if len(pts) > 1 else None
