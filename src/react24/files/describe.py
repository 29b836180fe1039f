"""What an HDF5 file of the pipeline holds, in lines for a person."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from react24.files.contract import SCHEMAS, StoreError, open_hdf5

LONGEST = 100
"""Characters of an attribute that are shown."""


def describe_file(path: str | Path) -> str:
    """Schema, attributes, groups and datasets of a file.

    Raises:
        FileNotFoundError: No such file.
        StoreError: Not HDF5, or not a file of the contract.
    """
    with open_hdf5(path) as file:
        schema = file.attrs.get("schema")
        if schema not in SCHEMAS:
            raise StoreError(f"{path}: no file of react24: its attribute schema is {schema!r}")
        current, rule = SCHEMAS[schema]
        version = int(file.attrs.get("schema_version", 0))
        age = "" if version == current else f" (out of date: now {current}; rerun {rule})"
        lines = [f"{path}: schema {schema}, version {version}{age}"]
        lines += _attributes(file, "  ")
        file.visititems(lambda name, item: lines.extend(_item(name, item)))
    return "\n".join(lines)


def _item(name: str, item: h5py.Group | h5py.Dataset) -> list[str]:
    indent = "  " * (name.count("/") + 1)
    if isinstance(item, h5py.Group):
        return [f"{indent}{name}/", *_attributes(item, indent + "  ")]
    chunks = f", chunks {item.chunks}" if item.chunks else ""
    kind = f"({', '.join(item.dtype.names)})" if item.dtype.names else str(item.dtype)
    return [f"{indent}{name}: {kind} {item.shape}{chunks}", *_attributes(item, indent + "  ")]


def _attributes(item: h5py.Group | h5py.Dataset, indent: str) -> list[str]:
    return [f"{indent}@{name} = {_shorten(value)}" for name, value in sorted(item.attrs.items())]


def _shorten(value: object) -> str:
    if isinstance(value, np.ndarray):
        value = f"[{', '.join(str(v) for v in value.ravel())}]"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
