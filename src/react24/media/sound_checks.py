"""What a user should know of the sound of a session: which it is, how loud, whose."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from react24.conventions import FPS
from react24.files.notices import Notice, about_file
from react24.media.meter import ChannelLevels
from react24.media.role import RoleScan
from react24.media.sketch import SKETCH_RATE, find_lag
from react24.media.sound_scan import SoundScan
from react24.media.spans import find_spans
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
        f"it has {len(sound.tracks)} sound tracks ({listed}); track "
        f"{sound.tracks[sound.track].describe()} was taken; audio_track_{role} in the sample sheet "
        f"chooses another, by index or title"
    )
    return [about_file("sound.tracks", path, role, text)]


def check_channels(path: Path, role: str, sound: SoundScan, choices: Choices) -> list[Notice]:
    """Clipping; and where the mean of all channels was taken, whether it stands for them."""
    notices, mixed = [], choices.audio_channel == MIX
    clipped = sound.levels.clipped.max() if mixed else sound.levels.clipped[sound.channel]
    if clipped > CLIPPED_SHARE:
        text = (
            f"{100 * clipped:.1f} % of the samples stand at one highest level: the recording is "
            f"clipped, features of its sound are distorted; record at a lower level"
        )
        notices.append(about_file("sound.clipped", path, role, text))
    if mixed and sound.channels > 1:
        notices += _check_mix(path, role, sound.levels)
    return notices


def _check_mix(path: Path, role: str, levels: ChannelLevels) -> list[Notice]:
    decibels = 10 * np.log10(np.maximum(levels.power, 1e-12))
    active = np.flatnonzero(decibels > ACTIVE_DB)
    if len(active) == 0:
        return []
    listed = ", ".join(
        f"{index} {name if name != str(index) else ''}".strip() + f" {decibels[index]:.0f} dB"
        for index, name in enumerate(levels.names)
    )
    advice = f"audio_channel_{role} in the sample sheet takes one (an index, left or right)"
    mean_db = 10 * np.log10(levels.power[active].sum() / len(levels.power) + 1e-12)
    mix_db = 10 * np.log10(levels.mix_power + 1e-12)
    if len(active) > 1:
        # What independent sounds give by themselves is no cancellation.
        independent = mean_db - 10 * np.log10(len(levels.power))
        if mix_db < independent - CANCELLED_DB:
            text = (
                f"the channels cancel each other: their mean, which was taken, is "
                f"{mean_db - mix_db:.0f} dB weaker than they are ({listed}); {advice}"
            )
            return [about_file("sound.cancelled", path, role, text)]
        likeness = levels.likeness[np.ix_(active, active)]
        known = likeness[np.triu_indices(len(active), 1)]
        known = known[np.isfinite(known)]
        if len(known) and known.min() < LIKE:
            text = (
                f"its channels hear different things ({listed}; correlation of their loudness "
                f"{known.min():.2f}); their mean was taken; if one of them is this person's "
                f"microphone, {advice}"
            )
            return [about_file("sound.channels", path, role, text)]
    if len(active) < len(levels.power):
        text = (
            f"silent channels: {len(levels.power) - len(active)} of {len(levels.power)} "
            f"({listed}); the mean of all was taken, which is weaker for it; {advice}"
        )
        return [about_file("sound.channels", path, role, text)]
    return []


def check_levels(path: Path, role: str, levels: np.ndarray) -> list[Notice]:
    """Silence, near silence, low level, noise without a voice, long silent stretches.

    ``levels`` are dB of each 10 ms of the session.
    """
    if not len(levels):
        return []
    loud, seconds = float(np.percentile(levels, 99)), len(levels) / SKETCH_RATE
    if loud < SILENT_DB:
        found = "silence" if loud < MUTED_DB else f"next to silence (at most {loud:.0f} dB)"
        text = (
            f"the sound is {found}; was the microphone muted, or is this the wrong track, channel "
            f"or file? Features of it mean nothing"
        )
        return [about_file("sound.silent", path, role, text, 0.0, seconds)]
    notices = []
    if loud < QUIET_DB:
        text = (
            f"the sound is very quiet (its loudest parts {-loud:.0f} dB below full scale); is this "
            f"the person's own microphone?"
        )
        notices.append(about_file("sound.quiet", path, role, text))
    if seconds >= EVEN_SECONDS and loud - float(np.percentile(levels, 10)) < EVEN_DB:
        text = (
            "nothing but an even noise or hum is heard, no voice; was the microphone connected, or "
            "is this the wrong track, channel or file?"
        )
        notices.append(about_file("sound.even", path, role, text, 0.0, seconds))
    long = [s for s in find_spans(levels < MUTED_DB) if s.length >= MUTED_STRETCH * SKETCH_RATE]
    share = sum(span.length for span in long) / len(levels)
    if share > MUTED_SHARE:
        longest = max(long, key=lambda span: span.length)
        begin, end = longest.start / SKETCH_RATE, longest.stop / SKETCH_RATE
        text = (
            f"{100 * share:.0f} % of the sound is silence without any noise, the longest stretch "
            f"from second {begin:.1f} to {end:.1f} of the session; was the microphone muted there, "
            f"or does the sound start elsewhere?"
        )
        notices.append(about_file("sound.silent", path, role, text, begin, end))
    return notices


def check_sound(scans: Mapping[str, RoleScan], length: Fraction) -> list[Notice]:
    """All doubts about the sound of a session of ``length`` s, after ``start_together``."""
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
