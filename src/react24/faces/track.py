"""The face track of a session: one face per role, 478 landmarks per frame at 25 fps."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from react24.conventions import FPS, ROLES
from react24.errors import InputError
from react24.faces.follow import Follower, width
from react24.faces.frozen import FrozenWatch
from react24.faces.gaps import bridge
from react24.faces.mesh import POINTS, box_of
from react24.faces.models import MEDIAPIPE, open_models
from react24.faces.sightings import Sightings
from react24.faces.told import Seen, tell_faces
from react24.faces.turn import TurnWatch
from react24.faces.whose import Tracklets, choose_person
from react24.files import contract
from react24.files.notices import write_notices
from react24.log import progress
from react24.media import whereabouts
from react24.media.spans import find_spans
from react24.media.video import read_frames
from react24.project.choices import DEFAULT, Choices

logger = logging.getLogger(__name__)

OUTSIDE = 1 / 3
"""Share of a face's landmarks outside the picture from which on what the face does is a guess."""

CHUNK = 64
"""Frames written at a time; a long track never lies in memory as a whole."""


class NoFaceError(InputError):
    """A role's face is missing too often."""


@dataclass(frozen=True)
class FaceTrack:
    """One role's face.

    Attributes:
        landmarks: float32 (T, 478, 3): x right, y down in pixels of the video, z in the same scale.
        found: bool (T,), a face was found in the frame's picture.
        valid: bool (T,), found, and the frame has a picture of its own time. Where False the
            landmarks are interpolated or held, or the face is frozen or too much of it outside the
            picture.
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
    created_by: str = "track_faces",
) -> None:
    """Follow the face of both roles and write the faces file.

    Args:
        media_path: Media file of the session.
        output: Faces file to write.
        max_gap: Gaps up to this many frames are interpolated, longer ones held.
        max_missing: Largest share in [0, 1] of a role's frames that may lack a face.
        model: The networks, see ``faces.models.open_models``; written to the attribute ``weights``.
        created_by: Rule that writes.

    Raises:
        DamagedFileError: A video is unreadable somewhere; names file and second.
        NoFaceError: A role's face is missing too often; names session, role, file and where.
        InputError: The pictures lie on their side or on their head, or the networks cannot be
            had.
    """
    with contract.open_file(media_path, "media") as media:
        session, frames = str(media.attrs["session"]), int(media.attrs["frames"])
        roles = {role: dict(media[role].attrs) for role in ROLES if role in media}
        shown = {role: media[role]["valid"][:] for role in roles}
        videos = {role: str(whereabouts.name(media, role, "video")) for role in roles}
    config = {"max_gap": max_gap, "max_missing": max_missing, "model": model}
    inputs = contract.digest_inputs(media=media_path)
    with (
        contract.create(
            output, schema="faces", created_by=created_by, config=config, inputs=inputs
        ) as file,
        open_models(model) as models,
    ):
        file.attrs["session"] = session
        file.attrs["weights"] = models.weights
        notices = []
        for role, about in roles.items():
            group = file.create_group(role)
            for name in ("width", "height", "subject", "choices", "neutral"):
                if name in about:
                    group.attrs[name] = about[name]
            pictures = progress(
                read_frames(media_path, role),
                what=f"tracking {session}/{role}",
                unit="frame",
                total=frames,
            )
            where, video = f"session {session}, role {role}", videos[role]
            side = Choices.from_json(str(about.get("choices", DEFAULT.to_json()))).face
            # New ones per role: nothing is remembered from one video to the next.
            follower = Follower(models.detector, models.landmarks)
            watch = TurnWatch(models.detector)
            seen = follow_role(
                group, pictures, follower, frames, watch=watch, side=side, shown=shown[role]
            )
            _require_upright(where, video, watch)
            group["valid"][:] = group["found"][:] & shown[role] & ~seen.outside & ~seen.frozen
            _require_faces(where, role, video, group["valid"][:], seen, max_missing)
            notices += tell_faces(seen, role=role, video=video, side=side)
            fill_gaps(group, max_gap)
        write_notices(file, session, notices)


def follow_role(
    group: h5py.Group,
    pictures: Iterable[tuple[int, np.ndarray]],
    follower: Follower,
    frames: int,
    *,
    watch: TurnWatch | None = None,
    side: str = "",
    shown: np.ndarray | None = None,
) -> Seen:
    """Write the track of the person a video is about, piece by piece, into an empty group.

    All faces are followed; whose track it is, is decided at the end.

    Args:
        group: Gets ``landmarks``, ``box``, ``score``, ``found``, ``valid``, ``others`` and the
            attribute ``persons``.
        pictures: (tick, picture) for ticks 0 to ``frames`` - 1.
        follower: Fresh.
        frames: T.
        watch: Is shown the pictures, if given.
        side: As for `choose_person`.
        shown: bool (T,), the tick has a picture of its own time; None for all.
    """
    tracklets, frozen, last_picture = Tracklets(), FrozenWatch(), None
    with Sightings() as sightings:
        for tick, picture in pictures:
            fresh = picture is not last_picture
            if fresh:
                faces, last_picture = follower.see(picture), picture
                if watch is not None:
                    largest = max(faces, key=lambda face: width(face.box), default=None)
                    watch.see(tick, picture, largest)
            frozen.see(tick, picture, faces)
            sightings.add(tick, faces)
            tracklets.add(tick, faces, cut=fresh and follower.cut)
        turned = watch.turned() if watch is not None else {}
        tracklets.leave_out(number for number, degrees in turned.items() if degrees == 180)
        persons = tracklets.persons()
        chosen = choose_person(persons, side)
        _create_datasets(group, frames)
        outside = np.zeros(frames, bool)
        if persons:
            for ticks, points, presence in sightings.of(persons[chosen].tracklets, CHUNK):
                _write_block(group, ticks, points, presence)
                outside[ticks] = _share_outside(points, picture.shape) > OUTSIDE
    seen = Seen(
        persons,
        chosen,
        found=group["found"][:],
        box=group["box"][:],
        cuts=tracklets.cuts,
        passes=tracklets.passes(persons[chosen]) if persons else [],
        turned=tracklets.present(turned, frames),
        outside=outside,
        frozen=frozen.frozen(persons[chosen].tracklets if persons else (), frames, shown),
    )
    group["others"][:] = seen.others()
    group.attrs["persons"] = json.dumps(_summary(seen))
    return seen


def _summary(seen: Seen) -> list[dict]:
    """The persons of a video, for people and programs that look at the file."""
    return [
        {
            "seconds": person.frames / FPS,
            "first": float(person.spans[:, 0].min() / FPS),
            "last": float(person.spans[:, 1].max() / FPS),
            "width": round(person.width, 1),
            "x": round(person.x, 1),
            "followed": index == seen.chosen,
        }
        for index, person in enumerate(seen.persons)
    ]


def _create_datasets(group: h5py.Group, frames: int) -> None:
    # Not compressed: it would save a twelfth (measured with shuffle and lzf).
    for name, shape in {"landmarks": (POINTS, 3), "box": (4,), "score": ()}.items():
        group.create_dataset(name, (frames, *shape), "f4")
    for name in ("found", "valid", "others"):
        group.create_dataset(name, (frames,), bool)


def _write_block(
    group: h5py.Group, ticks: np.ndarray, points: np.ndarray, presence: np.ndarray
) -> None:
    """Write faces of some ticks, run by run: few long writes instead of a list of places."""
    edges = np.flatnonzero(np.diff(ticks) != 1) + 1
    for part in np.split(np.arange(len(ticks)), edges):
        rows = slice(int(ticks[part[0]]), int(ticks[part[-1]]) + 1)
        group["landmarks"][rows] = points[part]
        group["box"][rows] = box_of(points[part])
        group["score"][rows] = presence[part]
        group["found"][rows] = True


def _share_outside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Share of the landmarks (n, 478, 3) outside a picture (H, W, 3), (n,)."""
    inside = (points[..., :2] >= 0) & (points[..., :2] < (shape[1], shape[0]))
    return 1 - inside.all(axis=-1).mean(axis=-1)


def _require_upright(where: str, video: str, watch: TurnWatch) -> None:
    degrees = watch.verdict()
    if not degrees:
        return
    how = {90: "lies on its side", 180: "is upside down", 270: "lies on its side"}[degrees]
    filters = {90: "transpose=2", 180: "hflip,vflip", 270: "transpose=1"}[degrees]
    turned = Path(video).with_name(f"{Path(video).stem}_upright{Path(video).suffix}")
    raise InputError(
        f"{where}: the picture of {video} {how}: in {watch.votes[degrees]} of {watch.probes} "
        f"probes the face is upright only after a turn by {degrees} degrees counter-clockwise; "
        f'turn it with: ffmpeg -i "{video}" -vf {filters} -c:v libx264 -crf 14 -c:a copy '
        f'"{turned}", and name that file in the sample sheet'
    )


def _require_faces(
    where: str, role: str, video: str, valid: np.ndarray, seen: Seen, max_missing: float
) -> None:
    missing = 1.0 - float(valid.mean())
    if missing <= max_missing and valid.any():
        return
    gap = max(find_spans(~valid), key=lambda gap: gap.length)
    spoilt = {
        "upside down": seen.upside_down().mean(),
        "partly outside the picture": seen.outside.mean(),
        "frozen": seen.frozen.mean(),
    }
    also = "".join(f", {how} in {share:.0%}" for how, share in spoilt.items() if share)
    instead = float((seen.others() & ~seen.found).sum()) / FPS
    whose, who = "no usable face" if also else "no face", "this person's face"
    if instead:
        whose = "the face of the person who is followed is missing"
        who = (
            "the right person's face (another one is in the picture instead for "
            f"{instead:.2f} s; face_{role} or crop_{role} in the sample sheet say whose is meant)"
        )
    raise NoFaceError(
        f"{where}: {whose} in {missing:.0%} of the frames of {video} "
        f"(at most {max_missing:.0%} is accepted){also}, longest from second "
        f"{gap.start / FPS:.2f} to {gap.stop / FPS:.2f}; check that the video "
        f"shows {who} large enough, take the session out of the sample sheet, or "
        "raise faces.max_missing"
    )


def fill_gaps(group: h5py.Group, max_gap: int) -> None:
    """Write landmarks and boxes for the frames of a group in which no face was found.

    Raises:
        ValueError: No frame at all has a face.
    """
    found = group["found"][:]
    landmarks, box = group["landmarks"], group["box"]
    for gap in find_spans(~found):
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
    with contract.open_file(faces_path, "faces") as file:
        group = file[role]
        return FaceTrack(
            landmarks=group["landmarks"][:],
            found=group["found"][:],
            valid=group["valid"][:],
            score=group["score"][:],
            width=int(group.attrs["width"]),
            height=int(group.attrs["height"]),
            # Files without the attribute are from before there was a choice.
            weights=str(file.attrs.get("weights", "mediapipe 0.10.14")),
        )
