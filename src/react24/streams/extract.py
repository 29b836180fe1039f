"""Writing the features of both roles of a session."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from react24.files import contract
from react24.files.notices import Notice, write_notices

logger = logging.getLogger(__name__)


def write_session(
    stream: str,
    features: dict[str, contract.Features],
    sources: Mapping[str, Path],
    output: Path,
    settings: Mapping[str, object],
    notices: Sequence[Notice] = (),
) -> None:
    """Write a feature file and say in the log what it holds.

    Args:
        stream: Name of the stream.
        features: Role -> features.
        sources: Schema -> file that they were extracted from, one or more; each has the roles
            with their subjects.
        output: Feature file.
        settings: The stream's section of the configuration.
        notices: Doubts about what was extracted.
    """
    schema, path = next(iter(sources.items()))
    with contract.open_file(path, schema) as file:
        subjects = {role: str(file[role].attrs["subject"]) for role in features}
    contract.write_features(
        output,
        features,
        subjects=subjects,
        created_by=f"extract_{stream}",
        config=settings,
        inputs=contract.digest_inputs(**sources),
        finish=lambda file: write_notices(file, path.stem, notices),
    )
    frames = {role: len(part.values) for role, part in features.items()}
    valid = {role: f"{part.valid.mean():.1%}" for role, part in features.items()}
    logger.info("%s: %s frames, valid %s", stream, frames, valid)
