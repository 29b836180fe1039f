"""The HDF5 contract: what every file of the pipeline looks like, how it is written and read.

One job writes one file. It is written beside its target under a temporary name, flushed, synced
and renamed, so a file that carries its final name is complete and never changes. That is why no
file is locked (`open_hdf5`): locks would protect nothing, and some file systems of clusters have
none. Every file says at its root what
it is (``schema``), who made it (``created_by``, ``react24_version``), with which settings
(``config``, JSON) and from what (``inputs``, JSON: name -> sha256).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from react24.conventions import FPS, ROLES
from react24.files.atomic import FULL, StoreError, atomic_path, sha256_file
from react24.files.provenance import RECIPE, STAMP, Recipe, declared

SCHEMAS: dict[str, tuple[int, str]] = {
    "truth": (1, "make_demo_session"),
    "media": (2, "probe_session"),
    "faces": (1, "track_faces"),
    "neutral": (1, "find_neutral"),
    "features": (1, "extract_<stream>"),
    "normalized": (1, "window_clips"),
    "clips": (1, "window_clips"),
    "appropriate": (1, "appropriate_reactions"),
    "history": (1, "train_<model>"),
    "samples": (1, "sample_reactions"),
    "metrics": (1, "score_reactions"),
}
"""Schema name -> (version, rule that writes it)."""

NAME_BYTES = 64
INDEX_DTYPE = np.dtype(
    [
        ("session", f"S{NAME_BYTES}"),
        ("role", "S1"),
        ("subject", f"S{NAME_BYTES}"),
        ("partner", "<i4"),
        ("clip", "<i4"),
        ("start", "<i4"),
    ]
)
"""One row of a clips index: who, which clip (1-based), its first frame, and the partner's row."""


class NotHdf5Error(StoreError):
    """A file that HDF5 cannot read: another format, or damaged."""


def digest_inputs(**paths: str | Path) -> dict[str, str]:
    """SHA-256 per named input file, in the form that ``create`` stores."""
    return {name: sha256_file(path) for name, path in paths.items()}


@contextmanager
def create(
    path: str | Path,
    *,
    schema: str,
    created_by: str,
    config: Mapping | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Iterator[h5py.File]:
    """Write one HDF5 file of the contract, atomically.

    Args:
        path: Final name.
        schema: A key of ``SCHEMAS``.
        created_by: Rule or command that writes the file.
        config: The settings that shaped the content (must be JSON-able).
        inputs: Name -> sha256 of what it was made from (``digest_inputs``).

    Yields:
        The open file, its root attributes already set.

    Raises:
        StoreError: Unknown schema.
    """
    if schema not in SCHEMAS:
        raise StoreError(f"unknown schema {schema!r}; known: {', '.join(SCHEMAS)}")
    from react24 import __version__

    with atomic_path(path) as temporary, open_hdf5(temporary, "w") as file:
        file.attrs["schema"] = schema
        file.attrs["schema_version"] = SCHEMAS[schema][0]
        file.attrs["react24_version"] = __version__
        file.attrs["created_by"] = created_by
        file.attrs["config"] = json.dumps(config or {}, sort_keys=True)
        file.attrs["inputs"] = json.dumps(dict(inputs or {}), sort_keys=True)
        if (recipe := declared()) is not None:
            write_recipe(file, recipe)
        yield file
        file.flush()


def write_recipe(file: h5py.File, recipe: Recipe) -> None:
    """Have an open file carry a recipe, in place of the one it has."""
    file.attrs[RECIPE] = json.dumps(recipe.to_json(), sort_keys=True)
    file.attrs[STAMP] = recipe.stamp


def open_hdf5(path: str | Path, mode: str = "r") -> h5py.File:
    """Open any HDF5 file without locking it; every other way to open one goes through here.

    Args:
        path: The file.
        mode: ``r`` to read, ``w`` to write anew, ``r+`` to change.

    Raises:
        FileNotFoundError: No such file.
        NotHdf5Error: It is no HDF5 file, or not a whole one.
        StoreError: It may not be read, or is locked by somebody else.
    """
    try:
        return h5py.File(path, mode, locking=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except PermissionError as error:
        raise StoreError(
            f"{path}: may not be opened ({error.strerror or 'permission denied'}); correct the "
            f"rights of the file and its folder"
        ) from error
    except OSError as error:
        if error.errno in FULL:  # told by `atomic_path`
            raise
        if "unable to lock file" in str(error):  # HDF5 obeys the variable whatever it is told
            raise StoreError(
                f"{path}: cannot be locked, which says nothing against the file; unset "
                f"HDF5_USE_FILE_LOCKING in the environment, react24 needs no locks"
            ) from error
        raise NotHdf5Error(f"{path}: not a readable HDF5 file ({error})") from error


def open_file(path: str | Path, schema: str) -> h5py.File:
    """Open a file of the contract for reading, after checking what it is.

    Use it as a context manager. Datasets are read lazily; open per process.

    Raises:
        FileNotFoundError: No such file.
        StoreError: It cannot be opened, is not HDF5, has another schema or another version of it.
    """
    version, rule = SCHEMAS[schema]
    try:
        file = open_hdf5(path)
    except NotHdf5Error as error:
        raise StoreError(f"{error}; delete it and rerun {rule}") from error
    found = (file.attrs.get("schema"), int(file.attrs.get("schema_version", 0)))
    if found != (schema, version):
        file.close()
        raise StoreError(
            f"{path}: expected schema {schema} version {version}, found {found[0]} version "
            f"{found[1]}; rerun {rule} (snakemake --forcerun {rule})"
        )
    return file


def read_json(file: h5py.File, name: str) -> dict:
    """A JSON root attribute (``config`` or ``inputs``) as a dict."""
    return json.loads(file.attrs[name])


@dataclass(frozen=True)
class Features:
    """One stream of one person.

    Attributes:
        values: float32 (T, D), finite.
        valid: bool (T,); False where a value is interpolated or unknown.
        feature_names: D names.
        stream: e.g. ``graphau``.
        backend: e.g. ``landmarks``.
        pretrained: False if any network behind it ran with random weights.
        weights: Name and sha256 of the weights, or a sentence where there are none.
    """

    values: np.ndarray
    valid: np.ndarray
    feature_names: tuple[str, ...]
    stream: str
    backend: str
    pretrained: bool
    weights: str = "none needed"
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Further float32 arrays of any shape stored beside ``features``: ``mean`` and ``std`` (D,) of
    normalized files, ``neutral`` (478, 3) and ``pose_error`` (T,) of face streams."""
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    """Further attributes, on how the values were found; kept through normalization."""
    constant_channels: tuple[str, ...] = ()
    """Names of channels that a z-score found constant (normalized files only)."""


def write_features(
    path: str | Path,
    features: Mapping[str, Features],
    *,
    subjects: Mapping[str, str],
    created_by: str,
    schema: str = "features",
    config: Mapping | None = None,
    inputs: Mapping[str, str] | None = None,
    segments: np.ndarray | None = None,
    finish: Callable[[h5py.File], None] | None = None,
) -> None:
    """Write the features of both roles of a session.

    Args:
        path: Final name.
        features: Role -> features; all with the same T, D and names.
        subjects: Role -> subject.
        created_by: Rule that writes.
        schema: ``features`` or ``normalized``.
        config: Settings that shaped the features.
        inputs: Name -> sha256.
        segments: int (n, 3) clip number, start frame, length; None for one whole segment.
        finish: Adds to the file before it is closed.

    Raises:
        StoreError: Different lengths, wrong shapes, NaN or inf (names role, frame and channel).
    """
    lengths = {role: len(f.values) for role, f in features.items()}
    if len(set(lengths.values())) != 1:
        raise StoreError(f"{path}: the roles differ in length: {lengths}")
    with create(path, schema=schema, created_by=created_by, config=config, inputs=inputs) as file:
        for role, part in features.items():
            _check_features(f"{path}, role {role}", part)
            group = file.create_group(role)
            group.create_dataset("features", data=np.asarray(part.values, np.float32))
            group.create_dataset("valid", data=np.asarray(part.valid, bool))
            for name, array in part.extra.items():
                group.create_dataset(name, data=np.asarray(array, np.float32))
            group.attrs["fps"] = FPS
            group.attrs["feature_names"] = list(part.feature_names)
            for name in ("stream", "backend", "pretrained", "weights"):
                group.attrs[name] = getattr(part, name)
            group.attrs["subject"] = subjects[role]
            group.attrs["constant_channels"] = json.dumps(list(part.constant_channels))
            group.attrs["attributes"] = json.dumps(dict(part.attributes), sort_keys=True)
        if segments is not None:
            file.create_dataset("segments", data=np.asarray(segments, np.int32))
        if finish is not None:
            finish(file)


def _check_features(where: str, part: Features) -> None:
    values = np.asarray(part.values)
    if values.ndim != 2 or values.shape[1] != len(part.feature_names):
        raise StoreError(
            f"{where}: features have shape {values.shape}, expected (T, {len(part.feature_names)})"
        )
    if np.shape(part.valid) != values.shape[:1]:
        raise StoreError(f"{where}: valid has shape {np.shape(part.valid)}, expected {len(values)}")
    bad = ~np.isfinite(values)
    if bad.any():
        frame, channel = np.argwhere(bad)[0]
        raise StoreError(
            f"{where}: {bad.sum()} values of {part.stream} are not finite, the first at frame "
            f"{frame}, channel {part.feature_names[channel]}"
        )


def read_features(path: str | Path, schema: str = "features") -> dict[str, Features]:
    """Read a feature or normalized file whole: role -> Features.

    Raises:
        StoreError: Another schema or version.
    """
    with open_file(path, schema) as file:
        return {role: _read_role(file[role]) for role in ROLES if role in file}


def _read_role(group: h5py.Group) -> Features:
    extra = {name: group[name][:] for name in group if name not in ("features", "valid")}
    return Features(
        values=group["features"][:],
        valid=group["valid"][:],
        feature_names=tuple(str(n) for n in group.attrs["feature_names"]),
        stream=str(group.attrs["stream"]),
        backend=str(group.attrs["backend"]),
        pretrained=bool(group.attrs["pretrained"]),
        weights=str(group.attrs["weights"]),
        extra=extra,
        constant_channels=tuple(json.loads(group.attrs["constant_channels"])),
        attributes=json.loads(group.attrs.get("attributes", "{}")),
    )
