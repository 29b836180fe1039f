"""What a file of the pipeline holds, in lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from react24.conventions import EMOTION_NAMES
from react24.files.carriers import DESCRIPTION, HDF5, read_recipe
from react24.files.contract import SCHEMAS, StoreError, open_hdf5
from react24.files.provenance import RECIPE, STAMP, Recipe
from react24.files.ranges import measure, short

LONGEST = 100
"""Characters of an attribute that are shown."""

MOST = 12
"""Files that a file was made from, and notices, that are shown."""

NO_LOSSES = ("step", "epoch")
"""What a history holds beside losses."""

KNOWN_COLUMNS = {"emotion": EMOTION_NAMES}
"""Dataset -> names of its columns, where the file does not say them."""


def describe(path: str | Path, *, columns: bool = False) -> str:
    """An HDF5 file, a trained stage (its folder or ``model.json``), or the recipe of another file.

    Args:
        path: The file or folder.
        columns: Give the range of every column, too.

    Raises:
        FileNotFoundError: No such file.
        StoreError: Not a file of react24.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if path.is_dir() or path.name == DESCRIPTION:
        return "\n".join(_model(folder))
    recipe = read_recipe(path) if path.suffix != HDF5 and path.is_file() else None
    if recipe is not None:
        return "\n".join([f"{path}: {path.stat().st_size} bytes", *describe_recipe(recipe, "  ")])
    return describe_file(path, columns=columns)


def describe_file(path: str | Path, *, columns: bool = False) -> str:
    """Schema, recipe, attributes, groups and datasets of an HDF5 file; see ``describe``."""
    with open_hdf5(path) as file:
        schema = file.attrs.get("schema")
        if schema not in SCHEMAS:
            raise StoreError(f"{path}: no file of react24: its attribute schema is {schema!r}")
        current, rule = SCHEMAS[schema]
        version = int(file.attrs.get("schema_version", 0))
        age = "" if version == current else f" (out of date: now {current}; rerun {rule})"
        lines = [f"{path}: schema {schema}, version {version}{age}"]
        lines += describe_recipe(read_recipe(path), "  ")
        lines += _attributes(file, "  ")
        file.visititems(lambda name, item: lines.extend(_item(name, item, columns)))
    return "\n".join(lines)


def describe_recipe(recipe: Recipe | None, indent: str) -> list[str]:
    """What a file was made by, with and from."""
    if recipe is None:
        return [f"{indent}recipe: none (made outside the workflow, or by an older react24)"]
    codes = recipe.code if isinstance(recipe.code, list) else [recipe.code]
    code = ", ".join(str(digest)[:12] for digest in codes)
    lines = [f"{indent}stamp {recipe.stamp}: rule {recipe.rule}, code {code}"]
    lines += [f"{indent}  {name} = {_shorten(value)}" for name, value in flat(recipe.settings)]
    files = [f"{indent}  from {name}: {stamp}" for name, stamp in recipe.made_from.items()]
    return lines + first(files, indent + "  ")


def flat(values: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Settings under dotted names."""
    for key, value in values.items():
        where = f"{name}.{key}" if name else str(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, where)
        else:
            yield where, value


def first(lines: list[str], indent: str) -> list[str]:
    """The first of many lines, and how many there are beside."""
    more = len(lines) - MOST
    return lines if more <= 0 else [*lines[:MOST], f"{indent}and {more} more"]


# HDF5


def _item(name: str, item: h5py.Group | h5py.Dataset, columns: bool) -> list[str]:
    indent = "  " * (name.count("/") + 1)
    if isinstance(item, h5py.Group):
        return [f"{indent}{name}/", *_attributes(item, indent + "  ")]
    if name == "notices":
        return _notices(item)
    chunks = f", chunks {item.chunks}" if item.chunks else ""
    kind = f"({', '.join(item.dtype.names)})" if item.dtype.names else str(item.dtype)
    head, *more = _values(item, columns)
    told = f"  {head}" if head else ""
    lines = [f"{indent}{name}: {kind} {item.shape}{chunks}{told}"]
    return lines + [f"{indent}  {line}" for line in more] + _attributes(item, indent + "  ")


def _values(item: h5py.Dataset, columns: bool) -> list[str]:
    """What the values are like: a phrase, and a line for each column where they are wanted."""
    if not item.size:
        return [""]
    if item.dtype.names and "session" in item.dtype.names:
        sessions = sorted({name.decode() for name in item["session"]})
        return [f"sessions: {', '.join(first(sessions, ''))}"]
    if item.dtype.kind == "b":
        return [f"true in {100 * np.mean(item[()]):.1f} %"]
    if item.dtype.kind not in "fiu" or not item.ndim:
        return [""]
    if item.file.attrs["schema"] == "history" and not item.name.endswith(NO_LOSSES):
        return [_course(item[()])]
    ranges = measure(item, _valid_of(item))
    shown = columns and item.ndim > 1
    return [ranges.summary(), *(ranges.columns(_names(item)) if shown else ())]


def _course(values: np.ndarray) -> str:
    """How a loss went."""
    return f"{short(values[0])} -> {short(values[-1])}, lowest {short(np.nanmin(values))}"


def _valid_of(item: h5py.Dataset) -> np.ndarray | None:
    """Which frames of a dataset are valid: ``valid`` beside it, where the dimensions agree."""
    valid = item.parent.get("valid")
    if not isinstance(valid, h5py.Dataset) or valid.shape != item.shape[: valid.ndim]:
        return None
    return np.asarray(valid[()], bool)


def _names(item: h5py.Dataset) -> list[str]:
    """Names of the columns, numbers where there are none."""
    width = item.shape[-1]
    found = item.parent.attrs.get("feature_names", item.file.attrs.get("feature_names"))
    names = json.loads(found) if isinstance(found, str) else found
    if names is None or len(names) != width:
        names = KNOWN_COLUMNS.get(item.name.strip("/"), range(width))
    return [str(name) for name in (names if len(names) == width else range(width))]


def _notices(item: h5py.Dataset) -> list[str]:
    text = item[()]
    notices = json.loads(text.decode() if isinstance(text, bytes) else text)
    lines = [f"    {notice['kind']}: {notice['message']}" for notice in notices]
    return [f"  notices: {len(notices)}", *first(lines, "    ")]


def _attributes(item: h5py.Group | h5py.Dataset, indent: str) -> list[str]:
    """Attributes, less the recipe, which is shown in lines of its own."""
    shown = [(name, value) for name, value in item.attrs.items() if name not in (RECIPE, STAMP)]
    return [f"{indent}@{name} = {_shorten(value)}" for name, value in sorted(shown)]


def _shorten(value: object) -> str:
    if isinstance(value, np.ndarray):
        value = f"[{', '.join(str(v) for v in value.ravel())}]"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


# Trained stages


def _model(folder: Path) -> Iterable[str]:
    """A trained or converted stage: what it is, its settings, and how its training went."""
    about = _read_json(folder / DESCRIPTION)
    try:
        head = f"stage {about['stage']} of {about['model']}, seed {about['seed']}"
        yield f"{folder}: {head}, {about['parameters']:,} parameters"
        settings, inputs = about["config"], about["inputs"]
    except (KeyError, TypeError) as error:
        raise StoreError(f"{folder / DESCRIPTION}: no model of react24 ({error})") from error
    yield from describe_recipe(read_recipe(folder / DESCRIPTION), "  ")
    for name in ("created_by", "react24_version", "git_version", "pretrained", "weights_sha256"):
        yield f"  {name} = {about.get(name)}"
    yield from (f"  {name} = {_shorten(value)}" for name, value in flat(settings))
    yield from (f"  from {name}: sha256 {digest}" for name, digest in inputs.items())
    timing = folder / "training.json"
    if timing.is_file():
        told = [f"{name} {value}" for name, value in _read_json(timing).items()]
        yield f"  training: {', '.join(told)}"
    history = folder / "history.h5"
    if history.is_file():
        with open_hdf5(history) as file:
            for split in file:
                for name, losses in file[split].items():
                    if name not in NO_LOSSES and losses.size:
                        yield f"  {split} {name}: {_course(losses[()])}"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except ValueError as error:
        raise StoreError(f"{path}: not JSON ({error})") from error
