"""Probing a session: what its files hold, and the 25 fps timeline that everything else follows.

**Times.** See ``react24.media.timing``: tick 0, sound beside the video, recordings that did not
start together.

**Length.** A role ends when its last picture disappears. Sound that ends up to a second earlier is
padded with silence; if it ends earlier than that the role ends with it, and if it covers less than
half of the pictures it is taken for the wrong file. A session ends with its shorter role.

**Damage.** See ``react24.media.video_scan``: files that were cut short are always found here. The
pictures themselves are decoded here only where damage is tolerated, because only then the session
has to be cut before anything else is done; otherwise a picture that cannot be decoded stops the
job that first needs it, which is the next one, with the same message.

**Doubts.** What may be wrong but need not be is kept as notices (``react24.files.notices``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np

from react24.conventions import FPS
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.files.notices import Notice, write_notices
from react24.media.clock import TICKS_PER_SECOND, TickMap, count_ticks, map_ticks
from react24.media.container import open_media, pick_sound, pick_video
from react24.media.damage import WHAT_TO_DO, Damage
from react24.media.role import RoleMedia, RoleScan
from react24.media.sound_checks import check_sound
from react24.media.started import Started, read_start
from react24.media.survey import picture_notices, refuse_same_pictures, write_pictures
from react24.media.time_checks import check_times
from react24.media.timing import scan_role, start_together

__all__ = ["RoleMedia", "check_readable", "probe_session"]

logger = logging.getLogger(__name__)


def check_readable(path: str | Path, *, video: bool = True, sound: bool = True) -> list[str]:
    """Look at a file's header: does it hold what is needed, in a format we can decode?

    Takes about ten milliseconds, so that all files of a corpus can be checked before any job. The
    sound is not asked for where it has its own file.

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
    need_sound: bool = True,
    threads: int = 1,
    created_by: str = "probe_session",
) -> None:
    """Write the media file of a session: its sources and the 25 fps timeline of both roles.

    What the file holds is told in ``docs/data_dictionary.md``.

    Args:
        output: Media file to write.
        session: Name of the session.
        roles: ``a`` and ``b``.
        tolerate_damage: Cut the session where a file becomes unreadable instead of failing.
        need_sound: Whether both persons must have sound, and the session ends with it.
        threads: Decoder threads (used only where pictures are decoded).
        created_by: Rule that writes.

    Raises:
        InputError: A file is unreadable, lacks sound, or is damaged and ``tolerate_damage`` is
            off; all damaged places of the session are listed.
    """
    scans = _scan_roles(
        session, roles, decode=tolerate_damage, need_sound=need_sound, threads=threads
    )
    damage = [d for scan in scans.values() for d in scan.damage]
    _tell_damage(session, damage, tolerate=tolerate_damage)
    scans = start_together(session, scans)
    ticks = min(count_ticks(scan.length) for scan in scans.values())
    if ticks == 0:
        raise InputError(f"session {session}: nothing is left that can be used of its recordings")
    refuse_same_pictures(
        session,
        {role: (s.files.video, s.files.choices, s.video.survey) for role, s in scans.items()},
    )
    clocks = {
        role: map_ticks(scan.video.pts, scan.video.time_base, scan.zero, scan.video.end, ticks)
        for role, scan in scans.items()
    }
    inputs = {
        f"{role}_{kind}": contract.sha256_file(path)
        for role, files in roles.items()
        for kind, path in (("video", files.video), ("audio", files.audio))
        if path is not None
    }
    config = {"tolerate_damage": tolerate_damage, "need_sound": need_sound}
    with contract.create(
        output, schema="media", created_by=created_by, config=config, inputs=inputs
    ) as file:
        file.attrs["session"] = session
        file.attrs["fps"] = FPS
        file.attrs["frames"] = ticks
        file.attrs["damage"] = json.dumps([asdict(d) for d in damage])
        for role, scan in scans.items():
            group = file.create_group(role)
            _write_pictures(group, scan, clocks[role])
            _write_sound(group, scan)
            _write_choices(group, scan, ticks)
        write_notices(file, session, _doubts(scans, clocks, ticks))


def _scan_roles(
    session: str,
    roles: Mapping[str, RoleMedia],
    *,
    decode: bool,
    need_sound: bool,
    threads: int,
) -> dict[str, RoleScan]:
    scans, problems = {}, []
    for role, files in roles.items():
        try:
            scans[role] = scan_role(
                role, files, decode=decode, need_sound=need_sound, threads=threads
            )
        except InputError as error:
            problems.append(str(error))
    if problems:
        if not decode:  # damage is no error where it is tolerated
            problems += [d.sentence() for scan in scans.values() for d in scan.damage]
        raise InputErrors(f"session {session}: recordings that cannot be used", problems)
    return scans


def _tell_damage(session: str, damage: Sequence[Damage], *, tolerate: bool) -> None:
    """Refuse damaged recordings, or warn of where they cut the session."""
    if damage and not tolerate:
        raise InputErrors(
            f"session {session}: damaged recordings; {WHAT_TO_DO}", [d.sentence() for d in damage]
        )
    for found in damage:
        logger.warning("session %s is cut: %s", session, found.sentence())


def _doubts(
    scans: Mapping[str, RoleScan], clocks: Mapping[str, TickMap], ticks: int
) -> list[Notice]:
    """What may be wrong with pictures, times and sound of a session."""
    notices = [
        notice
        for role, scan in scans.items()
        for notice in picture_notices(scan.files.video, role, scan.video.survey, scan.zero)
    ]
    started = [start for scan in scans.values() for start in _read_starts(scan)]
    notices += check_times(scans, {role: clock.valid for role, clock in clocks.items()}, started)
    return notices + check_sound(scans, Fraction(ticks, TICKS_PER_SECOND))


def _read_starts(scan: RoleScan) -> list[Started]:
    """When the files of a role say that they were started."""
    files, choices = scan.files, scan.files.choices
    said = [(files.video, scan.video, choices.offset, "offset")]
    if files.audio is not None:
        said.append((files.audio, scan.sound, choices.audio_offset, "audio_offset"))
    return [
        Started(
            path,
            scan.role,
            read_start(path),
            offset,
            column,
            float(stream.end - stream.start) if stream else None,
        )
        for path, stream, offset, column in said
    ]


def _write_pictures(group: h5py.Group, scan: RoleScan, clock: TickMap) -> None:
    video, files = scan.video, scan.files
    group.create_dataset("source_frame", data=clock.frame)
    group.create_dataset("source_pts", data=video.pts[clock.frame].astype(np.int64))
    group.create_dataset("wild_pts", data=np.asarray(video.wild[:, 0], np.int64))
    group.create_dataset("valid", data=clock.valid)
    group.attrs["video"] = str(files.video)
    group.attrs["subject"] = files.subject
    group.attrs["role_name"] = files.role_name
    write_pictures(group, video.survey, files.choices)
    group.attrs["source_fps"] = video.rate
    group.attrs["source_frames"] = len(video.pts)
    group.attrs["time_base"] = [video.time_base.numerator, video.time_base.denominator]
    group.attrs["zero"] = float(scan.zero)
    group.attrs["cut"] = float(scan.cut)
    group.attrs["duration"] = float(scan.length)


def _write_sound(group: h5py.Group, scan: RoleScan) -> None:
    sound, zero = scan.sound, scan.sound_zero
    gaps = sound.gaps if sound else ()
    spans = [(float(gap.second - zero), float(gap.second + gap.size - zero)) for gap in gaps]
    group.create_dataset("sound_gaps", data=np.array(spans, np.float64).reshape(-1, 2))
    group.attrs["audio"] = str(scan.sound_file)
    group.attrs["sound_zero"] = [zero.numerator, zero.denominator]
    group.attrs["sound_rate"] = sound.rate if sound else 0
    group.attrs["sound_channels"] = sound.channels if sound else 0
    group.attrs["sound_track"] = sound.track if sound else 0
    group.attrs["sound_channel"] = scan.files.choices.audio_channel
    group.attrs["sound_start"] = float(sound.start - zero) if sound else 0.0
    group.attrs["sound_end"] = float(sound.end - zero) if sound else 0.0


def _write_choices(group: h5py.Group, scan: RoleScan, ticks: int) -> None:
    """What the sheet says, and the times of it that fall into the session."""
    choices = scan.files.choices
    group.attrs["choices"] = choices.to_json()
    if choices.neutral is None:
        return
    begin, end = (second - float(scan.cut) for second in choices.neutral)
    length = ticks / FPS
    if end <= 0 or begin >= length:
        raise InputError(
            f"{scan.files.video} (role {scan.role}): neutral_{scan.role} says second "
            f"{choices.neutral[0]:g} to {choices.neutral[1]:g}, but only second "
            f"{float(scan.cut):.2f} to {float(scan.cut) + length:.2f} of the video is in the "
            f"session"
        )
    group.attrs["neutral"] = [max(begin, 0.0), min(end, length)]
