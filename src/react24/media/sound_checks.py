"""What a user should know of the sound of a session: which it is, how loud, whose."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from react24.conventions import FPS
from react24.files.notices import Notice
from react24.media.meter import ChannelLevels
from react24.media.sketch import SKETCH_RATE, find_lag
from react24.media.sound_scan import SoundScan
from react24.media.timing import RoleScan
from react24.project.choices import MIX, Choices

SILENT_DB = -65.0
"""If nothing is louder than this, there is no voice: microphones in use hear more of the room."""

QUIET_DB = -45.0
"""Loudest hundredth of 10 ms below which a voice is hardly recorded."""

EVEN_DB = 5.0
"""Range of levels (of 90 % of all 10 ms, and the loudest hundredth) within which nobody speaks.

White noise has 2 at most (at 8 kHz), hum less; a voice 5 dB above the noise around it has more.
"""

EVEN_SECONDS = 5.0
"""Less than this tells nothing of it: pauses are as long."""

MUTED_DB = -80.0
"""A stretch below this is not a quiet room but a microphone that is off."""

MUTED_STRETCH = 2.0
"""Seconds from which on such a stretch counts; gates of calls close between words as well."""

MUTED_SHARE = 0.5
"""Share of a session from which on such stretches are told."""

CLIPPED_SHARE = 1e-3
"""Share of samples at one highest level from which on it is told."""

LIKE = 0.7
"""Channels whose loudness goes together less than this (correlation) hear different voices."""

ACTIVE_DB = -60.0
"""Channels below this level hold nothing."""

CANCELLED_DB = 10.0
"""Drop of level from the channels to their mean from which on they cancel each other."""


def check_tracks(path: Path, role: str, sound: SoundScan, choices: Choices) -> list[Notice]:
    """A word where a file holds several sound tracks and nobody chose."""
    if len(sound.tracks) < 2 or choices.audio_track:
        return []
    listed = "; ".join(track.describe() for track in sound.tracks)
    text = (
        f"{path} (role {role}): it has {len(sound.tracks)} sound tracks ({listed}); track "
        f"{sound.tracks[sound.track].describe()} was taken; audio_track_{role} in the sample sheet "
        f"chooses another, by index or title"
    )
    return [Notice("sound.tracks", text, role)]


def check_channels(path: Path, role: str, sound: SoundScan, choices: Choices) -> list[Notice]:
    """Clipping; and where the mean of all channels was taken, whether it stands for them."""
    levels = sound.levels
    chosen = range(sound.channels)
    if choices.audio_channel != MIX:
        chosen = [sound.channel]
    notices = []
    clipped = max(levels.clipped[index] for index in chosen)
    if clipped > CLIPPED_SHARE:
        text = (
            f"{path} (role {role}): {100 * clipped:.1f} % of the samples stand at one highest "
            f"level: the recording is clipped, features of its sound are distorted; record at a "
            f"lower level"
        )
        notices.append(Notice("sound.clipped", text, role))
    if choices.audio_channel == MIX and sound.channels > 1:
        notices += _check_mix(path, role, levels)
    return notices


def _check_mix(path: Path, role: str, levels: ChannelLevels) -> list[Notice]:
    decibels = 10 * np.log10(np.maximum(levels.power, 1e-12))
    active = np.flatnonzero(decibels > ACTIVE_DB)
    listed = ", ".join(
        f"{index} {name if name != str(index) else ''}".strip() + f" {decibels[index]:.0f} dB"
        for index, name in enumerate(levels.names)
    )
    advice = f"audio_channel_{role} in the sample sheet takes one (an index, left or right)"
    head = f"{path} (role {role}): "
    if len(active) == 0:
        return []
    mean_db = 10 * np.log10(levels.power[active].sum() / len(levels.power) + 1e-12)
    mix_db = 10 * np.log10(levels.mix_power + 1e-12)
    if len(active) > 1:
        # What independent sounds give by themselves is no cancellation.
        independent = mean_db - 10 * np.log10(len(levels.power))
        if mix_db < independent - CANCELLED_DB:
            text = (
                f"{head}the channels cancel each other: their mean, which was taken, is "
                f"{mean_db - mix_db:.0f} dB weaker than they are ({listed}); {advice}"
            )
            return [Notice("sound.cancelled", text, role)]
        likeness = levels.likeness[np.ix_(active, active)]
        known = likeness[np.triu_indices(len(active), 1)]
        known = known[np.isfinite(known)]
        if len(known) and known.min() < LIKE:
            text = (
                f"{head}its channels hear different things ({listed}; correlation of their "
                f"loudness {known.min():.2f}); their mean was taken; if one of them is this "
                f"person's microphone, {advice}"
            )
            return [Notice("sound.channels", text, role)]
    if len(active) < len(levels.power):
        text = (
            f"{head}silent channels: {len(levels.power) - len(active)} of {len(levels.power)} "
            f"({listed}); the mean of all was taken, which is weaker for it; {advice}"
        )
        return [Notice("sound.channels", text, role)]
    return []


def check_levels(path: Path, role: str, levels: np.ndarray) -> list[Notice]:
    """Silence, near silence, low level, noise without a voice, long silent stretches.

    Args:
        path: The file.
        role: Whose.
        levels: float32 (n,), dB of each 10 ms of the session.
    """
    if not len(levels):
        return []
    loud = float(np.percentile(levels, 99))
    if loud < SILENT_DB:
        found = "silence" if loud < MUTED_DB else f"next to silence (at most {loud:.0f} dB)"
        text = (
            f"{path} (role {role}): the sound is {found}; was the microphone muted, or is this the "
            f"wrong track, channel or file? Features of it mean nothing"
        )
        return [Notice("sound.silent", text, role, 0.0, len(levels) / SKETCH_RATE)]
    notices = []
    if loud < QUIET_DB:
        text = (
            f"{path} (role {role}): the sound is very quiet (its loudest parts {-loud:.0f} dB "
            f"below full scale); is this the person's own microphone?"
        )
        notices.append(Notice("sound.quiet", text, role))
    long = len(levels) >= EVEN_SECONDS * SKETCH_RATE
    if long and loud - float(np.percentile(levels, 10)) < EVEN_DB:
        text = (
            f"{path} (role {role}): nothing but an even noise or hum is heard, no voice; was the "
            f"microphone connected, or is this the wrong track, channel or file?"
        )
        notices.append(Notice("sound.even", text, role, 0.0, len(levels) / SKETCH_RATE))
    stretches = _silent_stretches(levels)
    share = sum(end - begin for begin, end in stretches) / len(levels)
    if share > MUTED_SHARE:
        begin, end = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
        text = (
            f"{path} (role {role}): {100 * share:.0f} % of the sound is silence without any noise, "
            f"the longest stretch from second {begin / SKETCH_RATE:.1f} to {end / SKETCH_RATE:.1f} "
            f"of the session; was the microphone muted there, or does the sound start elsewhere?"
        )
        notices.append(Notice("sound.silent", text, role, begin / SKETCH_RATE, end / SKETCH_RATE))
    return notices


def _silent_stretches(levels: np.ndarray) -> list[tuple[int, int]]:
    """(First frame, one past the last) of each stretch that is long enough to count."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], levels < MUTED_DB, [0]))))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(begin, end) for begin, end in pairs if end - begin >= MUTED_STRETCH * SKETCH_RATE]


def check_sound(scans: Mapping[str, RoleScan], length: Fraction) -> list[Notice]:
    """All doubts about the sound of a session.

    Args:
        scans: ``a`` and ``b``, after ``start_together``.
        length: Of the session, s.
    """
    notices = []
    for role, scan in scans.items():
        if scan.sound is None:
            continue
        about = (scan.sound_file, role, scan.sound, scan.files.choices)
        notices += check_tracks(*about) + check_channels(*about)
        notices += check_levels(scan.sound_file, role, session_levels(scan, length))
    heard = [scan for scan in scans.values() if scan.sound is not None]
    return notices + (_check_same(*heard) if len(heard) == 2 else [])


def session_levels(scan: RoleScan, length: Fraction) -> np.ndarray:
    """Level of each 10 ms of the session, dB, where the sound of a role lasts, float32 (n,)."""
    sketch = scan.sound.sketch
    begin = round((scan.sound_zero - sketch.start) * SKETCH_RATE)
    end = round((scan.sound_zero + length - sketch.start) * SKETCH_RATE)
    return sketch.levels[max(begin, 0) : max(end, 0)]


def _check_same(a: RoleScan, b: RoleScan) -> list[Notice]:
    lag = find_lag(a.sound.sketch, b.sound.sketch)
    if lag is None or not lag.same:
        return []
    start_a, start_b = (s.sound.start - s.sound_zero for s in (a, b))
    late = float(start_b + lag.seconds - start_a)
    when = f"{abs(late):.2f} s {'later' if late > 0 else 'earlier'} in b"
    if abs(late) < 0.5 / FPS:
        when = "at the same time"
    text = (
        f"both persons have the same sound: {a.sound_file} (role a) and {b.sound_file} (role b) "
        f"hold the same, {when} (likeness {lag.likeness:.2f}); features of sound will be "
        f"the same for both; name each person's own microphone, with audio_a and audio_b, "
        f"audio_track_* or audio_channel_* in the sheet"
    )
    return [Notice("sound.same", text)]
