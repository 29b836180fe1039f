"""When each person's pictures and sound happen: tick 0, the place of the sound, what is cut.

**Tick 0 of a recording** is the earliest presentation time of the pictures and of all sound tracks
of its video file, as in a player, whether that sound is used or not.

**Sound beside the video.** Formats with a clock (Matroska, MP4, Ogg, ...) keep it: their second 0
is tick 0, which is what ``ffmpeg -c copy`` writes; where video and sound share another clock (the
time of day), its tick 0. Formats without one (WAV, FLAC, MP3, ...) begin at tick 0 with their
first sample. If the video holds the same sound as well, that decides: an extraction may have
dropped a late start, a recorder may have run earlier. ``audio_offset`` delays what results.

**Session.** Both recordings start together unless ``offset`` says otherwise; the session starts
when the later one does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from react24.errors import InputError
from react24.files.notices import Notice
from react24.media.damage import Damage
from react24.media.placing import place_sound
from react24.media.role import RoleMedia, RoleScan, seconds
from react24.media.sound_scan import SoundScan, first_sounds, scan_sound
from react24.media.survey import check_crop
from react24.media.video_scan import scan_video

logger = logging.getLogger(__name__)

PADDED_SOUND = Fraction(1)
"""Sound may end this much (s) before the pictures and is then padded with silence."""

LAST_GASP = Fraction(1, 4)
"""A file that is unreadable for this much (s) at its end only was ended by switching off: a
recorder that writes on until then leaves half a packet. The session ends before it."""


def scan_role(
    role: str, files: RoleMedia, *, decode: bool, need_sound: bool, threads: int = 1
) -> RoleScan:
    """Read a person's files once and put their streams on one timeline.

    Args:
        role: ``a`` or ``b``.
        files: Where they are.
        decode: Whether to decode every picture.
        need_sound: Whether sound must be there and whole; without, it may lack or end early.
        threads: Decoder threads.

    Raises:
        InputError: A file is unreadable, lacks what is needed, or does not belong to the other.
    """
    video = scan_video(files.video, decode=decode, threads=threads)
    check_crop(files.video, role, files.choices, video.survey)
    sound, doubts = _scan_sound(role, files, need_sound)
    zero = min([video.start, *first_sounds(files.video)])
    scan = RoleScan(role, files, video, sound, zero, zero, video.end - zero, notices=doubts)
    if files.audio and sound:
        scan = place_sound(scan, _inner_sound(files.video))
    if sound and need_sound:
        scan = replace(scan, length=_length_with_sound(scan))
    return _stop_at_damage(scan, need_sound)


def _scan_sound(
    role: str, files: RoleMedia, needed: bool
) -> tuple[SoundScan | None, tuple[Notice, ...]]:
    """The sound of a person, and a doubt where it is unreadable but not needed."""
    path = files.audio or files.video
    try:
        sound = scan_sound(path, files.choices)
    except InputError as error:
        if needed:
            raise
        return None, (Notice("sound.unreadable", f"role {role}: {error}", role),)
    if sound is None and needed:
        raise InputError(
            f"{path} (role {role}): no sound stream; name a file with this person's sound in the "
            "sample sheet"
        )
    return sound, ()


def _inner_sound(video: Path) -> SoundScan | None:
    """The sound in a video that another file stands in for, as far as it helps to place that."""
    try:
        return scan_sound(video)
    except InputError as error:
        logger.info("%s: its own sound does not help to place the sound file (%s)", video, error)
        return None


def _length_with_sound(scan: RoleScan) -> Fraction:
    """Seconds that can be used where sound is needed."""
    pictures, heard = scan.pictures_end, scan.sound_end
    if heard < pictures / 2 and not scan.sound.damage:
        hint = f", or say in audio_offset_{scan.role} when it starts" if scan.files.audio else ""
        raise InputError(
            f"{scan.sound_file} (role {scan.role}): its sound lasts until {float(heard):.1f} s, "
            f"the pictures of {scan.files.video} until {float(pictures):.1f} s; name the sound "
            f"file of this recording{hint}"
        )
    return pictures if pictures - heard <= PADDED_SOUND else heard


def _stop_at_damage(scan: RoleScan, need_sound: bool) -> RoleScan:
    """End the role where a file stops being readable."""
    length, damage, notices = scan.length, [], list(scan.notices)
    found = [(scan.video.damage, scan.files.video, scan.zero, True)]
    if scan.sound:
        found.append((scan.sound.damage, scan.sound_file, scan.sound_zero, need_sound))
    for place, path, begin, needed in found:
        if place is None:
            continue
        second = place[0] - begin
        broken = Damage(scan.role, str(path), float(second), place[1])
        if needed and scan.length - LAST_GASP <= second < scan.length:
            length = min(length, second)
            rest = float(scan.length - second)
            text = (
                f"{path} (role {scan.role}), second {float(second):.2f}: the last {rest:.2f} s "
                f"cannot be read, as where a recorder was switched off; the session ends there"
            )
            notices.append(Notice("time.end", text, scan.role, float(second)))
        elif needed:
            length = min(length, max(second, Fraction(0)))
            damage.append(broken)
        else:
            notices.append(Notice("sound.unreadable", broken.sentence(), scan.role))
    return replace(scan, length=length, damage=tuple(damage), notices=tuple(notices))


def start_together(session: str, scans: Mapping[str, RoleScan]) -> dict[str, RoleScan]:
    """Cut away what the recording that started earlier holds alone.

    Raises:
        InputError: Nothing is left of a recording.
    """
    latest = max(seconds(scan.files.choices.offset) for scan in scans.values())
    shifted = {}
    for role, scan in scans.items():
        cut = latest - seconds(scan.files.choices.offset)
        if cut >= scan.length:
            raise InputError(
                f"session {session}: by offset_a and offset_b the other recording starts "
                f"{float(cut):.2f} s after {scan.files.video} (role {role}), which can be used for "
                f"{float(scan.length):.2f} s only; correct the offsets in the sample sheet"
            )
        shifted[role] = replace(
            scan,
            zero=scan.zero + cut,
            sound_zero=scan.sound_zero + cut,
            length=scan.length - cut,
            cut=cut,
        )
    return shifted
