"""One stream of one session: read what the extractor wants, extract both roles, write the file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from react24 import store
from react24.errors import InputError

logger = logging.getLogger(__name__)

FACE_EXTRACTORS = {
    ("graphau", "landmarks"): ("react24.extractors.landmarks_graphau", "LandmarksGraphAU"),
    ("faceverse", "landmarks"): ("react24.extractors.landmarks_faceverse", "LandmarksFaceverse"),
}
"""(stream, backend) -> module and class, imported when asked for."""

SOUND_EXTRACTORS = {
    "vggish": ("react24.extractors.vggish", "VGGish"),
    "wav2vec2": ("react24.extractors.wav2vec2", "Wav2Vec2"),
}
"""Stream -> module and class, imported when asked for."""


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
    _write(stream, features, faces_path, "faces", output, settings)


def extract_from_sound(
    stream: str,
    media_path: Path,
    output: Path,
    *,
    settings: Mapping[str, object],
    threads: int = 1,
    device: str = "auto",
) -> None:
    """Extract a stream that is computed from the speaker's sound, for both roles.

    Args:
        stream: ``vggish`` or ``wav2vec2``.
        media_path: Media file of the session.
        output: Feature file.
        settings: The stream's section of the configuration (``weights``, ``seed``).
        threads: CPU threads of the network.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: Sound that cannot be read, or weights that cannot be found.
    """
    import torch
    from react24.media.sound import read_sound

    from react24.extractors.sound_source import SoundSource

    torch.set_num_threads(threads)
    module, name = SOUND_EXTRACTORS[stream]
    extractor = getattr(import_module(module), name)(**settings, device=device)
    features = {}
    for role in store.ROLES:
        with store.open_file(media_path, "media") as file:
            frames = int(file.attrs["frames"])
        samples = read_sound(media_path, role, extractor.sample_rate)
        features[role] = extractor.extract(SoundSource(samples=samples, frames=frames))
    _write(stream, features, media_path, "media", output, settings)


def _write(
    stream: str,
    features: dict[str, store.Features],
    source: Path,
    schema: str,
    output: Path,
    settings: Mapping[str, object],
) -> None:
    with store.open_file(source, schema) as file:
        subjects = {role: str(file[role].attrs["subject"]) for role in features}
    store.write_features(
        output,
        features,
        subjects=subjects,
        created_by=f"extract_{stream}",
        config=settings,
        inputs={schema: store.sha256_file(source)},
    )
    frames = {role: len(part.values) for role, part in features.items()}
    valid = {role: f"{part.valid.mean():.1%}" for role, part in features.items()}
    logger.info("%s: %s frames, valid %s", stream, frames, valid)
