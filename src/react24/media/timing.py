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
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from react24.errors import InputError
from react24.files.notices import Notice
from react24.media.damage import Damage
from react24.media.placing import SoundBeside
from react24.media.sound_scan import SoundScan, first_sounds, scan_sound
from react24.media.survey import check_crop
from react24.media.video_scan import VideoScan, scan_video
from react24.project.choices import DEFAULT, Choices

logger = logging.getLogger(__name__)

PADDED_SOUND = Fraction(1)
"""Sound may end this much (s) before the pictures and is then padded with silence."""

LAST_GASP = Fraction(1, 4)
"""A file that is unreadable for this much (s) at its end only was ended by switching off: a
recorder that writes on until then leaves half a packet. The session ends before it."""


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
class RoleScan:
    """One person's files after they were scanned; times in s, exact.

    Attributes:
        role: ``a`` or ``b``.
        files: What was scanned.
        video: Its pictures, on the clock of the video file.
        sound: Its sound, on the clock of the file it is in; None where there is none.
        zero: Tick 0 on the clock of the video file.
        sound_zero: Tick 0 on the clock of the sound's file.
        length: From tick 0 to the end of what can be used.
        cut: What the other recording's later start took away; already in the three above.
        delay: By which a sound file starts later than its clock has it, by ear or by the sheet.
        placed: A sound file lies where it is because it is heard there, or the sheet says so; not
            only because its clock, or its first sample, has it so.
        damage: Where files stop being readable, on the recording's own timeline.
        notices: Doubts about the place of the sound.
    """

    role: str
    files: RoleMedia
    video: VideoScan
    sound: SoundScan | None
    zero: Fraction
    sound_zero: Fraction
    length: Fraction
    cut: Fraction = Fraction(0)
    delay: Fraction = Fraction(0)
    placed: bool = False
    damage: tuple[Damage, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def sound_file(self) -> Path:
        """The file the sound is in."""
        return self.files.audio or self.files.video

    @property
    def pictures_end(self) -> Fraction:
        """When the last picture disappears, s after tick 0."""
        return self.video.end - self.zero

    @property
    def sound_end(self) -> Fraction:
        """When the sound ends, s after tick 0."""
        return self.sound.end - self.sound_zero


def seconds(value: float) -> Fraction:
    """A number of the sample sheet as the decimal fraction that was written."""
    return Fraction(str(value))


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
    notices = []
    try:
        sound = scan_sound(files.audio or files.video, files.choices)
    except InputError as error:
        if need_sound:
            raise
        sound = None
        notices.append(Notice("sound.unreadable", f"role {role}: {error}", role))
    if sound is None and need_sound:
        raise InputError(
            f"{files.audio or files.video} (role {role}): no sound stream; name a file with this "
            "person's sound in the sample sheet"
        )
    zero = min([video.start, *first_sounds(files.video)])
    length = video.end - zero
    sound_zero, delay, placed = zero, Fraction(0), False
    if files.audio and sound:
        inside, offset = _inner_sound(files.video), seconds(files.choices.audio_offset)
        beside = SoundBeside(role, files.video, files.audio, zero, length, sound, inside, offset)
        place = beside.place()
        sound_zero, delay, placed = place.zero, place.delay, place.heard or bool(offset)
        notices += place.notices
    scan = RoleScan(
        role,
        files,
        video,
        sound,
        zero,
        sound_zero,
        length,
        delay=delay,
        placed=placed,
        notices=tuple(notices),
    )
    if sound and need_sound:
        scan = replace(scan, length=_length_with_sound(scan))
    return _stop_at_damage(scan, need_sound)


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
