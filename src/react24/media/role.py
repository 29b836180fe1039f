"""One person's recording in a session: its files, and what scanning them told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from react24.files.notices import Notice
from react24.media.damage import Damage
from react24.media.sound_scan import SoundScan
from react24.media.video_scan import VideoScan
from react24.project.choices import DEFAULT, Choices


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
