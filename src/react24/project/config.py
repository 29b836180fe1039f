"""Settings of a run: ``config/config.yaml`` checked, with defaults, models resolved.

Jobs import this module for `Settings` alone; what checks a configuration is imported where that
is done.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from react24.contracts.paths import expand, seek
from react24.conventions import LEARNED_BASELINES, SPLITS
from react24.errors import InputError, InputErrors

if TYPE_CHECKING:
    from pydantic import ValidationError

    from react24.contracts.stream import Stream

DEMO_ROOT = "resources/demo"
FACE_MODELS = ("mediapipe", "face-landmarker")
"""Values of ``faces.model`` that are no path."""


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
        reads: Model name -> every stream that this run reads for it, once, in order.
        fitted: Models with published weights that have a part fitted to the training clips.
        hears: Whether any stream is made from sound; where none is, recordings may lack it.
    """

    root: Path
    values: dict[str, Any]
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, str]] = field(default_factory=dict)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fitted: tuple[str, ...] = ()
    hears: bool = True

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
        learning = (self.models.keys() - self.checkpoints.keys()) | set(self.fitted)
        if learning or set(LEARNED_BASELINES) & set(self.values["baselines"]):
            needed.add("train")
        return tuple(name for name in SPLITS if name in needed)

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that are extracted: enabled ones, and open ones that a model reads."""
        return extracted(self.values["streams"], self.reads)


def extracted(sections: Mapping, reads: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Streams of the configuration's sections that are enabled, or open and read by a model."""
    read = {stream for names in reads.values() for stream in names}
    enabled = {name: section.get("enabled", True) for name, section in sections.items()}
    return tuple(name for name, on in enabled.items() if on or (on is None and name in read))


def load_settings(
    config: Mapping[str, Any],
    root: str | Path = ".",
    *,
    source: str = "configuration",
    start: Path | None = None,
) -> Settings:
    """Check a configuration and fill in its defaults.

    Args:
        config: As Snakemake or ``read_config`` read it.
        root: Folder that relative paths start from.
        source: How errors call the configuration, e.g. ``config/config.yaml``.
        start: The checkout, where Snakemake works in another folder (``--directory``): relative
            paths that lead to nothing here are sought there. None where both are one.

    Raises:
        InputErrors: Everything that is wrong, in one go.
    """
    settings, problems, _ = inspect_settings(config, root, start=start)
    if problems:
        raise InputErrors(f"{source}: {count(problems)}", problems)
    return settings


def inspect_settings(
    config: Mapping[str, Any], root: str | Path = ".", *, start: Path | None = None
) -> tuple[Settings, list[str], set[str]]:
    """As ``load_settings``, but returns what could be made of it beside what is wrong.

    Returns:
        The settings, in which what is wrong has its default; what is wrong; the sections with a
        value that is wrong.
    """
    from react24.project import checks

    root = Path(root)
    values, problems, wrong = _read_values(config, root, start)
    problems += checks.check_together(values, root, skip=wrong)
    settings = _resolve_models(values, root, start, problems)
    if not problems:
        problems += checks.check_streams(settings)
    return settings, problems, wrong


def _read_values(
    config: Mapping[str, Any], root: Path, start: Path | None
) -> tuple[dict[str, Any], list[str], set[str]]:
    """All keys with their values; what is wrong; the sections with a value that is wrong."""
    from pydantic import ValidationError

    from react24.contracts.settings import problems_of
    from react24.project.settings import configuration_of

    problems: list[str] = []
    wrong: set[str] = set()
    left = copy.deepcopy(dict(config))
    while True:
        own = _own_streams(left, root, start, problems)
        kind = configuration_of(own)
        try:
            values = kind.model_validate(left, context=start).as_dict()
            break
        except ValidationError as error:
            # Its mistakes are told; the rest is read without them, to find what else is wrong.
            problems += [text for text in problems_of(error, kind) if text not in problems]
            wrong |= _take_out(left, error)
    if not values["demo"]["enabled"]:  # the demo is made where the results are
        values["corpus"]["root"] = seek(values["corpus"]["root"], start)
    return values, problems, wrong


def _take_out(config: dict[str, Any], error: ValidationError) -> set[str]:
    """Delete the keys that are wrong; returns the sections where a known one was."""
    wrong, places = set(), []
    for found in error.errors(include_url=False):
        holder: Any = config
        place: tuple[dict, Any] | None = None
        for part in found["loc"]:
            if not isinstance(holder, dict) or part not in holder:
                break
            place = holder, part
            holder = holder[part]
        places += [place] if place else []
        if found["type"] != "extra_forbidden":
            wrong.add(str(found["loc"][0]))
    for holder, key in places:  # only now: two mistakes may share a place
        holder.pop(key, None)
    return wrong


def _own_streams(
    config: dict[str, Any], root: Path, start: Path | None, problems: list[str]
) -> tuple[Stream, ...]:
    """Streams of the user's own; sections of those that cannot be used are taken out."""
    from react24 import streams

    own: list[Stream] = []
    sections = config.get("streams")
    if not isinstance(sections, dict):
        return ()
    for name, section in list(sections.items()):
        kind = section.get("type") if isinstance(section, dict) else None
        if not isinstance(kind, str) or name in streams.STREAMS:
            continue  # refused by name
        try:
            section["type"] = seek(expand(kind), start)
            own.append(streams.get(name, section, root))
        except ValueError as error:
            where = f"streams.{name}.type: "
            problems.append(where + str(error).removeprefix(where))
            del sections[name]
    return tuple(own)


def _resolve_models(
    values: dict[str, Any], root: Path, start: Path | None, problems: list[str]
) -> Settings:
    """The settings with the models that can be made; what is wrong is added to ``problems``."""
    from react24 import models as registry
    from react24 import streams
    from react24.contracts.model import SAMPLING
    from react24.project.model_entries import resolve_checkpoint, resolve_model

    models, checkpoints, reads, fitted = {}, {}, {}, []
    for name, entry in values["models"].items():
        try:
            models[name] = resolve_model(name, entry, root, start=start)
            kind = registry.get(models[name]["type"], root)
            reads[name] = kind.streams(models[name])
            if files := resolve_checkpoint(name, entry, models[name], root):
                checkpoints[name] = files
                sampled = kind.stage_inputs(models[name], SAMPLING).streams
                fits = kind.conversion_streams(models[name])
                reads[name] = tuple(dict.fromkeys((*sampled, *fits)))
                fitted += [name] if fits else []
        except InputErrors as error:
            problems += error.problems
        except InputError as error:
            problems.append(str(error))
    sections = values["streams"]
    hears = any(
        streams.get(name, sections[name], root).backend(sections[name]).reads == "sound"
        for name in extracted(sections, reads)
    )
    return Settings(root, values, models, checkpoints, reads, tuple(fitted), hears)


def read_config(path: str | Path) -> dict[str, Any]:
    """A configuration file as a mapping, unchecked.

    Raises:
        InputError: Not there, not YAML, or not a mapping.
    """
    from react24.project.yaml_file import read_mapping

    return read_mapping(path)


def count(problems: list[str]) -> str:
    """``1 problem``, ``2 problems``."""
    return f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
