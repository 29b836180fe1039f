"""Settings of a run: ``config/config.yaml`` checked, with defaults, models resolved.

Every Snakemake job evaluates the Snakefile again; there ``check=False`` skips what the main
process has checked already and only fills in defaults, with the same result.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.model import SAMPLING
from react24.conventions import SPLITS
from react24.errors import InputError, InputErrors, nearest
from react24.project import schema as schemas
from react24.project.paths import MODEL_FOLDER, seek, settle_paths
from react24.training.settings import read_loop_settings

logger = logging.getLogger(__name__)

DEMO_ROOT = "resources/demo"
QUICK = "quick"
"""The preset that has a settings file of its own, beside the model's."""
FACE_MODELS = ("mediapipe", "face-landmarker")
"""Values of ``faces.model`` that are no path."""
SOUND_STREAMS = ("vggish", "wav2vec2", "mfcc", "logmel")
"""Streams that are made from sound."""
LEARNED_BASELINES = ("MeanSeq", "MeanFr")
"""Baselines that need the training split."""


@dataclass(frozen=True)
class Settings:
    """Validated settings; ``settings["faces"]["max_gap"]`` reads a value.

    Attributes:
        root: Folder that relative paths of the configuration start from.
        values: All keys of the configuration with defaults filled in (JSON-able).
        models: Model name -> its resolved hyperparameters: settings file, then overrides, then
            ``variant`` (JSON-able).
        checkpoints: Model name -> name -> path of the published files that are converted instead
            of training it; models that are trained are left out.
    """

    root: Path
    values: dict[str, Any]
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, str]] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def sheet(self) -> Path:
        """Path of the sample sheet."""
        return self.root / self.values["sessions"]

    @property
    def corpus_root(self) -> Path:
        """Folder that the sheet's paths start from, seen from where we are."""
        return self.root / self.values["corpus"]["root"]

    @property
    def needed_splits(self) -> tuple[str, ...]:
        """Splits that this run cannot do without: those scored, and train where one learns."""
        needed = set(self.values["sampling"]["split"])
        if any(map(self._learns, self.models)) or set(LEARNED_BASELINES) & set(
            self.values["baselines"]
        ):
            needed.add("train")
        return tuple(name for name in SPLITS if name in needed)

    def _learns(self, model: str) -> bool:
        """Whether a model is trained here, or has a part of it fitted."""
        return model not in self.checkpoints or bool(self._fitted_streams(model))

    def _fitted_streams(self, model: str) -> tuple[str, ...]:
        kind = registry.get(self.models[model]["type"], self.root)
        return kind.conversion_streams(self.models[model])

    def model_streams(self, model: str) -> tuple[str, ...]:
        """Every stream that this run reads for a model, once, in order."""
        kind, settings = registry.get(self.models[model]["type"], self.root), self.models[model]
        if model not in self.checkpoints:
            return kind.streams(settings)
        sampled = kind.stage_inputs(settings, SAMPLING).streams
        return tuple(dict.fromkeys((*sampled, *self._fitted_streams(model))))

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that are extracted: enabled ones, and open ones that a model reads."""
        read = {stream for model in self.models for stream in self.model_streams(model)}
        sections = self.values["streams"].items()
        enabled = {name: section.get("enabled", True) for name, section in sections}
        return tuple(name for name, on in enabled.items() if on or (on is None and name in read))

    @property
    def hears(self) -> bool:
        """Whether any stream is made from sound; where none is, recordings may lack it."""
        return bool(set(SOUND_STREAMS) & set(self.streams))


def load_settings(
    config: Mapping[str, Any],
    root: str | Path = ".",
    *,
    check: bool = True,
    source: str = "configuration",
    start: Path | None = None,
) -> Settings:
    """Check a configuration and fill in its defaults.

    Args:
        config: As Snakemake or ``read_config`` read it.
        root: Folder that relative paths start from.
        check: False in jobs that a checked run has started: values and files are not looked at
            again (unknown keys still are).
        source: How errors call the configuration, e.g. ``config/config.yaml``.
        start: Where relative paths that lead to nothing are sought too (``settle_paths``).

    Raises:
        InputErrors: Everything that is wrong, in one go.
    """
    settings, problems = inspect_settings(config, root, check=check, start=start)
    if problems:
        raise InputErrors(f"{source}: {count(problems)}", problems)
    return settings


def inspect_settings(
    config: Mapping[str, Any],
    root: str | Path = ".",
    *,
    check: bool = True,
    start: Path | None = None,
) -> tuple[Settings, list[str]]:
    """As ``load_settings``, but returns what is wrong beside what could be made of it."""
    root = Path(root)
    problems: list[str] = []
    schema = schemas.load_schema("config")
    values = schemas.fill_defaults(config, schema, problems)
    values = settle_paths(values, schema, start, problems)
    if check:
        wrong = schemas.check_values(values, schema)
        problems += wrong or _check_together(values, root)
    models, checkpoints = {}, {}
    entries = values["models"] if isinstance(values["models"], Mapping) else {}
    for name, entry in entries.items():
        try:
            models[name] = resolve_model(name, entry, root, check=check, start=start)
            if files := resolve_checkpoint(name, entry, models[name], root, check=check):
                checkpoints[name] = files
        except InputErrors as error:
            problems += error.problems
        except InputError as error:
            problems.append(str(error))
    settings = Settings(root, values, models, checkpoints)
    if check and not problems:
        problems += _check_streams(settings)
    return settings, problems


def read_config(path: str | Path) -> dict[str, Any]:
    """A configuration file as a mapping, unchecked.

    Raises:
        InputError: Not there, not YAML, or not a mapping.
    """
    values = schemas.read_yaml(path)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {schemas.show(values)}; accepted is a mapping of settings")
    return values


def count(problems: list[str]) -> str:
    """``1 problem``, ``2 problems``."""
    return f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"


def _check_together(values: Mapping, root: Path) -> list[str]:
    """Problems that concern several keys, or files that keys name."""
    return [
        *_check_ratios(values["split"]),
        *_check_demo(values, root),
        *_check_appropriate(values["appropriate"], root),
        *_check_face_model(values["faces"]["model"], root),
        *_check_weights(values["streams"], root),
    ]


def _check_ratios(ratios: Mapping[str, float]) -> list[str]:
    total = sum(ratios.values())
    if abs(total - 1) <= 1e-6:
        return []
    found = ", ".join(f"{name} {ratios[name]:g}" for name in SPLITS)
    return [
        f"split: found {found}, which add up to {total:g}; accepted are shares that add up to 1"
    ]


def _check_demo(values: Mapping, root: Path) -> list[str]:
    found = values["corpus"]["root"]
    if values["demo"]["enabled"]:
        if (root / found).resolve() == (root / DEMO_ROOT).resolve():
            return []
        return [
            f"demo.enabled: found true with corpus.root {found!r}; the demo corpus is made in "
            f"{DEMO_ROOT}: set demo.enabled: false for your own recordings"
        ]
    try:
        if (root / found).is_dir():
            return []
        what = f"no such folder (seen from {root.resolve()})"
    except PermissionError:
        what = "a folder on the way may not be entered; correct its rights"
    return [f"corpus.root: found {found!r}; {what}"]


def _check_appropriate(values: Mapping, root: Path) -> list[str]:
    problems = []
    for key in ("matrix", "index"):
        path = values[key]
        if values["source"] == "official" and path is None:
            problems.append(
                f"appropriate.{key}: found null; appropriate.source is official, which needs the "
                f"path of a file here"
            )
        elif values["source"] == "official" and not (root / path).is_file():
            problems.append(f"appropriate.{key}: found {path!r}; no such file")
        elif values["source"] != "official" and path is not None:
            problems.append(
                f"appropriate.{key}: found {path!r}, but appropriate.source is "
                f"{values['source']}, which does not use it; set source: official or {key}: null"
            )
    return problems


def _check_face_model(found: str, root: Path) -> list[str]:
    if found in FACE_MODELS or (root / found).is_file():
        return []
    near = nearest(found, FACE_MODELS)
    return [
        f"faces.model: found {found!r}; accepted is {', '.join(FACE_MODELS)}, or the path of a "
        f"Face Landmarker bundle (.task){f' (did you mean {near}?)' if near else ''}"
    ]


def _check_weights(streams: Mapping, root: Path) -> list[str]:
    from react24.weights.registry import DEFAULT_FOLDER, REGISTRY, missing_by_hand

    problems = []
    for name, stream in streams.items():
        if stream.get("backend", "blendshapes") != "blendshapes":
            continue  # needs none
        names = [FACE_MODELS[1]] if "backend" in stream else ["random", *REGISTRY]
        found = stream.get("weights", "random")
        missing = missing_by_hand(found, root / DEFAULT_FOLDER)
        if missing:
            problems.append(f"streams.{name}.weights: {missing}")
        elif found not in names and not (root / found).exists():
            near = nearest(found, names)
            problems.append(
                f"streams.{name}.weights: found {found!r}; accepted is the path of a file, or one "
                f"of {', '.join(names)}{f' (did you mean {near}?)' if near else ''}"
            )
    return problems


def _check_streams(settings: Settings) -> list[str]:
    problems, streams = [], settings["streams"]
    for name, values in settings.models.items():
        for stream in settings.model_streams(name):
            if stream not in streams:
                problems.append(
                    f"models.{name}: its type {values['type']} reads stream {stream}, which there "
                    f"is not; streams: {', '.join(streams)}"
                )
            elif streams[stream].get("enabled", True) is False:
                problems.append(
                    f"streams.{stream}.enabled: found false, but models.{name} needs this stream"
                )
    return problems


def resolve_model(
    name: str,
    entry: Any,
    root: str | Path = ".",
    *,
    check: bool = True,
    start: Path | None = None,
) -> dict[str, Any]:
    """Hyperparameters of one model: its settings file, preset, overrides, variant; defaults.

    Args:
        name: The user's name for it (key under ``models``).
        entry: ``settings``, ``preset``, ``variant`` and ``overrides``.
        root: Folder that relative paths start from.
        check: As for ``load_settings``.
        start: As for ``load_settings``.

    Raises:
        InputError: No settings file, unknown override, wrong value.
    """
    where = f"models.{name}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: found {schemas.show(entry)}; accepted is a mapping")
    path = entry.get("settings") or f"{MODEL_FOLDER}/{name}.yaml"
    merged = _read_model_file(where, str(path), Path(root), check)
    problems: list[str] = []
    if entry.get("preset") == QUICK:
        quick, preset = _read_preset(where, str(path), Path(root))
        merged = _merge(merged, quick, f"{where}: {preset}", problems)
    merged = _merge(merged, entry.get("overrides") or {}, f"{where}.overrides", problems)
    if problems:
        raise InputErrors(where, problems)
    merged["variant"] = entry.get("variant", merged.get("variant"))
    kind = merged.setdefault("type", Path(path).stem)
    if entry_points.is_file(kind):
        kind = merged["type"] = seek(kind, start)
    try:
        model = registry.get(kind, root)
    except InputError as error:
        raise InputError(f"{where}: {path}, key type: {error}") from error
    settings = model.read_settings(merged, where)
    read_loop_settings(settings.get("training"), epochs=1, where=f"{where}.training")
    return settings


def resolve_checkpoint(
    name: str, entry: Mapping, settings: Mapping, root: Path, *, check: bool = True
) -> dict[str, str]:
    """Published files that take the place of training a model: name -> path; empty for none.

    Args:
        name: The user's name for the model.
        entry: ``checkpoint``: a path, or a mapping of names to paths.
        settings: The model's resolved hyperparameters.
        root: Folder that relative paths start from.
        check: As for ``load_settings``.

    Raises:
        InputError: No such files, or the model does not take them.
    """
    given, where = entry.get("checkpoint"), f"models.{name}.checkpoint"
    if not isinstance(given, str | Mapping):
        return {}  # null, or refused by the schema
    model = registry.get(settings["type"], root)
    if model.convert is None:
        raise InputError(
            f"{where}: found {schemas.show(given)}, but no published weights of {model.title} are "
            "known; leave it out to train the model"
        )
    try:
        files = model.convert.name_files(given)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if check:
        problems = [f"{where}: {text}" for text in model.convert.find_problems(files, settings)]
        problems += [
            f"{where}.{key}: found {path!r}; no such file"
            for key, path in files.items()
            if isinstance(path, str) and not (root / path).is_file()
        ]
        if problems:
            raise InputErrors(where, problems)
    return files


def _read_preset(where: str, path: str, root: Path) -> tuple[dict[str, Any], str]:
    """The quick preset beside a settings file, and its path."""
    preset = str(Path(path).with_suffix(f".{QUICK}.yaml"))
    if not (root / preset).is_file():
        raise InputError(
            f"{where}.preset: found {QUICK}, but there is no {preset}; write it (the keys of "
            f"{path} that differ), or leave the preset out"
        )
    values = schemas.read_yaml(root / preset)
    if not isinstance(values, dict):
        raise InputError(f"{where}: {preset} holds {schemas.show(values)}; accepted is a mapping")
    return values, preset


def _read_model_file(where: str, path: str, root: Path, check: bool) -> dict[str, Any]:
    if not (root / path).is_file():
        files = (root / MODEL_FOLDER).glob("*.yaml")
        known = sorted(p.stem for p in files if "." not in p.stem)  # presets are no models
        near = nearest(Path(path).stem, known)
        hint = f"did you mean {near}? " if near else ""
        raise InputError(
            f"{where}: no settings file {path}; {hint}Models with settings in {MODEL_FOLDER}: "
            f"{', '.join(known) or 'none'}"
        )
    values = schemas.read_yaml(root / path)
    if not isinstance(values, dict):
        raise InputError(f"{where}: {path} holds {schemas.show(values)}; accepted is a mapping")
    problems = schemas.check_values(values, schemas.load_schema("model")) if check else []
    if problems:
        raise InputErrors(where, [f"{where}: {path}: {problem}" for problem in problems])
    return values


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
                problems.append(
                    f"{where}.{key}: found {schemas.show(value)}; accepted is a mapping"
                )
                continue
            merged[key] = _merge(base[key], value or {}, f"{where}.{key}", problems)
        else:
            merged[key] = value
    return merged
