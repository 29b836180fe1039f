"""One stream of one session: both roles extracted, the file written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from react24.contracts.entry_points import resolve
from react24.contracts.stream import Backend, Extractor, Stream
from react24.conventions import ROLES
from react24.errors import InputError
from react24.files import contract
from react24.files.contract import Features
from react24.files.notices import Notice, write_notices
from react24.streams.sources import open_source

logger = logging.getLogger(__name__)

SOURCES = {"faces": ("faces",), "pictures": ("media", "faces"), "sound": ("media",)}
"""What a backend reads -> files of the session that it needs, the first with the subjects."""


def extract_session(
    stream: Stream,
    files: Mapping[str, Path],
    output: Path,
    *,
    settings: Mapping[str, Any],
    threads: int = 1,
    device: str = "auto",
) -> None:
    """Extract a stream for both roles of a session.

    Args:
        stream: What to make (``react24.streams.get``).
        files: ``media`` and ``faces`` of the session, those that the backend reads (``SOURCES``);
            ``neutral_a`` and ``neutral_b``, where the person's face at rest is known from other
            sessions.
        output: Feature file.
        settings: The stream's section of the configuration.
        threads: CPU threads of a network.
        device: ``auto``, ``cpu`` or ``cuda``, for a network.

    Raises:
        DamagedFileError: A video is unreadable somewhere; names file and second.
        InputError: A file is not given, weights that cannot be found, or a role that cannot be
            extracted.
    """
    backend = stream.backend(settings)
    needed = SOURCES[backend.reads]
    if missing := [name for name in needed if name not in files]:
        raise InputError(
            f"stream {stream.name} is made from {' and '.join(needed)} of a session; "
            f"{' and '.join(missing)} not given"
        )
    extractors = open_extractors(stream, settings, threads, device)
    features: dict[str, Features] = {}
    notices: list[Notice] = []
    for role in ROLES:
        features[role] = _extract(stream, backend, extractors, role, files)
        for extractor in extractors:  # what a user should know of what was found, if it can tell
            tell = getattr(extractor, "find_doubts", None)
            notices += tell(features[role], role) if tell else []
    _write(stream, features, {name: files[name] for name in needed}, output, settings, notices)


def open_extractors(
    stream: Stream, settings: Mapping[str, Any], threads: int = 1, device: str = "auto"
) -> list[Extractor]:
    """The extractors of the backend that is chosen, one or more, made from the settings.

    Raises:
        InputError: Weights that cannot be had, or a setting that an extractor refuses.
    """
    backend, options = stream.backend(settings), stream.options(settings)
    if backend.gpu:
        import torch

        torch.set_num_threads(threads)
        options["device"] = device
    return [resolve(point)(**options) for point in backend.extractors]


def _extract(
    stream: Stream,
    backend: Backend,
    extractors: list[Extractor],
    role: str,
    files: Mapping[str, Path],
) -> Features:
    """The stream of one role; parts of several extractors stand side by side."""
    parts = [e.extract(open_source(backend.reads, role, e, files)) for e in extractors]
    features = parts[0] if len(parts) == 1 else join(stream, parts)
    names = stream.columns if isinstance(stream.columns, tuple) else features.feature_names
    if tuple(features.feature_names) != names or features.values.shape[1] != stream.width:
        raise InputError(
            f"stream {stream.name}: its extractor made {features.values.shape[1]} columns with "
            f"{_some(features.feature_names)}, expected {stream.width} with {_some(names)} as the "
            "stream says"
        )
    return features


def _some(names: Sequence[str]) -> str:
    """How many names there are, and the first of them."""
    first = ", ".join(names[:3])
    return f"{len(names)} names ({first}{', ...' if len(names) > 3 else ''})"


def join(stream: Stream, parts: list[Features]) -> Features:
    """Columns of several extractors side by side; valid where all of them are."""
    return Features(
        values=np.concatenate([part.values for part in parts], axis=1),
        valid=np.logical_and.reduce([part.valid for part in parts]),
        feature_names=tuple(name for part in parts for name in part.feature_names),
        stream=stream.name,
        backend=" + ".join(part.backend for part in parts),
        pretrained=all(part.pretrained for part in parts),
        weights=", ".join(part.weights for part in parts),
        extra={key: value for part in parts for key, value in part.extra.items()},
        attributes={key: value for part in parts for key, value in part.attributes.items()},
    )


def _write(
    stream: Stream,
    features: Mapping[str, Features],
    sources: Mapping[str, Path],
    output: Path,
    settings: Mapping[str, Any],
    notices: list[Notice],
) -> None:
    """Write the feature file and say in the log what it holds."""
    schema, path = next(iter(sources.items()))
    with contract.open_file(path, schema) as file:
        subjects = {role: str(file[role].attrs["subject"]) for role in features}
    contract.write_features(
        output,
        features,
        subjects=subjects,
        created_by=f"extract_{stream.name}",
        config=settings,
        inputs=contract.digest_inputs(**sources),
        finish=lambda file: write_notices(file, path.stem, notices),
    )
    frames = {role: len(part.values) for role, part in features.items()}
    valid = {role: f"{part.valid.mean():.1%}" for role, part in features.items()}
    logger.info("%s: %s frames, valid %s", stream.name, frames, valid)
