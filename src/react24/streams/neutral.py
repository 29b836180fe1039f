"""A person's neutral face over all his sessions: found in each, merged, kept in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from react24.conventions import FPS, ROLES
from react24.errors import InputError
from react24.files import contract
from react24.rig.judge import Judge
from react24.rig.neutral import Neutral, merge_neutrals
from react24.rig.solve import neutral_of_track
from react24.streams.judges import open_judge
from react24.streams.sources import stated_rest


def find_subject_neutral(
    subject: str,
    faces: Sequence[Path],
    output: Path,
    *,
    settings: Mapping[str, object],
) -> None:
    """Find a person's neutral face in all sessions he is in, and write it.

    Args:
        subject: Who.
        faces: Face tracks of the sessions, each with the person in one of its roles.
        output: Neutral file (schema ``neutral``).
        settings: Section of the configuration of the stream that it is for: the backend's judge
            decides what is rest.

    Raises:
        InputError: The person is in none of the sessions, or the judge cannot be had.
    """
    judge = open_judge(settings)
    found = [part for path in faces for part in _of_session(subject, path, judge)]
    if not found:
        names = ", ".join(str(path) for path in faces) or "none"
        raise InputError(f"subject {subject} is in none of the face tracks given: {names}")
    merged = merge_neutrals(found)
    inputs = contract.digest_inputs(**{f"faces_{path.stem}": path for path in faces})
    with contract.create(
        output, schema="neutral", created_by="find_neutral", config=settings, inputs=inputs
    ) as file:
        file.attrs["subject"] = subject
        file.attrs["judge"] = judge.name
        file.attrs["sessions"] = len(found)
        file.attrs["frames"] = merged.frames
        file.attrs["how"] = merged.how
        file["face"], file["rest"] = merged.face, merged.rest


def _of_session(subject: str, faces_path: Path, judge: Judge) -> list[Neutral]:
    """The person's neutral face in the roles of one session that are his."""
    from react24.faces.track import read_track

    with contract.open_file(faces_path, "faces") as file:
        roles = [role for role in ROLES if str(file[role].attrs["subject"]) == subject]
    neutrals = []
    for role in roles:
        track = read_track(faces_path, role)
        at_rest = rest_mask(stated_rest(faces_path, role), len(track.valid))
        try:
            neutrals.append(
                neutral_of_track(
                    track.landmarks, track.valid, track.width, track.height, judge, at_rest=at_rest
                )
            )
        except InputError as error:
            raise InputError(f"{faces_path}, role {role}: {error}") from error
    return neutrals


def rest_mask(seconds: tuple[float, float] | None, frames: int) -> np.ndarray | None:
    """Frames from one second of the session to another, bool (frames,); None for None."""
    if seconds is None:
        return None
    at = np.arange(frames) / FPS
    return (at >= seconds[0]) & (at <= seconds[1])


def read_neutral(path: Path) -> Neutral:
    """Read a neutral file.

    Raises:
        StoreError: Not a neutral file.
    """
    with contract.open_file(path, "neutral") as file:
        return Neutral(
            face=np.asarray(file["face"][:], np.float32),
            rest=np.asarray(file["rest"][:], np.float32),
            frames=int(file.attrs["frames"]),
            how=str(file.attrs["how"]),
        )
