"""One stream of one session from its face track: extract both roles, write the file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from react24 import store
from react24.errors import InputError
from react24.extractors.session import write_session

FACE_EXTRACTORS = {
    ("graphau", "landmarks"): ("react24.extractors.landmarks_graphau", "LandmarksGraphAU"),
    ("faceverse", "landmarks"): ("react24.extractors.landmarks_faceverse", "LandmarksFaceVerse"),
}
"""(stream, backend) -> module and class, imported when asked for."""


def extract_from_faces(
    stream: str, faces_path: Path, output: Path, *, settings: Mapping[str, object]
) -> None:
    """Extract a stream that is computed from the face track, for both roles.

    Args:
        stream: ``graphau`` or ``faceverse``.
        faces_path: Face track of the session.
        output: Feature file.
        settings: The stream's section of the configuration (``backend``).

    Raises:
        InputError: No such backend, or a role that cannot be extracted (names file and role).
    """
    from react24.faces.track import read_track

    backend = str(settings.get("backend", "landmarks"))
    if (stream, backend) not in FACE_EXTRACTORS:
        known = ", ".join(b for s, b in FACE_EXTRACTORS if s == stream)
        raise InputError(f"streams.{stream}.backend: {backend!r} is not known; known: {known}")
    module, name = FACE_EXTRACTORS[stream, backend]
    extractor = getattr(import_module(module), name)()
    features = {}
    for role in store.ROLES:
        try:
            features[role] = extractor.extract(read_track(faces_path, role))
        except InputError as error:
            raise InputError(f"{faces_path}, role {role}: {error}") from error
    write_session(stream, features, {"faces": faces_path}, output, settings)
