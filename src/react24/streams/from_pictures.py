"""One stream of one session from its pictures: extract both roles, write the file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from react24.conventions import ROLES
from react24.errors import InputError
from react24.files import contract
from react24.streams.extract import write_session

PICTURE_EXTRACTORS = {
    "swin": ("react24.streams.swin", "Swin"),
}
"""Stream -> module and class, imported when asked for."""


def extract_from_pictures(
    stream: str,
    media_path: Path,
    faces_path: Path,
    output: Path,
    *,
    settings: Mapping[str, object],
    threads: int = 1,
    device: str = "auto",
) -> None:
    """Extract a stream that is computed from pictures of the face, for both roles.

    The videos are decoded again and the faces cut out on the way; no picture is stored.

    Args:
        stream: A key of ``PICTURE_EXTRACTORS``.
        media_path: Media file of the session.
        faces_path: Its face track.
        output: Feature file.
        settings: The stream's section of the configuration (``weights``, ``seed``).
        threads: CPU threads of the network.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        DamagedFileError: A video is unreadable somewhere; names file and second.
        InputError: Weights that cannot be found, or files of different sessions.
    """
    import torch

    from react24.faces.crop import VIEW, face_crops
    from react24.streams.picture_source import PictureSource

    torch.set_num_threads(threads)
    module, name = PICTURE_EXTRACTORS[stream]
    chosen = {key: value for key, value in settings.items() if key != "enabled"}
    known = _read_valid(media_path, faces_path)
    extractor = getattr(import_module(module), name)(**chosen, device=device)
    features = {}
    for role, valid in known.items():
        crops = face_crops(media_path, faces_path, role, size=extractor.picture_size, part=VIEW)
        source = PictureSource(
            pictures=(crop for _, crop in crops),
            valid=valid,
            name=f"{media_path.stem}, role {role}",
        )
        features[role] = extractor.extract(source)
    sources = {"media": media_path, "faces": faces_path}
    write_session(stream, features, sources, output, settings)


def _read_valid(media_path: Path, faces_path: Path) -> dict:
    """Role -> ``valid`` of the face track, bool (T,)."""
    with contract.open_file(media_path, "media") as file:
        frames, session = int(file.attrs["frames"]), str(file.attrs["session"])
    with contract.open_file(faces_path, "faces") as file:
        found = str(file.attrs["session"])
        valid = {role: file[role]["valid"][:] for role in ROLES}
    lengths = {len(part) for part in valid.values()}
    if found != session or lengths != {frames}:
        raise InputError(
            f"{faces_path}: the face track of session {found} with {sorted(lengths)} frames does "
            f"not belong to {media_path}, session {session} with {frames} frames; track the faces "
            "of this session again"
        )
    return valid
