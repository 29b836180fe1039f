"""Probing a session: what its files hold, and the 25 fps timeline that everything else follows.

**Zero.** Tick 0 of a role is the earliest presentation time of the picture and sound streams of
its video file, as in a player. Sound from a separate file starts at tick 0 with its first sample.

**Length.** A role ends when its last picture disappears. Sound that ends up to a second earlier is
padded with silence; if it ends earlier than that the role ends with it, and if it covers less than
half of the pictures it is taken for the wrong file. A session ends with its shorter role.

**Damage.** See ``react24.media.video_scan``: files that were cut short are always found here. The
pictures themselves are decoded here only where damage is tolerated, because only then the session
has to be cut before anything else is done; otherwise a picture that cannot be decoded stops the
job that first needs it, which is the next one, with the same message.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from react24 import store
from react24.choices import DEFAULT, Choices
from react24.errors import InputError, InputErrors
from react24.media.clock import count_ticks, map_ticks
from react24.media.container import open_media, pick_sound, pick_video
from react24.media.damage import WHAT_TO_DO, Damage
from react24.media.sound import SoundScan, scan_sound
from react24.media.survey import check_crop, picture_notices, refuse_same_pictures, write_pictures
from react24.media.video_scan import VideoScan, scan_video
from react24.notices import write_notices

logger = logging.getLogger(__name__)

PADDED_SOUND = Fraction(1)
"""Sound may end this much (s) before the pictures and is then padded with silence."""

WORTH_A_WORD = Fraction(1)
"""Roles that differ in length by more than this (s) are reported."""


@dataclass(frozen=True)
class RoleMedia:
    """The files of one person in a session.

    Attributes:
        video: Video file.
        audio: Separate sound file; None where the sound is in the video.
        subject: The person.
        role_name: The site's own name of the role, e.g. ``expert``.
        choices: How the files are read, where the sample sheet says it.
    """

    video: Path
    audio: Path | None
    subject: str
    role_name: str
    choices: Choices = DEFAULT


@dataclass(frozen=True)
class _Role:
    """One role after its files were scanned; times in s on the clock of the video file."""

    files: RoleMedia
    video: VideoScan
    sound: SoundScan
    zero: Fraction
    sound_zero: Fraction
    length: Fraction
    damage: tuple[Damage, ...]


def check_readable(path: str | Path, *, video: bool = True, sound: bool = True) -> list[str]:
    """Look at a file's header: does it hold what is needed, in a format we can decode?

    Takes about ten milliseconds, so that all files of a corpus can be checked before any job.

    Args:
        path: The file.
        video: Whether it must hold a video stream.
        sound: Whether it must hold a sound stream (False where the sound has its own file).

    Returns:
        One sentence per problem; empty if there is none.
    """
    try:
        with open_media(path) as container:
            problems = []
            for wanted, kind, pick in ((video, "video", pick_video), (sound, "sound", pick_sound)):
                stream = pick(container) if wanted else None
                if wanted and stream is None:
                    advice = "" if kind == "video" else "; name a sound file in the sample sheet"
                    problems.append(f"{path}: no {kind} stream{advice}")
                elif wanted and stream.codec_context is None:
                    problems.append(f"{path}: its {kind} is in a format without a decoder here")
            return problems
    except InputError as error:
        return [str(error)]


def probe_session(
    output: str | Path,
    *,
    session: str,
    roles: Mapping[str, RoleMedia],
    tolerate_damage: bool,
    threads: int = 1,
    created_by: str = "probe_session",
) -> None:
    """Write the media file of a session: its sources and the 25 fps timeline of both roles.

    Besides what the contract asks for, each role's group holds ``source_pts`` int64 (T,), the
    presentation time of the picture shown at each tick in units of the attribute ``time_base``
    (numerator, denominator); the attributes ``zero`` (s, clock of the video file), ``duration``
    (s), ``sound_zero`` (tick 0 on the clock of the sound file, s, as numerator and denominator),
    ``sound_rate``, ``sound_channels``, ``sound_start`` and ``sound_end`` (s after tick 0).

    Args:
        output: Media file to write.
        session: Name of the session.
        roles: ``a`` and ``b``.
        tolerate_damage: Cut the session where a file becomes unreadable instead of failing.
        threads: Decoder threads (used only where pictures are decoded).
        created_by: Rule that writes.

    Raises:
        InputError: A file is unreadable, lacks sound, or is damaged and ``tolerate_damage`` is
            off; all damaged places of the session are listed.
    """
    scans = _scan_roles(session, roles, decode=tolerate_damage, threads=threads)
    damage = [d for role in scans.values() for d in role.damage]
    if damage and not tolerate_damage:
        raise InputErrors(
            f"session {session}: damaged recordings; {WHAT_TO_DO}", [d.sentence() for d in damage]
        )
    for found in damage:
        logger.warning("session %s is cut: %s", session, found.sentence())
    ticks = min(count_ticks(role.length) for role in scans.values())
    if ticks == 0:
        raise InputError(f"session {session}: nothing is left that can be used of its recordings")
    _report_lengths(session, scans)
    refuse_same_pictures(
        session,
        {role: (s.files.video, s.files.choices, s.video.survey) for role, s in scans.items()},
    )
    notices = [
        notice
        for role, scan in scans.items()
        for notice in picture_notices(scan.files.video, role, scan.video.survey, scan.zero)
    ]
    inputs = {
        f"{role}_{kind}": store.sha256_file(path)
        for role, files in roles.items()
        for kind, path in (("video", files.video), ("audio", files.audio))
        if path is not None
    }
    config = {"tolerate_damage": tolerate_damage}
    with store.create(
        output, schema="media", created_by=created_by, config=config, inputs=inputs
    ) as file:
        file.attrs["session"] = session
        file.attrs["fps"] = store.FPS
        file.attrs["frames"] = ticks
        file.attrs["damage"] = json.dumps([d.as_dict() for d in damage])
        for role, scan in scans.items():
            _write_role(file.create_group(role), scan, ticks)
        write_notices(file, session, notices)


def _scan_roles(
    session: str, roles: Mapping[str, RoleMedia], *, decode: bool, threads: int
) -> dict[str, _Role]:
    scans, problems = {}, []
    for role, files in roles.items():
        try:
            scans[role] = _scan_role(role, files, decode=decode, threads=threads)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputErrors(f"session {session}: recordings that cannot be used", problems)
    return scans


def _scan_role(role: str, files: RoleMedia, *, decode: bool, threads: int) -> _Role:
    video = scan_video(files.video, decode=decode, threads=threads)
    check_crop(files.video, role, files.choices, video.survey)
    inside = scan_sound(files.video) if files.audio is None else None
    sound = inside if files.audio is None else scan_sound(files.audio)
    if sound is None:
        missing_in = files.audio or files.video
        raise InputError(
            f"{missing_in} (role {role}): no sound stream; name a file with this person's sound in "
            "the sample sheet"
        )
    zero = min(video.start, inside.start) if inside else video.start
    sound_zero = zero if inside else sound.start
    length = _role_length(role, files, video.end - zero, sound, sound_zero)
    damage = []
    for scan, path, begin in (
        (video, files.video, zero),
        (sound, files.audio or files.video, sound_zero),
    ):
        if scan.damage:
            second, message = scan.damage
            length = min(length, max(second - begin, Fraction(0)))
            damage.append(Damage(role, str(path), float(second - begin), message))
    return _Role(files, video, sound, zero, sound_zero, length, tuple(damage))


def _role_length(
    role: str, files: RoleMedia, pictures: Fraction, sound: SoundScan, sound_zero: Fraction
) -> Fraction:
    heard = sound.end - sound_zero
    path = files.audio or files.video
    if heard < pictures / 2 and not sound.damage:
        raise InputError(
            f"{path} (role {role}): its sound lasts {float(heard):.1f} s, the pictures of "
            f"{files.video} {float(pictures):.1f} s; name the sound file of this recording"
        )
    if pictures - heard <= PADDED_SOUND:
        return pictures
    logger.warning(
        "%s (role %s): the sound ends %.1f s before the pictures; the role is cut there",
        path,
        role,
        float(pictures - heard),
    )
    return heard


def _report_lengths(session: str, roles: Mapping[str, _Role]) -> None:
    lengths = {role: scan.length for role, scan in roles.items()}
    if max(lengths.values()) - min(lengths.values()) > WORTH_A_WORD:
        text = ", ".join(f"{role} {float(length):.2f} s" for role, length in lengths.items())
        logger.warning(
            "session %s: its roles differ in length (%s); cut to the shorter", session, text
        )


def _write_role(group, role: _Role, ticks: int) -> None:
    video, sound = role.video, role.sound
    clock = map_ticks(video.pts, video.time_base, role.zero, video.end, ticks)
    group.create_dataset("source_frame", data=clock.frame)
    group.create_dataset("source_pts", data=video.pts[clock.frame].astype(np.int64))
    group.create_dataset("valid", data=clock.valid)
    files = role.files
    group.attrs["video"] = str(files.video)
    group.attrs["audio"] = str(files.audio or files.video)
    group.attrs["subject"] = files.subject
    group.attrs["role_name"] = files.role_name
    group.attrs["choices"] = files.choices.to_json()
    write_pictures(group, video.survey, files.choices)
    group.attrs["source_fps"] = video.rate
    group.attrs["source_frames"] = len(video.pts)
    group.attrs["time_base"] = [video.time_base.numerator, video.time_base.denominator]
    group.attrs["zero"] = float(role.zero)
    group.attrs["duration"] = float(role.length)
    group.attrs["sound_zero"] = [role.sound_zero.numerator, role.sound_zero.denominator]
    group.attrs["sound_rate"] = sound.rate
    group.attrs["sound_channels"] = sound.channels
    group.attrs["sound_start"] = float(sound.start - role.sound_zero)
    group.attrs["sound_end"] = float(sound.end - role.sound_zero)
    if not clock.valid.all():
        logger.warning(
            "%s: %d of %d ticks have no picture of their own time, the first at second %.2f",
            files.video,
            int((~clock.valid).sum()),
            ticks,
            int(np.argmin(clock.valid)) / store.FPS,
        )
