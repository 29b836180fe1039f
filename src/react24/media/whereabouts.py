"""Where recordings lie now: a media file says where they lay when their clock was read.

A corpus may move; what was read of it stays right. So jobs declare where the recordings that they
are given lie (`declare`), and whoever opens a recording asks `locate`. Without a declaration it is
sought where it lay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from react24.conventions import ROLES
from react24.errors import InputError

if TYPE_CHECKING:
    import h5py

Kind = Literal["video", "audio"]

_now: dict[str, dict[str, Path]] = {}
"""Session -> ``video_a``, ``audio_b`` and so on -> path; of the whole process, threads included."""


def declare(session: str, files: Mapping[str, str | Path]) -> None:
    """Say where the recordings of a session lie.

    Args:
        session: Its name.
        files: ``video_a``, ``video_b``, and ``audio_a``, ``audio_b`` where the sound lies apart.
            Other names are passed over, so that the inputs of a job may be given as they are.
    """
    names = [f"{kind}_{role}" for kind in ("video", "audio") for role in ROLES]
    _now[session] = {name: Path(files[name]) for name in names if name in files}


def declare_videos(media: Iterable[str | Path], videos: Iterable[str | Path]) -> None:
    """Say where the videos of several sessions lie.

    Args:
        media: Media files, named by their sessions.
        videos: Those of person a and person b of each session in turn.
    """
    files = iter(videos)
    for path in media:
        declare(Path(path).stem, {f"video_{role}": next(files) for role in ROLES})


def name(media: h5py.File, role: str, kind: Kind) -> Path:
    """The path of a recording, for people: where it was declared to be, else where it lay.

    Args:
        media: Open media file.
        role: ``a`` or ``b``.
        kind: Its pictures, or its sound, which may be in the video.
    """
    about = media[role].attrs
    apart = kind == "audio" and about["audio"] != about["video"]
    declared = _now.get(str(media.attrs["session"]), {})
    return declared.get(f"{'audio' if apart else 'video'}_{role}", Path(str(about[kind])))


def locate(media: h5py.File, role: str, kind: Kind) -> Path:
    """Where a recording is to be opened; arguments as those of `name`.

    Raises:
        InputError: It lies neither where it was declared to be nor where it lay.
    """
    now, before = name(media, role, kind), Path(str(media[role].attrs[kind]))
    if now == before or now.exists():
        return now
    if before.exists():
        return before
    raise InputError(
        f"session {media.attrs['session']}, role {role}: no {kind} file {now}, nor {before}, where "
        "it lay when its clock was read; correct corpus.root, or the path in the sample sheet"
    )
