"""Which clips a session gives: the full ones in which both faces are known often enough.

A clip in which the face of either person is known in too few frames is dropped, in both directions
and in every stream. All streams of a split must agree on that, so the decision is read off the
face track, which they all share, and never off a stream's own validity.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.conventions import CLIP_FRAMES, FPS, ROLES
from react24.files import contract
from react24.files.contract import StoreError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamFiles:
    """Where one session's stream lies.

    Attributes:
        session: Name.
        features: Feature file.
        normalized: File its z-scores are kept in, there or not.
        faces: The face track, which says which clips are dropped; without it all are kept.
    """

    session: str
    features: Path
    normalized: Path
    faces: Path | None = None


DROPPED_DTYPE = np.dtype(
    [
        ("session", f"S{contract.NAME_BYTES}"),
        ("clip", "<i4"),
        ("start", "<i4"),
        ("valid", "<f4", (len(ROLES),)),
    ]
)
"""A clip that was dropped: which, its first frame, and the share of valid frames of each role."""


@dataclass(frozen=True)
class Cut:
    """The clips of one session.

    Attributes:
        kept: Clip number (from 1) and start frame of each.
        dropped: Of ``DROPPED_DTYPE``.
    """

    kept: list[tuple[int, int]]
    dropped: np.ndarray


def clip_starts(frames: int, segments: np.ndarray | None = None) -> list[tuple[int, int]]:
    """Clip number (from 1) and start frame of every full clip.

    Args:
        frames: Length T of the session.
        segments: int (n, 3) of clip number, start, length for a release that comes in clips:
            one clip a segment. Without it, clip k starts at 750 (k - 1).
    """
    if segments is not None:
        return [(int(n), int(s)) for n, s, length in segments if length >= CLIP_FRAMES]
    return [(k + 1, k * CLIP_FRAMES) for k in range(frames // CLIP_FRAMES)]


def cut_session(files: StreamFiles, min_valid: float) -> Cut:
    """Decide on the clips of a session, from the files of any of its streams.

    Both faces must be known in a share of at least ``min_valid`` of a clip's frames.

    Raises:
        StoreError: Files that are no such files, or of different lengths.
    """
    with contract.open_file(files.features, "features") as file:
        frames = len(file[ROLES[0]]["valid"])
        segments = file["segments"][:] if "segments" in file else None
    clips = clip_starts(frames, segments)
    partial = len(segments) - len(clips) if segments is not None else int(frames % CLIP_FRAMES > 0)
    if partial:
        logger.info("session %s: %d partial clip(s) dropped", files.session, partial)
    known = _known_faces(files, frames)
    kept, dropped = [], []
    for number, start in clips:
        shares = known[:, start : start + CLIP_FRAMES].mean(axis=1)
        if shares.min() >= min_valid:
            kept.append((number, start))
        else:
            dropped.append((files.session.encode(), number, start, shares))
    return Cut(kept, np.array(dropped, DROPPED_DTYPE))


def _known_faces(files: StreamFiles, frames: int) -> np.ndarray:
    """Where the face of each role is known, bool (2, T); everywhere without a face track."""
    if files.faces is None:
        return np.ones((len(ROLES), frames), bool)
    with contract.open_file(files.faces, "faces") as file:
        known = [file[role]["valid"][:] for role in ROLES]
    if any(len(part) != frames for part in known):
        raise StoreError(
            f"{files.faces}: {len(known[0])} frames, but {files.features} has {frames}; run the "
            "extraction of this session again"
        )
    return np.stack(known)


def tell_dropped(session: str, cut: Cut, min_valid: float) -> None:
    """Warn of what a session loses."""
    for clip in cut.dropped:
        logger.warning("session %s: %s", session, describe_dropped(clip, min_valid))
    if not cut.kept and not len(cut.dropped):
        logger.warning("session %s is shorter than one clip of 750 frames", session)
    elif not cut.kept:
        logger.warning("session %s: no clip is left", session)


def describe_dropped(clip: np.void, min_valid: float) -> str:
    """A sentence on a dropped clip, one of ``DROPPED_DTYPE``."""
    begin, end = (int(clip["start"]) + n for n in (0, CLIP_FRAMES))
    shares = ", ".join(
        f"role {role} {share:.1%}" for role, share in zip(ROLES, clip["valid"], strict=True)
    )
    return (
        f"clip {int(clip['clip'])} ({begin / FPS:g} to {end / FPS:g} s) is left "
        f"out: the face is known in {shares} of its frames, and both need {min_valid:.0%} "
        "(clips.min_valid)"
    )
