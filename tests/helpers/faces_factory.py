"""Small media and faces files for tests that look at pictures; no face is searched for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.media_factory import numbered, tone, write_media

from react24.conventions import ROLES
from react24.files import contract
from react24.media.probe import RoleMedia, probe_session


def write_faces(path: Path, boxes: dict[str, np.ndarray], size: int = 64) -> Path:
    """Write a faces file with the given boxes: role -> (T, 4) of x0, y0, x1, y1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contract.create(path, schema="faces", created_by="test") as file:
        file.attrs["session"] = path.stem
        for role, box in boxes.items():
            group = file.create_group(role)
            group.attrs.update({"width": size, "height": size, "subject": role})
            group["box"] = np.asarray(box, np.float32)
            group["found"] = group["valid"] = np.ones(len(box), bool)
    return path


def boxes_around(centre: tuple[float, float], side: float, frames: int) -> np.ndarray:
    """The same square box at every frame, (T, 4)."""
    x, y = centre
    return np.tile([x - side / 2, y - side / 2, x + side / 2, y + side / 2], (frames, 1))


def write_session(
    folder: Path, session: str, frames: int, *, picture=numbered, size: int = 64, **kwargs
) -> tuple[Path, Path]:
    """Media and faces file of a session whose two videos show ``picture``.

    Role b shows the pictures of role a 1000 numbers later. The faces fill the pictures, so that
    their squares are the whole pictures.
    """
    files = {}
    for number, role in enumerate(ROLES):
        path = folder / "videos" / session / f"{role}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)

        def shown(index, first=1000 * number):
            return picture(first + index)

        write_media(path, picture=shown, frames=frames, sound=tone(frames / 25, 16000), **kwargs)
        files[role] = RoleMedia(path, None, f"{session}_{role}", role)
    media = folder / "media" / f"{session}.h5"
    media.parent.mkdir(parents=True, exist_ok=True)
    probe_session(media, session=session, roles=files, tolerate_damage=False)
    box = boxes_around((size / 2, size / 2), size / 1.5, frames)
    return media, write_faces(folder / "faces" / f"{session}.h5", {"a": box, "b": box}, size)
