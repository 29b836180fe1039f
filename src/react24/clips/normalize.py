"""z-scores per session and role, made once and kept beside the clips that are cut from them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from react24.errors import InputError
from react24.files import contract
from react24.files.carriers import is_made_by
from react24.files.provenance import Recipe, declaring

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
    del valid  # of double size
    values = features.values - mean
    values /= np.where(constant, 1.0, std)
    values[:, constant] = 0.0
    names = tuple(np.array(features.feature_names)[constant].tolist())
    return replace(
        features,
        values=values.astype(np.float32),
        extra={"mean": mean.astype(np.float32), "std": std.astype(np.float32)},
        constant_channels=names,
    )


def zscore_session(path: Path) -> dict[str, contract.Features]:
    """The z-scores of a feature file: role -> features, as `zscore` returns them.

    Raises:
        InputError: A role without a valid frame; names file and role.
        StoreError: It is no such file.
    """
    normalized = {}
    for role, features in contract.read_features(path).items():
        try:
            normalized[role] = zscore(features)
        except InputError as error:
            raise InputError(f"{path}, role {role}: {error}") from error
        if normalized[role].constant_channels:
            channels = ", ".join(normalized[role].constant_channels)
            logger.info("%s, role %s: constant channels set to 0: %s", path, role, channels)
    return normalized


def normalize_session(
    features: Path, kept: Path, *, digest: str, code: str = "", keep: bool = True
) -> dict[str, contract.Features]:
    """The z-scores of a session, read where they are kept and still right, made otherwise.

    Args:
        features: Feature file.
        kept: File they are kept in (schema ``normalized``, see ``docs/data_dictionary.md``).
        digest: SHA-256 of ``features``.
        code: Digest of the code that makes them; what other code has made is made anew.
        keep: False writes no such file and deletes one that is there.

    Returns:
        Role -> features; the same numbers whether read or made.

    Raises:
        InputError, StoreError: As `zscore_session`.
    """
    if not keep:
        kept.unlink(missing_ok=True)
        return zscore_session(features)
    settings, inputs = {"constant_below": CONSTANT_BELOW}, {"features": digest}
    recipe = Recipe("window_clips", code, settings, inputs)
    if is_made_by(kept, recipe):
        return contract.read_features(kept, "normalized")
    normalized = zscore_session(features)
    with contract.open_file(features, "features") as file:
        subjects = {role: str(file[role].attrs["subject"]) for role in normalized}
        segments = file["segments"][:] if "segments" in file else None
    with declaring(recipe):  # not that of the job, which is of all sessions
        contract.write_features(
            kept,
            normalized,
            subjects=subjects,
            created_by=recipe.rule,
            schema="normalized",
            config=settings,
            inputs=inputs,
            segments=segments,
        )
    logger.info("%s: z-scores made from %s", kept, features)
    return normalized
