"""What a user should know of the times in a session's files: differences, drift, jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

from react24.conventions import FPS
from react24.files.notices import Notice, about_file
from react24.media.role import RoleScan, seconds
from react24.media.stamps import FORWARD_JUMP, Jump
from react24.media.started import Started, compare_starts

WORTH_A_WORD = Fraction(1, 2)
"""Differences of start or length above this (s) are told."""

TOLD_APIECE = 5
"""So many places of one kind are told each by itself; the rest is counted."""


def check_times(
    scans: Mapping[str, RoleScan], valid: Mapping[str, np.ndarray], started: Sequence[Started]
) -> list[Notice]:
    """All doubts about the times of a session, after ``start_together``.

    ``valid`` is role -> bool (T,), the ticks with a picture of their own time; ``started`` tells
    when the files say that they were started.
    """
    notices = []
    for role, scan in scans.items():
        length = Fraction(len(valid[role])) / int(FPS)
        notices += scan.notices
        notices += check_extents(scan)
        notices += _check_stamps(scan, length)
        jumps = _check_jumps(scan, length)
        notices += jumps + _check_valid(scan, valid[role], jumps)
    for a, b in combinations(scans.values(), 2):
        notices += check_lengths(a, b)
    return notices + compare_starts(started)


def check_extents(scan: RoleScan) -> list[Notice]:
    """Start and end of the pictures of one person against those of the sound."""
    if scan.sound is None:
        return []
    video = scan.files.video
    said = f" ({scan.files.audio})" if scan.files.audio else ""
    notices = []
    # As the files have it: the session may begin later, where the other recording does.
    start = (scan.sound.start - scan.sound_zero) - (scan.video.start - scan.zero)
    # Where its place is known, sound from before and after the pictures is no doubt.
    known = scan.files.choices.audio_offset or (scan.placed and start < 0)
    if abs(start) > WORTH_A_WORD and not known:
        way = "after" if start > 0 else "before"
        text = (
            f"its sound{said} starts {abs(float(start)):.2f} s {way} its pictures; both stay on "
            f"the clock"
        )
        notices.append(about_file("time.start", video, scan.role, text))
    pictures, heard = scan.pictures_end + scan.cut, scan.sound_end + scan.cut
    off = pictures - heard
    known = scan.placed and off < 0
    if abs(off) > WORTH_A_WORD and not scan.damage and heard > 0 and not known:
        text = _drift(scan, pictures, heard, said)
        notices.append(about_file("time.drift", video, scan.role, text))
    return notices


def _drift(scan: RoleScan, pictures: Fraction, heard: Fraction, said: str) -> str:
    off = float(heard - pictures)
    share = 100 * abs(off) / float(heard)
    pace = "fast" if off > 0 else "slow"
    text = (
        f"its pictures end at second {float(pictures):.2f}, its sound{said} at "
        f"{float(heard):.2f}: {abs(off):.2f} s ({share:.1f} %) apart; "
    )
    if scan.placed:
        return text + "the sound was stopped earlier"
    if scan.files.audio:
        together = float(scan.delay) - off
        return text + (
            f"one of the two was started or stopped at another time (audio_offset_{scan.role} "
            f"{together:.2f} lets them end together), or the pictures run {pace}"
        )
    if scan.video.counted:
        return text + (
            f"the file states no time for a picture, so its pictures run {pace}, by up to "
            f"{abs(off):.2f} s at the end, unless one of the two was stopped earlier; record with "
            f"time stamps (MP4, MKV), or convert with the true rate of the pictures"
        )
    return text + (
        f"one of the two was stopped earlier, or the pictures run {pace}, by up to "
        f"{abs(off):.2f} s at the end; look whether lips and sound agree there"
    )


def _check_stamps(scan: RoleScan, length: Fraction) -> list[Notice]:
    """Single stamps that were ignored, and places where pieces were joined."""
    video, notices = scan.video, []
    for stated, due in video.wild:
        second = int(due) * video.time_base - scan.zero
        text = (
            f"a picture is stamped {float((int(stated) - int(due)) * video.time_base):+.2f} s off "
            f"those around it and is not used"
        )
        notices.append(_at(scan, "time.stamp", scan.files.video, second, text))
    for second in scan.sound.wild if scan.sound else ():
        text = "the time stamp of the sound contradicts those around it and was ignored"
        notices.append(_at(scan, "time.stamp", scan.sound_file, second - scan.sound_zero, text))
    for joint in video.joints:
        text = (
            "the file marks a break here (pieces joined, or data lost on the way), although all "
            "pictures decode; if pieces of other recordings were joined, their times are wrong"
        )
        notices.append(_at(scan, "time.joint", scan.files.video, joint - scan.zero, text))
    return _within(notices, scan, length)


def _check_jumps(scan: RoleScan, length: Fraction) -> list[Notice]:
    """Jumps forward of both streams, or holes in one of them."""
    pictures = [Jump(jump.second - scan.zero, jump.size) for jump in scan.video.gaps]
    sound = scan.sound.gaps if scan.sound else ()
    sound = [Jump(jump.second - scan.sound_zero, jump.size) for jump in sound]
    notices = []
    for jump in pictures:
        twin = next((other for other in sound if _is_same(jump, other)), None)
        if twin:
            sound.remove(twin)
        what = (
            "the time stamps of pictures and sound jump forward by {:.2f} s, as where the "
            "recording was paused, or two were glued together: then give each a file of its own"
            if twin
            else "no pictures for {:.2f} s; these ticks are not valid"
        )
        kind = "time.jump" if twin else "time.hole"
        text = what.format(float(jump.size))
        notices.append(_at(scan, kind, scan.files.video, jump.second, text, jump.size))
    long = [jump for jump in sound if jump.size > FORWARD_JUMP]
    for jump in long:
        text = f"no sound for {float(jump.size):.2f} s; silence stands in and is not valid"
        notices.append(_at(scan, "sound.hole", scan.sound_file, jump.second, text, jump.size))
    short = [jump for jump in sound if jump.size <= FORWARD_JUMP and 0 <= jump.second < length]
    lost = sum((jump.size for jump in short), Fraction(0))
    if lost > WORTH_A_WORD:
        text = (
            f"{len(short)} short gaps of the sound from here on, {float(lost):.2f} s in all, were "
            f"filled with silence: lost packets, or fewer samples per second than the file states"
        )
        notices.append(_at(scan, "sound.gaps", scan.sound_file, short[0].second, text))
    return _within(notices, scan, length)


def _is_same(one: Jump, other: Jump) -> bool:
    return (
        abs(one.second - other.second) < WORTH_A_WORD and abs(one.size - other.size) < WORTH_A_WORD
    )


def _check_valid(scan: RoleScan, valid: np.ndarray, told: Sequence[Notice]) -> list[Notice]:
    """Ticks without a picture of their own time that nothing else explains."""
    unexplained = ~valid
    late = max(Fraction(0), scan.video.start - scan.zero)  # told where it is worth a word
    unexplained[: int(late * int(FPS)) + 1] = False
    for notice in told:
        if notice.kind in ("time.jump", "time.hole"):
            begin, end = (int(FPS * second) for second in (notice.start, notice.stop))
            unexplained[max(0, begin - 1) : end + 2] = False
    count = int(unexplained.sum())
    if count <= WORTH_A_WORD * int(FPS):
        return []
    first = int(np.argmax(unexplained)) / FPS
    text = f"{count} of {len(valid)} ticks from here on have no picture of their own time"
    return [_at(scan, "time.pictures", scan.files.video, seconds(first), text)]


def check_lengths(a: RoleScan, b: RoleScan) -> list[Notice]:
    """The recordings of a session against each other."""
    if abs(a.length - b.length) <= WORTH_A_WORD:
        return []
    short = min((a, b), key=lambda scan: scan.length)
    text = ", ".join(f"{s.files.video} (role {s.role}) {float(s.length):.2f} s" for s in (a, b))
    said = (
        f"the recordings differ in length by {abs(float(a.length - b.length)):.2f} s from the "
        f"session's start on: {text}; the session ends with the shorter, {short.role}"
    )
    if a.files.choices.offset == b.files.choices.offset:
        said += "; if they did not start together, say so with offset_a or offset_b"
    return [Notice("time.length", said)]


def _at(
    scan: RoleScan, kind: str, path, second: Fraction, text: str, size: Fraction | None = None
) -> Notice:
    """A notice on a place of a file, told by the file's own second and kept by the session's."""
    own = float(second + scan.cut)
    return Notice(
        kind,
        f"{path} (role {scan.role}), second {own:.2f}: {text}",
        scan.role,
        float(second),
        None if size is None else float(second + size),
    )


def _within(notices: list[Notice], scan: RoleScan, length: Fraction) -> list[Notice]:
    """Those that touch the session; of many of one kind the first, and a word on the rest."""
    touching = [
        n for n in notices if n.start < length and (n.start if n.stop is None else n.stop) >= 0
    ]
    told = []
    for kind in dict.fromkeys(n.kind for n in touching):
        these = [n for n in touching if n.kind == kind]
        told += these[:TOLD_APIECE]
        if rest := these[TOLD_APIECE:]:
            text = f"role {scan.role}: {len(rest)} more of this kind ({kind}), the last at second "
            text += f"{rest[-1].start + float(scan.cut):.2f} of its file"
            told.append(Notice(kind, text, scan.role, rest[0].start, rest[-1].stop))
    return told
