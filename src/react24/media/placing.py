"""Where the sound of a separate file lies on the timeline of its video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from react24.files.notices import Notice, about_file
from react24.media.role import RoleScan, seconds
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


def place_sound(scan: RoleScan, inside: SoundScan | None) -> RoleScan:
    """Find tick 0 on the clock of the sound file beside a video.

    Args:
        scan: As if its sound were in the video file.
        inside: The sound in the video file itself; None where it has none.

    Returns:
        The scan with ``sound_zero``, ``delay``, ``placed`` and notices on what is doubtful.
    """
    offset = seconds(scan.files.choices.audio_offset)
    clocked, doubts = _by_clocks(scan, inside)
    zero, placed = clocked - offset, bool(offset)
    lag = find_lag(inside.sketch, scan.sound.sketch) if inside else None
    if lag is not None and lag.sure:
        zero, doubts = _by_ear(scan, inside, clocked, lag)
        doubts += _clocks_apart(scan, inside, lag)
        # Sound that ends with the pictures tells where the file belongs.
        placed = placed or abs(inside.end - scan.zero - scan.length) <= END_TOGETHER
    elif offset:
        doubts = []
    return replace(
        scan,
        sound_zero=zero,
        delay=clocked - zero,
        placed=placed,
        notices=(*scan.notices, *doubts),
    )


def _by_clocks(scan: RoleScan, inside: SoundScan | None) -> tuple[Fraction, list[Notice]]:
    """Tick 0 on the clock of the sound file as the clocks have it, without ``audio_offset``.

    Of several readings the usual one holds, unless only another lets pictures and sound end
    together, or meet at all.
    """
    first = scan.sound.start
    if scan.sound.clocked:
        readings = [Fraction(0), scan.zero]
    elif inside is None and 0 < scan.zero <= ANOTHER_STREAM:
        readings = [first, first + scan.zero]
    else:
        readings = [first]
    meeting = [r for r in readings if scan.sound.end > r > first - scan.length]
    if not meeting:
        text = (
            f"its clock starts at second {float(first):.2f} and has nothing in common with "
            f"that of {scan.files.video}; its first sample was taken to belong to the start of the "
            f"video; say otherwise with audio_offset_{scan.role}"
        )
        return first, [_notice(scan, "time.sound_apart", text)]
    together = [r for r in meeting if abs(scan.sound.end - r - scan.length) <= ENDS_ALIKE]
    place = (together or meeting)[0]
    if scan.sound.clocked or len(readings) == 1 or together or scan.zero <= A_TICK:
        return place, []
    text = (
        f"{scan.files.video} holds no sound, and its pictures start at second "
        f"{float(scan.zero):.2f} of its clock; the sound file has no clock, so that its first "
        f"sample was taken to belong to the first picture; if it belongs to second 0, write "
        f"audio_offset_{scan.role} {-float(scan.zero):.3f}"
    )
    return place, [_notice(scan, "time.sound_apart", text)]


def _by_ear(
    scan: RoleScan, inside: SoundScan, place: Fraction, lag: Lag
) -> tuple[Fraction, list[Notice]]:
    """The place where the video's own sound is heard, if it is the same; else a word."""
    offset = seconds(scan.files.choices.audio_offset)
    from_first = scan.zero + scan.sound.start - inside.start
    heard = from_first + lag.seconds
    explained = min((place, from_first, place - offset), key=lambda p: abs(p - heard))
    heard = explained if abs(explained - heard) <= EXACT else heard
    chosen = place - offset
    late = float(chosen - heard)  # by which the sound file must be delayed still
    if abs(chosen - heard) <= A_TICK:
        return chosen, []
    way = "later" if late > 0 else "earlier"
    where = f"{abs(late):.2f} s {way} than {'audio_offset' if offset else 'its clock'} has it"
    advice = f"audio_offset_{scan.role} {float(place - heard):.3f}"
    if lag.same and not offset:
        text = (
            f"it is the sound that {scan.files.video} holds as well, {where}; it was put there, as "
            f"{advice} does"
        )
        return heard, [_notice(scan, "time.sound_moved", text)]
    text = (
        f"what is heard in {scan.files.video} is heard in it as well, but belongs {where}; "
        f"{advice} puts it there"
    )
    return chosen, [_notice(scan, "time.sound_offset", text)]


def _clocks_apart(scan: RoleScan, inside: SoundScan, lag: Lag) -> list[Notice]:
    """A word where the recorder's clock is faster or slower than the camera's."""
    drift = find_drift(inside.sketch, scan.sound.sketch, lag)
    if drift is None or abs(drift) <= A_TICK:
        return []
    way = "late" if drift > 0 else "early"
    text = (
        f"against the sound in {scan.files.video} it grows {way}, by {2 * abs(float(drift)):.2f} s "
        f"from its start to its end, so that lips and sound part: the two clocks differ; "
        f"change its tempo by that, or leave out audio_{scan.role} and take the video's own "
        f"sound"
    )
    return [_notice(scan, "time.sound_drift", text)]


def _notice(scan: RoleScan, kind: str, text: str) -> Notice:
    return about_file(kind, scan.files.audio, scan.role, text)
