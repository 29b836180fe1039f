"""When the pictures of a video are presented, and whether the video is whole."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from react24.errors import InputError
from react24.log import progress
from react24.media.container import READ_ERRORS, STATE_LENGTH, open_media
from react24.media.stamps import (
    ENDLESS_JUMP,
    Jump,
    Stamps,
    find_jumps,
    order_stamps,
    usual_step,
)
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

MARKS_LOST_DATA = frozenset({"mpegts"})
"""Formats that mark a packet as broken where their counters jump, which glueing does as well.

Only decoding tells whether a picture was lost there.
"""


@dataclass(frozen=True)
class VideoScan:
    """What one pass over a video stream tells, without (or with) decoding it.

    Attributes:
        pts: int64 (n,), strictly increasing presentation times in units of ``time_base``.
        time_base: Seconds per unit.
        end: When the last readable picture disappears, s on the clock of ``pts``.
        survey: What a first look at the pictures tells.
        damage: (second on the clock of ``pts``, clause) of the first unreadable place, or None.
        wild: int64 (m, 2), stamps that contradict those around them, and when their turn was;
            their pictures are not used.
        gaps: Stretches without a picture.
        joints: Where the file marks a break although all pictures decode, s likewise.
        counted: The file has no time per picture: they follow each other at equal steps.
    """

    pts: np.ndarray
    time_base: Fraction
    end: Fraction
    survey: Survey
    damage: tuple[Fraction, str] | None
    wild: np.ndarray
    gaps: tuple[Jump, ...]
    joints: tuple[Fraction, ...]
    counted: bool

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
    decodes without an error). Where packets should carry presentation times but do not, or a
    transport stream marks a break, pictures are decoded in any case.

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
        counted = lacks_pts(container)
    times = _times_of_packets(path)
    if decode or times.incomplete:
        times = _times_of_pictures(path, times, threads)
    pts = times.stamps.kept
    if not len(pts):
        raise InputError(f"{path}: its video stream holds no picture that can be decoded")
    if len(pts) == 1 and not times.damage:
        raise InputError(f"{path}: it holds a single picture; the sample sheet must name a video")
    last = times.last_duration or usual_step(pts) or (average / time_base if average else 0)
    end = (int(pts[-1]) + Fraction(last)) * time_base
    damage = _first(times.damage, _endless_jump(find_jumps(pts, time_base)))
    if damage:
        pts = pts[pts * float(time_base) < float(damage[0])] if damage[0] < end else pts
        end = min(end, damage[0])
        if not len(pts):
            raise InputError(f"{path}: unreadable from its first picture on ({damage[1]})")
    return VideoScan(
        pts=pts,
        time_base=time_base,
        end=end,
        survey=survey,
        damage=damage,
        wild=times.stamps.wild,
        gaps=find_jumps(pts, time_base),
        joints=tuple(joint for joint in times.joints if joint < end),
        counted=counted,
    )


@dataclass(frozen=True)
class _Times:
    stamps: Stamps
    last_duration: int | None
    incomplete: bool
    damage: tuple[Fraction, str] | None
    joints: tuple[Fraction, ...]


class _PacketTimes:
    """Gathers time stamps while packets pass by, up to one that the container marks as broken."""

    def __init__(self, container, base: Fraction):
        self.base = base
        self.by_dts = lacks_pts(container)
        self.marks_lost_data = container.format.name in MARKS_LOST_DATA
        self.pts: list[int] = []
        self.dts: list[int | None] = []
        self.durations: list[int] = []
        self.first_key: int | None = None
        self.incomplete = False
        self.joints: list[Fraction] = []

    def add(self, packet: av.Packet) -> tuple[Fraction, str] | None:
        """Take one packet of the stream; returns damage that shows in it."""
        pts = packet.dts if self.by_dts else packet.pts
        if packet.is_corrupt:
            second = (pts or 0) * self.base
            if not self.marks_lost_data:
                return second, "the picture data is cut off or broken"
            self.joints.append(second)
        self.first_key = pts if self.first_key is None else self.first_key
        if pts is None:
            self.incomplete = True
        elif not packet.is_discard:
            self.pts.append(pts)
            self.dts.append(packet.dts)
            self.durations.append(0 if self.by_dts else packet.duration or 0)
        return None

    @property
    def newest(self) -> Fraction:
        """End of the latest picture so far, s."""
        if not self.pts:
            return Fraction(0)
        latest = int(np.argmax(self.pts))
        return (self.pts[latest] + self.durations[latest]) * self.base


def _times_of_packets(path: str | Path) -> _Times:
    """Presentation times as the container states them."""
    damage = None
    with open_media(path) as container:
        stream = require_video(container, path)
        times = _PacketTimes(container, stream.time_base)
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
    stamps = order_stamps(times.pts, times.dts, times.base)
    if times.first_key not in stamps.wild[:, 0]:
        # Pictures presented before the first key picture refer to ones that were cut away.
        stamps = replace(stamps, kept=stamps.kept[stamps.kept >= times.first_key])
    lasting = dict(zip(times.pts, times.durations, strict=True))
    return _Times(
        stamps,
        lasting[int(stamps.kept[-1])] if len(stamps.kept) else None,
        times.incomplete or bool(times.joints),
        _first(damage, _jump_back(stamps, times.base)),
        tuple(times.joints),
    )


def _first(*damage: tuple[Fraction, str] | None) -> tuple[Fraction, str] | None:
    return min((d for d in damage if d), default=None)


def _jump_back(stamps: Stamps, base: Fraction) -> tuple[Fraction, str] | None:
    if stamps.back is None:
        return None
    before, after = stamps.back
    end = (before + (usual_step(stamps.kept) or 0)) * base
    return end, (
        f"the time stamps of the pictures jump back by {float(end - after * base):.2f} s, as where "
        f"two recordings were glued together; give each piece a file and a session of its own"
    )


def _endless_jump(gaps: tuple[Jump, ...]) -> tuple[Fraction, str] | None:
    for gap in gaps:
        if gap.size > ENDLESS_JUMP:
            return gap.second, (
                f"the time stamps of the pictures jump forward by {float(gap.size):.0f} s, as "
                f"where a clock was set; give each piece a file and a session of its own"
            )
    return None


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
    durations: dict[int, int] = {}
    damage = None
    with open_media(path) as container:
        stream = require_video(container, path)
        base, by_dts = stream.time_base, lacks_pts(container)
        try:
            for frame in progress(
                decode_pictures(container, stream, threads),
                what=f"checking {Path(path).name}",
                unit="frame",
                total=len(packets.stamps.kept),
            ):
                if frame.is_corrupt:
                    damage = (frame.pts or 0) * base, "the picture is broken"
                    break
                if frame.pts is not None:
                    pts.append(frame.pts)
                    durations[frame.pts] = 0 if by_dts else frame.duration
        except READ_ERRORS as error:
            last = pts[-1] if pts else 0
            second = (last + durations.get(last, 0)) * base
            damage = second, f"the picture cannot be decoded ({error.strerror})"
    stamps = order_stamps(pts, pts, base)
    return _Times(
        stamps,
        durations[int(stamps.kept[-1])] if len(stamps.kept) else None,
        False,
        _first(packets.damage, damage, _jump_back(stamps, base)),
        packets.joints,
    )
