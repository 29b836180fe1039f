"""The face track of a session: one face per role, 478 landmarks per frame at 25 fps."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from react24 import store
from react24.errors import InputError
from react24.faces.follow import Follower
from react24.faces.gaps import bridge, find_gaps
from react24.faces.mesh import POINTS, Mesh, box_of
from react24.faces.models import MEDIAPIPE, open_models
from react24.log import progress
from react24.media.video import read_frames

logger = logging.getLogger(__name__)

CHUNK = 64
"""Frames written at a time; a long track never lies in memory as a whole."""


@dataclass(frozen=True)
class FaceTrack:
    """One role's face.

    Attributes:
        landmarks: float32 (T, 478, 3): x right, y down in pixels of the video, z in the same scale.
        found: bool (T,), a face was found in the frame's picture.
        valid: bool (T,), found, and the frame has a picture of its own time. Where False the
            landmarks are interpolated or held.
        score: float32 (T,), the landmark model's probability of a face; 0 where not found.
        width: Of the video, pixels.
        height: Likewise.
        weights: The networks that found it, ``FaceModels.weights``.
    """

    landmarks: np.ndarray
    found: np.ndarray
    valid: np.ndarray
    score: np.ndarray
    width: int
    height: int
    weights: str


def track_session(
    media_path: str | Path,
    output: str | Path,
    *,
    max_gap: int,
    max_missing: float,
    model: str = MEDIAPIPE,
    threads: int = 1,
    created_by: str = "track_faces",
) -> None:
    """Follow the face of both roles and write the faces file.

    Args:
        media_path: Media file of the session.
        output: Faces file to write.
        max_gap: Gaps up to this many frames are interpolated, longer ones held.
        max_missing: Largest share in [0, 1] of a role's frames that may lack a face.
        model: The networks, see ``faces.models.open_models``; written to the attribute ``weights``.
        threads: Decoder threads; tracking itself uses one.
        created_by: Rule that writes.

    Raises:
        DamagedFileError: A video is unreadable somewhere; names file and second.
        InputError: A role's face is missing too often (names session, role, file and where), or
            the networks cannot be had.
    """
    with store.open_file(media_path, "media") as media:
        session, frames = str(media.attrs["session"]), int(media.attrs["frames"])
        roles = {role: dict(media[role].attrs) for role in store.ROLES if role in media}
        shown = {role: media[role]["valid"][:] for role in roles}
    config = {"max_gap": max_gap, "max_missing": max_missing, "model": model}
    inputs = store.digest_inputs(media=media_path)
    with (
        store.create(
            output, schema="faces", created_by=created_by, config=config, inputs=inputs
        ) as file,
        open_models(model) as models,
    ):
        file.attrs["session"] = session
        file.attrs["weights"] = models.weights
        for role, about in roles.items():
            group = file.create_group(role)
            for name in ("width", "height", "subject"):
                group.attrs[name] = about[name]
            pictures = progress(
                read_frames(media_path, role, threads=threads),
                what=f"tracking {session}/{role}",
                unit="frame",
                total=frames,
            )
            # A new follower per role: nothing is remembered from one video to the next.
            follow_role(group, pictures, Follower(models.detector, models.landmarks), frames)
            group["valid"][:] = group["found"][:] & shown[role]
            _require_faces(session, role, str(about["video"]), group["valid"][:], max_missing)
            fill_gaps(group, max_gap)


def follow_role(
    group: h5py.Group,
    pictures: Iterable[tuple[int, np.ndarray]],
    follower: Follower,
    frames: int,
) -> None:
    """Write the track of one video, chunk by chunk, into an empty group.

    Args:
        group: Gets ``landmarks``, ``box``, ``score``, ``found``, ``valid``.
        pictures: (tick, picture) for ticks 0 to ``frames`` - 1.
        follower: Fresh.
        frames: T.
    """
    _create_datasets(group, frames)
    chunk: list[Mesh | None] = []
    begin, last_picture, mesh = 0, None, None
    for _, picture in pictures:
        if picture is not last_picture:
            mesh, last_picture = follower.see(picture), picture
        chunk.append(mesh)
        if len(chunk) == CHUNK:
            _write_chunk(group, begin, chunk)
            begin, chunk = begin + CHUNK, []
    _write_chunk(group, begin, chunk)


def _create_datasets(group: h5py.Group, frames: int) -> None:
    # Not compressed: it would save a twelfth (measured with shuffle and lzf).
    group.create_dataset("landmarks", (frames, POINTS, 3), "f4")
    group.create_dataset("box", (frames, 4), "f4")
    group.create_dataset("score", (frames,), "f4")
    group.create_dataset("found", (frames,), bool)
    group.create_dataset("valid", (frames,), bool)


def _write_chunk(group: h5py.Group, begin: int, chunk: list[Mesh | None]) -> None:
    if not chunk:
        return
    rows = slice(begin, begin + len(chunk))
    points = np.zeros((len(chunk), POINTS, 3), np.float32)
    for row, mesh in enumerate(chunk):
        if mesh is not None:
            points[row] = mesh.points
    group["landmarks"][rows] = points
    group["box"][rows] = box_of(points)
    group["score"][rows] = [mesh.presence if mesh is not None else 0.0 for mesh in chunk]
    group["found"][rows] = [mesh is not None for mesh in chunk]


def _require_faces(
    session: str, role: str, video: str, valid: np.ndarray, max_missing: float
) -> None:
    missing = 1.0 - float(valid.mean())
    if missing <= max_missing and valid.any():
        return
    first = find_gaps(valid)[0]
    raise InputError(
        f"session {session}, role {role}: no face in {missing:.0%} of the frames of {video} "
        f"(at most {max_missing:.0%} is accepted), first from second "
        f"{first.start / store.FPS:.2f} to {first.stop / store.FPS:.2f}; check that the video "
        "shows this person's face large enough, take the session out of the sample sheet, or "
        "raise faces.max_missing"
    )


def fill_gaps(group: h5py.Group, max_gap: int) -> None:
    """Write landmarks and boxes for the frames of a group in which no face was found.

    Raises:
        ValueError: No frame at all has a face.
    """
    found = group["found"][:]
    landmarks, box = group["landmarks"], group["box"]
    for gap in find_gaps(found):
        before = landmarks[gap.start - 1] if gap.start > 0 else None
        after = landmarks[gap.stop] if gap.stop < len(found) else None
        filled = bridge(gap, before, after, max_gap=max_gap)
        landmarks[gap.start : gap.stop] = filled
        box[gap.start : gap.stop] = box_of(filled)


def read_track(faces_path: str | Path, role: str) -> FaceTrack:
    """Read one role's track whole (20 minutes: 170 MB).

    Raises:
        StoreError: Not a faces file.
    """
    with store.open_file(faces_path, "faces") as file:
        return _part(file[role], slice(None))


def read_track_chunks(faces_path: str | Path, role: str, frames: int) -> Iterator[FaceTrack]:
    """Read one role's track in consecutive pieces of ``frames`` frames (the last is shorter).

    Raises:
        StoreError: Not a faces file.
    """
    with store.open_file(faces_path, "faces") as file:
        group = file[role]
        for begin in range(0, len(group["found"]), frames):
            yield _part(group, slice(begin, begin + frames))


def _part(group: h5py.Group, rows: slice) -> FaceTrack:
    return FaceTrack(
        landmarks=group["landmarks"][rows],
        found=group["found"][rows],
        valid=group["valid"][rows],
        score=group["score"][rows],
        width=int(group.attrs["width"]),
        height=int(group.attrs["height"]),
        # Files without the attribute are from before there was a choice.
        weights=str(group.file.attrs.get("weights", "mediapipe 0.10.14")),
    )
