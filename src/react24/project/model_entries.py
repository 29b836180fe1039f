"""The entries under ``models``: hyperparameters put together, published weights named.

A built-in type brings its settings and presets along; files in ``config/models``, or where the
entry says, take their place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from react24 import models as registry
from react24.contracts.entry_points import is_file, resolve
from react24.contracts.model import ModelType
from react24.contracts.paths import seek
from react24.contracts.settings import show
from react24.errors import InputError, InputErrors, nearest
from react24.project.yaml_file import read_yaml
from react24.training.settings import LoopSettings, read_loop_settings

MODEL_FOLDER = "config/models"
QUICK = "quick"
"""The preset that can have a settings file of its own, beside the model's."""


def resolve_model(
    name: str, entry: Mapping[str, Any], root: str | Path = ".", *, start: Path | None = None
) -> dict[str, Any]:
    """Hyperparameters of one model: its settings file, preset, overrides, variant; defaults.

    Args:
        name: The user's name for it (key under ``models``).
        entry: ``settings``, ``preset``, ``variant`` and ``overrides``.
        root: Folder that relative paths start from.
        start: As for ``load_settings``.

    Raises:
        InputError: No settings file, unknown override, wrong value.
    """
    where, root = f"models.{name}", Path(root)
    path = entry.get("settings") or seek(f"{MODEL_FOLDER}/{name}.yaml", start)
    base = _read_base(where, name if entry.get("settings") is None else path, path, root)
    overrides = entry.get("overrides") or {}
    kind = {**base, **overrides}.get("type", Path(path).stem)
    if not isinstance(kind, str):
        raise InputError(f"{where}: {path}, key type: found {show(kind)}; accepted is text")
    if is_file(kind):
        kind = seek(kind, start)
    try:
        model = registry.get(kind, root)
    except InputError as error:
        raise InputError(f"{where}: {path}, key type: {error}") from error
    problems: list[str] = []
    if entry.get("preset") == QUICK:
        base = _lay_preset_over(base, model, where, path, root, problems)
    merged = _merge(base, overrides, f"{where}.overrides", problems)
    if problems:
        raise InputErrors(where, problems)
    merged |= {"variant": entry.get("variant", merged.get("variant")), "type": kind}
    settings = model.read_settings(merged, where)
    read_loop_settings(settings.get("training"), epochs=1, where=f"{where}.training")
    return settings


def settings_files(name: str, entry: Mapping[str, Any]) -> list[Path]:
    """Files that the hyperparameters of a model are read from, whether they are there or not."""
    path = Path(entry.get("settings") or f"{MODEL_FOLDER}/{name}.yaml")
    return [path, path.with_suffix(f".{QUICK}.yaml")]


def resolve_checkpoint(name: str, entry: Mapping, settings: Mapping, root: Path) -> dict[str, str]:
    """Published files that take the place of training a model: name -> path; empty for none.

    Args:
        name: The user's name for the model.
        entry: ``checkpoint``: a path, or a mapping of names to paths.
        settings: The model's resolved hyperparameters.
        root: Folder that relative paths start from.

    Raises:
        InputError: No such files, or the model does not take them.
    """
    given, where = entry.get("checkpoint"), f"models.{name}.checkpoint"
    if given is None:
        return {}
    model = registry.get(settings["type"], root)
    if model.convert is None:
        raise InputError(
            f"{where}: found {show(given)}, but no published weights of {model.title} are "
            "known; leave it out to train the model"
        )
    try:
        files = model.convert.name_files(given)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    problems = [f"{where}: {text}" for text in model.convert.find_problems(files, settings)]
    problems += [
        f"{where}.{key}: found {path!r}; no such file"
        for key, path in files.items()
        if not (root / path).is_file()
    ]
    if problems:
        raise InputErrors(where, problems)
    return files


def _read_base(where: str, built_in: str, path: str, root: Path) -> dict[str, Any]:
    """The settings file, or the settings of a built-in type where there is no such file."""
    if not (root / path).is_file():
        if built_in in registry.BUILT_IN:
            return _built_in_settings(registry.get(built_in))
        files = (root / MODEL_FOLDER).glob("*.yaml")
        known = sorted(p.stem for p in files if "." not in p.stem)  # presets are no models
        near = nearest(Path(path).stem, {*known, *registry.names()})
        hint = f"did you mean {near}? " if near else ""
        raise InputError(
            f"{where}: no settings file {path}; {hint}Models with settings in {MODEL_FOLDER}: "
            f"{', '.join(known) or 'none'}; built in, e.g. with settings: {registry.names()[0]}: "
            f"{', '.join(registry.names())}"
        )
    return _read_file(where, path, root)


def _built_in_settings(model: ModelType) -> dict[str, Any]:
    """What a settings file with every key and the official values holds."""
    loop = LoopSettings().as_dict()
    del loop["epochs"]
    values = {**resolve(model.settings).defaults(), "training": loop}
    return _lay_over(values, model.presets.get("official", {}))


def _lay_preset_over(
    base: Mapping, model: ModelType, where: str, path: str, root: Path, problems: list[str]
) -> dict[str, Any]:
    """Settings with those of the quick preset: of the file beside theirs, or of the type."""
    preset = str(Path(path).with_suffix(f".{QUICK}.yaml"))
    if (root / preset).is_file():
        values = _read_file(where, preset, root)
        return _merge(base, values, f"{where}: {preset}", problems)
    if QUICK not in model.presets:
        raise InputError(
            f"{where}.preset: found {QUICK}, but there is no {preset}; write it (the keys of "
            f"{path} that differ), or leave the preset out"
        )
    return _lay_over(base, model.presets[QUICK])


def _read_file(where: str, path: str, root: Path) -> dict[str, Any]:
    values = read_yaml(root / path)
    if not isinstance(values, dict):
        raise InputError(f"{where}: {path} holds {show(values)}; accepted is a mapping")
    return values


def _lay_over(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``values`` in its place, section by section."""
    merged = dict(base)
    for key, value in values.items():
        inside = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _lay_over(merged[key], value) if inside else value
    return merged


def _merge(base: Mapping, overrides: Mapping, where: str, problems: list[str]) -> dict[str, Any]:
    """``base`` with ``overrides`` laid over it; a key that ``base`` lacks is a problem."""
    merged = copy.deepcopy(dict(base))
    for key, value in overrides.items():
        if key not in base:
            near = nearest(str(key), base)
            hint = f"did you mean {where}.{near}? " if near else ""
            problems.append(f"{where}.{key}: unknown key; {hint}Accepted: {', '.join(base)}")
        elif isinstance(base[key], Mapping):
            if value is not None and not isinstance(value, Mapping):
                problems.append(f"{where}.{key}: found {show(value)}; accepted is a mapping")
                continue
            merged[key] = _merge(base[key], value or {}, f"{where}.{key}", problems)
        else:
            merged[key] = value
    return merged
