"""Settings of a run: ``config/config.yaml`` checked, with defaults, models resolved.

Jobs import this module for `Settings` alone; what checks a configuration is imported where that
is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from react24.contracts.paths import expand, seek
from react24.conventions import LEARNED_BASELINES, SPLITS
from react24.errors import InputErrors

if TYPE_CHECKING:
    from react24.contracts.rounds import Found
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
        entries = self.values["models"].items()
        learning = [name for name, entry in entries if not entry.get("checkpoint")]
        if learning or self.fitted or set(LEARNED_BASELINES) & set(self.values["baselines"]):
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
        The settings, in which what is wrong has its default; what is wrong; the keys, dotted, or
        sections, that have a default because what was given is wrong.
    """
    from react24.project import checks

    root = Path(root)
    values, problems, wrong = _read_values(config, root, start)
    problems += checks.check_together(values, root, wrong)
    settings = _resolve_models(values, root, start, problems, wrong)
    problems += checks.check_streams(settings, wrong)
    return settings, problems, wrong


def _read_values(
    config: Mapping[str, Any], root: Path, start: Path | None
) -> tuple[dict[str, Any], list[str], set[str]]:
    """All keys with their values; what is wrong; the keys that are."""
    from react24.contracts.rounds import Kind, find_mistakes
    from react24.project.settings import configuration_of

    def kind_of(left: dict[str, Any], found: Found) -> Kind:
        return configuration_of(_own_streams(left, root, start, found))

    found = find_mistakes(config, kind_of, context=start)
    if found.model is None:  # no part of it could be blamed: defaults, beside what is told
        found.model = configuration_of()()
    values = found.model.as_dict()
    if not values["demo"]["enabled"]:  # the demo is made where the results are
        values["corpus"]["root"] = seek(values["corpus"]["root"], start)
    return values, found.problems, found.wrong


def _own_streams(
    config: dict[str, Any], root: Path, start: Path | None, found: Found
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
            found.problems.append(where + str(error).removeprefix(where))
            found.wrong.add(f"streams.{name}")
            del sections[name]
    return tuple(own)


def _resolve_models(
    values: dict[str, Any], root: Path, start: Path | None, problems: list[str], wrong: set[str]
) -> Settings:
    """The settings with the models that can be made; what is wrong is added to the last two."""
    from react24 import models as registry
    from react24 import streams
    from react24.contracts.model import SAMPLING
    from react24.project.model_entries import find_checkpoint, inspect_model

    models, checkpoints, reads, fitted = {}, {}, {}, []
    for name, entry in values["models"].items():
        model = inspect_model(name, entry, root, start=start)
        files, told = find_checkpoint(name, entry, model, root, wrong)
        problems += [*model.problems, *told]
        if model.problems or told:
            wrong.add(f"models.{name}")
        if model.settings is None:
            continue
        kind = registry.get(model.settings["type"], root)
        models[name], reads[name] = model.settings, model.reads
        if files:
            checkpoints[name] = files
            sampled = kind.stage_inputs(models[name], SAMPLING).streams
            fits = kind.conversion_streams(models[name])
            reads[name] = tuple(dict.fromkeys((*sampled, *fits)))
            fitted += [name] if fits else []
    sections = values["streams"]
    hears = any(
        streams.get(name, sections[name], root).backend(sections[name]).reads == "sound"
        for name in extracted(sections, reads)
        if name in sections
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
