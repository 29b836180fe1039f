"""z-scores per session and role."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from react24.errors import InputError
from react24.files import contract

logger = logging.getLogger(__name__)

CONSTANT_BELOW = 1e-6
"""A channel whose standard deviation lies under this carries nothing and becomes 0."""


def zscore(features: contract.Features) -> contract.Features:
    """Standardise one person's features over that person's valid frames in the session.

    Returns:
        Features with values (T, D) of zero mean and unit (population) variance over valid
        frames; ``extra`` holds ``mean`` and ``std`` (D,), float32. A channel whose std is under
        ``CONSTANT_BELOW`` is 0 everywhere and listed in ``constant_channels``; its ``std`` is
        stored as measured.

    Raises:
        InputError: No valid frame.
    """
    if not features.valid.any():
        raise InputError(
            f"stream {features.stream}: no valid frame in {len(features.valid)} to take mean and "
            "standard deviation from; look at the face track or the sound of this session"
        )
    valid = features.values[features.valid].astype(np.float64)
    mean, std = valid.mean(axis=0), valid.std(axis=0)
    constant = std < CONSTANT_BELOW
    scale = np.where(constant, 1.0, std)
    values = (features.values - mean) / scale
    values[:, constant] = 0.0
    names = tuple(np.array(features.feature_names)[constant].tolist())
    return replace(
        features,
        values=values.astype(np.float32),
        extra={"mean": mean.astype(np.float32), "std": std.astype(np.float32)},
        constant_channels=names,
    )


def zscore_session(features_path: Path, output: Path) -> None:
    """Read a feature file, write its normalized file (see ``docs/data_dictionary.md``).

    Raises:
        InputError: A role without a valid frame; names file, session and role.
    """
    normalized = {}
    for role, features in contract.read_features(features_path).items():
        try:
            normalized[role] = zscore(features)
        except InputError as error:
            raise InputError(f"{features_path}, role {role}: {error}") from error
        if normalized[role].constant_channels:
            logger.info(
                "%s, role %s: constant channels set to 0: %s",
                features_path,
                role,
                ", ".join(normalized[role].constant_channels),
            )
    with contract.open_file(features_path, "features") as file:
        subjects = {role: str(file[role].attrs["subject"]) for role in normalized}
        segments = file["segments"][:] if "segments" in file else None
    contract.write_features(
        output,
        normalized,
        subjects=subjects,
        created_by="zscore_stream",
        schema="normalized",
        config={"constant_below": CONSTANT_BELOW},
        inputs=contract.digest_inputs(features=features_path),
        segments=segments,
    )
