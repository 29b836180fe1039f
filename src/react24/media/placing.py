"""Where the sound of a separate file lies on the timeline of its video."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from react24.files.notices import Notice, about_file
from react24.media.sketch import Lag, find_drift, find_lag
from react24.media.sound_scan import SoundScan

ENDS_ALIKE = Fraction(1, 10)
"""Pictures and sound that end this close (s) to each other end together."""

END_TOGETHER = Fraction(1, 2)
"""The same of pictures and sound of one file; further apart, one of them may run fast."""

A_TICK = Fraction(1, 25)
"""Smaller shifts of sound against pictures (s) change nothing."""

EXACT = Fraction(1, 50)
"""A place found by ear that is this close (s) to one that clocks explain is that one."""

ANOTHER_STREAM = Fraction(10)
"""Pictures that start up to this (s) after second 0 waited for a stream that was taken out."""


@dataclass(frozen=True)
class Place:
    """Where the sound of a separate file lies.

    Attributes:
        zero: Tick 0 on the clock of the sound file, s.
        delay: By which the sound file starts later than its clock has it, s (``audio_offset``).
        heard: The sound in the video, which ends with its pictures, tells where it belongs.
        notices: What is doubtful about it.
    """

    zero: Fraction
    delay: Fraction
    heard: bool
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class SoundBeside:
    """A sound file and the video that it belongs to; times in s, exact.

    Attributes:
        role: ``a`` or ``b``.
        video: Video file.
        audio: Sound file.
        zero: Tick 0 on the clock of the video.
        length: From tick 0 to the end of the pictures.
        sound: What the sound file holds.
        inside: The sound in the video file itself; None where it has none.
        offset: What the sample sheet adds, the delay ``audio_offset``.
    """

    role: str
    video: Path
    audio: Path
    zero: Fraction
    length: Fraction
    sound: SoundScan
    inside: SoundScan | None
    offset: Fraction

    def place(self) -> Place:
        """Find tick 0 on the clock of the sound file."""
        place, doubts = self._by_clocks()
        lag = find_lag(self.inside.sketch, self.sound.sketch) if self.inside else None
        if lag is None or not lag.sure:
            doubts = [] if self.offset else doubts
            return Place(place - self.offset, self.offset, False, tuple(doubts))
        zero, doubts = self._by_ear(place, lag)
        doubts += self._clocks_apart(lag)
        with_pictures = abs(self.inside.end - self.zero - self.length) <= END_TOGETHER
        return Place(zero, place - zero, with_pictures, tuple(doubts))

    def _by_clocks(self) -> tuple[Fraction, list[Notice]]:
        """Tick 0 on the clock of the sound file as the clocks have it, without ``offset``.

        Of several readings the usual one holds, unless only another lets pictures and sound end
        together, or meet at all.
        """
        first = self.sound.start
        if self.sound.clocked:
            readings = [Fraction(0), self.zero]
        elif self.inside is None and 0 < self.zero <= ANOTHER_STREAM:
            readings = [first, first + self.zero]
        else:
            readings = [first]
        meeting = [r for r in readings if self.sound.end > r > first - self.length]
        if not meeting:
            text = (
                f"its clock starts at second {float(first):.2f} and has nothing in common with "
                f"that of {self.video}; its first sample was taken to belong to the start of the "
                f"video; say otherwise with audio_offset_{self.role}"
            )
            return first, [self._notice("time.sound_apart", text)]
        together = [r for r in meeting if abs(self.sound.end - r - self.length) <= ENDS_ALIKE]
        place = (together or meeting)[0]
        if self.sound.clocked or len(readings) == 1 or together or self.zero <= A_TICK:
            return place, []
        text = (
            f"{self.video} holds no sound, and its pictures start at second {float(self.zero):.2f} "
            f"of its clock; the sound file has no clock, so that its first sample was taken to "
            f"belong to the first picture; if it belongs to second 0, write "
            f"audio_offset_{self.role} {-float(self.zero):.3f}"
        )
        return place, [self._notice("time.sound_apart", text)]

    def _by_ear(self, place: Fraction, lag: Lag) -> tuple[Fraction, list[Notice]]:
        """The place where the video's own sound is heard, if it is the same; else a word."""
        from_first = self.zero + self.sound.start - self.inside.start
        heard = from_first + lag.seconds
        explained = min((place, from_first, place - self.offset), key=lambda p: abs(p - heard))
        heard = explained if abs(explained - heard) <= EXACT else heard
        chosen = place - self.offset
        late = float(chosen - heard)  # by which the sound file must be delayed still
        if abs(chosen - heard) <= A_TICK:
            return chosen, []
        way = "later" if late > 0 else "earlier"
        where = (
            f"{abs(late):.2f} s {way} than {'audio_offset' if self.offset else 'its clock'} has it"
        )
        advice = f"audio_offset_{self.role} {float(place - heard):.3f}"
        if lag.same and not self.offset:
            text = (
                f"it is the sound that {self.video} holds as well, {where}; it was put there, as "
                f"{advice} does"
            )
            return heard, [self._notice("time.sound_moved", text)]
        text = (
            f"what is heard in {self.video} is heard in it as well, but belongs {where}; {advice} "
            f"puts it there"
        )
        return chosen, [self._notice("time.sound_offset", text)]

    def _clocks_apart(self, lag: Lag) -> list[Notice]:
        """A word where the recorder's clock is faster or slower than the camera's."""
        drift = find_drift(self.inside.sketch, self.sound.sketch, lag)
        if drift is None or abs(drift) <= A_TICK:
            return []
        way = "late" if drift > 0 else "early"
        text = (
            f"against the sound in {self.video} it grows {way}, by {2 * abs(float(drift)):.2f} s "
            f"from its start to its end, so that lips and sound part: the two clocks differ; "
            f"change its tempo by that, or leave out audio_{self.role} and take the video's own "
            f"sound"
        )
        return [self._notice("time.sound_drift", text)]

    def _notice(self, kind: str, text: str) -> Notice:
        return about_file(kind, self.audio, self.role, text)
