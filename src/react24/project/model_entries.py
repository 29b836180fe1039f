"""The entries under ``models``: hyperparameters put together, published weights named."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from react24 import models as registry
from react24.contracts.entry_points import is_file, resolve
from react24.contracts.model import ModelType
from react24.contracts.model_settings import ModelSettings
from react24.contracts.paths import seek
from react24.contracts.rounds import find_mistakes, touches
from react24.contracts.settings import show
from react24.errors import InputError, InputErrors, nearest
from react24.project.yaml_file import read_mapping
from react24.training.settings import LoopSettings
from react24.weights.unfit import explain_unfit

MODEL_FOLDER = "config/models"
QUICK = "quick"
"""The preset that can have a settings file of its own, beside the model's."""
_MISSING = object()


@dataclass(frozen=True)
class InspectedModel:
    """What could be made of an entry.

    Attributes:
        kind: Its type; None where that cannot be told.
        settings: Hyperparameters; None where what is wrong with them may decide what it reads.
        reads: Streams that training or sampling reads.
        problems: What is wrong.
    """

    kind: ModelType | None = None
    settings: dict[str, Any] | None = None
    reads: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def resolve_model(
    name: str, entry: Mapping[str, Any], root: str | Path = ".", *, start: Path | None = None
) -> dict[str, Any]:
    """Hyperparameters of one model: its settings file, preset, overrides, variant; defaults.

    ``start`` as for ``load_settings``.

    Raises:
        InputErrors: No settings file, unknown override, wrong value.
    """
    model = inspect_model(name, entry, root, start=start)
    if model.problems or model.settings is None:
        raise InputErrors(f"models.{name}", list(model.problems))
    return model.settings


def inspect_model(
    name: str, entry: Mapping[str, Any], root: str | Path = ".", *, start: Path | None = None
) -> InspectedModel:
    """As ``resolve_model``, but tells what is wrong beside what could be made of the entry."""
    where, root = f"models.{name}", Path(root)
    path = entry.get("settings") or seek(f"{MODEL_FOLDER}/{name}.yaml", start)
    try:
        written = _read_model_file(where, path, root)
        kind, model = _find_type(where, path, written, root, start)
    except InputError as error:
        told = [text if text.startswith(where) else f"{where}: {text}" for text in _told(error)]
        return InspectedModel(problems=tuple(told))
    problems: list[str] = []
    layers: list[tuple[str, Mapping]] = [(f"{where}: {path}", written)]
    if entry.get("preset") == QUICK:
        try:
            layers.append(_read_preset(where, path, model, root))
        except InputError as error:
            problems += _told(error)
    layers.append((f"{where}.overrides", entry.get("overrides") or {}))
    base = _defaults(model)
    merged = _lay_over(base, written) if base else copy.deepcopy(written)
    for place, values in layers[1:]:
        merged = _merge(merged, values, place, problems)
    merged |= {"type": kind, "variant": entry.get("variant", merged.get("variant"))}
    settings, found, wrong = model.inspect_settings(merged, where)
    located = [_locate(problem, where, layers) for problem in found + _loop_problems(merged, where)]
    problems += [text for text in dict.fromkeys(located) if text not in problems]
    reads: tuple[str, ...] = ()
    if any("." not in key for key in wrong):  # such as `sound`, which decides what is read
        settings = None
    elif settings is not None:
        try:
            reads = model.streams(settings)
        except Exception as error:  # whatever the user's code may raise
            problems.append(f"{where}: what its type {kind} reads: {_say(error)}")
            settings = None
    return InspectedModel(model, settings, reads, tuple(problems))


def _say(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _loop_problems(merged: Mapping[str, Any], where: str) -> list[str]:
    """What is wrong with the settings of the training loop."""
    given = merged.get("training")
    if given is not None and not isinstance(given, Mapping):
        return []  # told of the model's own section
    values = {**(given or {}), "epochs": 1}
    return find_mistakes(values, lambda *_: LoopSettings, where=f"{where}.training").problems


def _told(error: InputError) -> tuple[str, ...]:
    return tuple(error.problems) if isinstance(error, InputErrors) else (str(error),)


def _find_type(
    where: str, path: str, written: Mapping, root: Path, start: Path | None
) -> tuple[str, ModelType]:
    """What a settings file says of its type, a file of the user's own as jobs can open it."""
    kind = written.get("type", Path(path).stem)
    if not isinstance(kind, str):
        raise InputError(f"{where}: {path}, key type: found {show(kind)}; accepted is text")
    if is_file(kind):
        kind = seek(kind, start)
    try:
        return kind, registry.get(kind, root)
    except InputError as error:
        raise InputError(f"{where}: {path}, key type: {error}") from error


def _defaults(model: ModelType) -> dict[str, Any]:
    """Every key of a model with its official value, null where the variant decides.

    Empty for a model that does not say: there the settings file has to hold every key.
    """
    found = resolve(model.settings)
    if not (isinstance(found, type) and issubclass(found, ModelSettings)):
        return {}
    loop = LoopSettings().model_dump(mode="json", exclude={"epochs"})
    base = _lay_over(found.defaults(), {"training": loop})
    return _lay_over(base, model.presets.get("official", {}))


def _locate(problem: str, where: str, layers: list[tuple[str, Mapping]]) -> str:
    """A sentence that names the place at which the value was written."""
    key = problem.removeprefix(f"{where}.").partition(":")[0].partition("[")[0]
    for place, values in reversed(layers):
        found: Any = values
        for part in key.split("."):
            found = found.get(part, _MISSING) if isinstance(found, Mapping) else _MISSING
        if problem.startswith(f"{where}.") and found is not _MISSING:
            return place + problem.removeprefix(where)
    return problem


def settings_files(name: str, entry: Mapping[str, Any]) -> list[Path]:
    """Files that the hyperparameters of a model are read from, whether they are there or not."""
    path = Path(entry.get("settings") or f"{MODEL_FOLDER}/{name}.yaml")
    return [path, path.with_suffix(f".{QUICK}.yaml")]


def find_checkpoint(
    name: str, entry: Mapping, model: InspectedModel, root: Path, wrong: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Published files that take the place of training a model, and what is wrong with them.

    Args:
        name: Of the model in the configuration.
        entry: There.
        model: What could be made of it; what cannot be told without its type is not told.
        root: Folder that paths start from.
        wrong: Keys of the configuration that have been taken out because they are wrong.

    Returns:
        Name -> path, empty where the model is trained or they cannot be used; what is wrong.
    """
    given, where = entry.get("checkpoint"), f"models.{name}.checkpoint"
    if given is None or touches(wrong, where):
        return {}, []
    files, problems = {}, []
    if model.kind is not None:
        if model.kind.convert is None:
            told = (
                f"{where}: found {show(given)}, but no published weights of {model.kind.title} "
                "are known; leave it out to train the model"
            )
            return {}, [told]
        try:
            files = model.kind.convert.name_files(given)
            # Without its variant, what official weights ask of the settings is not known.
            settings = None if touches(wrong, f"models.{name}.variant") else model.settings
            found = model.kind.convert.find_problems(files, settings)
            problems += [f"{where}: {text}" for text in found]
        except InputError as error:
            problems.append(f"{where}: {error}")
    named = {"": given} if isinstance(given, str) else {f".{key}": p for key, p in given.items()}
    for key, path in named.items():
        if text := explain_unfit(root / path):
            problems.append(f"{where}{key}: found {path!r}; {text}")
    return ({} if problems else files), problems


def _read_preset(
    where: str, path: str, model: ModelType, root: Path
) -> tuple[str, Mapping[str, Any]]:
    """The quick preset: that of a file beside the settings file, or the model's own."""
    preset = str(Path(path).with_suffix(f".{QUICK}.yaml"))
    if (root / preset).is_file():
        return f"{where}: {preset}", read_mapping(root / preset)
    if QUICK in model.presets:
        return f"{where}: preset {QUICK}", model.presets[QUICK]
    raise InputError(
        f"{where}.preset: found {QUICK}, but there is no {preset}; write it (the keys of "
        f"{path} that differ), or leave the preset out"
    )


def _read_model_file(where: str, path: str, root: Path) -> dict[str, Any]:
    """A settings file; nothing where a built-in type has none."""
    if (root / path).is_file():
        return read_mapping(root / path)
    built_in = Path(path).stem in registry.BUILT_IN and Path(path).suffix == ".yaml"
    if path in registry.BUILT_IN or (built_in and Path(path).parent == Path(MODEL_FOLDER)):
        return {}
    files = (root / MODEL_FOLDER).glob("*.yaml")
    stems = {p.stem for p in files if "." not in p.stem}  # presets are no models
    known = sorted(stems | set(registry.BUILT_IN))
    near = nearest(Path(path).stem, known)
    hint = f"did you mean {near}? " if near else ""
    raise InputError(
        f"{where}: no settings file {path}; {hint}Models with settings in {MODEL_FOLDER}, or "
        f"built in: {', '.join(known)}"
    )


def _lay_over(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``values`` laid over it, section by section."""
    merged = copy.deepcopy(dict(base))
    for key, value in values.items():
        inside = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _lay_over(merged[key], value) if inside else copy.deepcopy(value)
    return merged


def _merge(base: Mapping, overrides: Mapping, where: str, problems: list[str]) -> dict[str, Any]:
    """As `_lay_over`; a key that ``base`` lacks is a problem."""
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
