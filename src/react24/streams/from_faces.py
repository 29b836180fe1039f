"""One stream of one session from its face track: extract both roles, write the file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from react24.conventions import ROLES
from react24.errors import InputError
from react24.files.notices import Notice
from react24.streams.extract import write_session
from react24.streams.judges import open_judge
from react24.streams.landmarks import LandmarksExtractor, never_quiet
from react24.streams.neutral import read_neutral, stated_rest

FACE_EXTRACTORS = {
    ("graphau", "landmarks"): ("react24.streams.graphau.landmarks", "LandmarksGraphAU"),
    ("graphau", "blendshapes"): ("react24.streams.blendshapes", "BlendshapesGraphAU"),
    ("faceverse", "landmarks"): ("react24.streams.faceverse.landmarks", "LandmarksFaceVerse"),
    ("faceverse", "blendshapes"): ("react24.streams.blendshapes", "BlendshapesFaceVerse"),
}
"""(stream, backend) -> module and class, imported when asked for."""


def extract_from_faces(
    stream: str,
    faces_path: Path,
    output: Path,
    *,
    settings: Mapping[str, object],
    neutrals: Mapping[str, Path] | None = None,
) -> None:
    """Extract a stream that is computed from the face track, for both roles.

    Args:
        stream: ``graphau`` or ``faceverse``.
        faces_path: Face track of the session.
        output: Feature file.
        settings: The stream's section of the configuration (``backend``, ``weights``, ``focal``).
        neutrals: Role -> file with the person's neutral face (`react24.streams.neutral`),
            for persons who are in several sessions.

    Raises:
        InputError: No such backend, or a role that cannot be extracted (names file and role).
    """
    from react24.faces.track import read_track

    kind = _extractor_of(stream, settings)
    judge = open_judge(settings)
    neutrals = neutrals or {}
    features, notices = {}, []
    for role in ROLES:
        try:
            extractor = kind(
                focal=settings.get("focal"),
                judge=judge,
                neutral=read_neutral(neutrals[role]) if role in neutrals else None,
                at_rest=stated_rest(faces_path, role),
            )
            features[role] = extractor.extract(read_track(faces_path, role))
        except InputError as error:
            raise InputError(f"{faces_path}, role {role}: {error}") from error
        if never_quiet(features[role]):
            notices.append(_never_quiet_notice(role))
    sources = {"faces": faces_path}
    write_session(stream, features, sources, output, settings, notices=notices)


def _extractor_of(stream: str, settings: Mapping[str, object]) -> type[LandmarksExtractor]:
    backend = str(settings.get("backend", "landmarks"))
    if (stream, backend) not in FACE_EXTRACTORS:
        known = ", ".join(b for s, b in FACE_EXTRACTORS if s == stream)
        raise InputError(f"streams.{stream}.backend: {backend!r} is not known; known: {known}")
    module, name = FACE_EXTRACTORS[stream, backend]
    return getattr(import_module(module), name)


def _never_quiet_notice(role: str) -> Notice:
    """In the same words for both streams, so that it is told once."""
    return Notice(
        kind="face.never_quiet",
        role=role,
        message=(
            f"role {role}: the face is never at rest, so what it does is counted from a "
            "typical face at rest, not from the person's own; if there is a moment at rest, name "
            f"its seconds in neutral_{role} of the sample sheet"
        ),
    )
