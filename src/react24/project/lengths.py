"""Splits whose recordings are all too short for a clip, told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from react24.conventions import CLIP_FRAMES, FPS, SPLITS
from react24.project.config import Settings
from react24.project.headers import Headers
from react24.project.session import Session
from react24.project.sheet_files import list_uses

CLIP_SECONDS = CLIP_FRAMES / FPS


def no_clip(split: str, sessions: int, longest: float) -> str:
    """What is said of a split that gives no clip; the longest of its sessions in seconds."""
    return (
        f"split {split}: none of its {sessions} session(s) is long enough for a clip of "
        f"{CLIP_SECONDS:g} s, the longest has {longest:.2f} s; add longer ones"
    )


def short_splits(sessions: Sequence[Session], settings: Settings, headers: Headers) -> list[str]:
    """A warning for every split of which no session is long enough, by the headers of its files.

    Opens files up to the first session of a split that is: a few milliseconds. Where a header does
    not say how long its file is, or a file cannot be read or is made later, nothing is told.
    """
    warnings = []
    for split in SPLITS:
        within = [session for session in sessions if session.split == split]
        longest = 0.0
        for session in within:
            files = [settings.root / use.path for use in list_uses([session])]
            seconds = _shortest(files, headers)
            longest = max(longest, seconds)
            if longest >= CLIP_SECONDS:
                break
        else:
            if within:
                text = no_clip(split, len(within), longest)
                warnings.append(f"{text} (as the headers have it; cutting its clips will fail)")
    return warnings


def _shortest(files: Sequence[Path], headers: Headers) -> float:
    """Seconds of the shortest file by its header; infinite where one does not say."""
    lengths = [headers.seconds(path) for path in files]
    return float("inf") if None in lengths else min(found for found in lengths if found is not None)
