"""What is wrong with a configuration whose keys are each as they should be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from react24 import streams
from react24.contracts.metric import open_metric
from react24.conventions import SPLITS
from react24.errors import InputError, nearest
from react24.project.config import DEMO_ROOT, FACE_MODELS, Settings
from react24.weights.registry import DEFAULT_FOLDER, missing_by_hand


def check_together(values: Mapping, root: Path, skip: Collection[str] = ()) -> list[str]:
    """Problems that concern several keys, or files that keys name; not of the sections ``skip``."""
    problems = []
    if "split" not in skip:
        problems += _check_ratios(values["split"])
    if not {"corpus", "demo"} & set(skip):
        problems += _check_demo(values, root)
    if "appropriate" not in skip:
        problems += _check_appropriate(values["appropriate"], root)
    if "faces" not in skip:
        problems += _check_face_model(values["faces"]["model"], root)
    if "streams" not in skip:
        problems += _check_weights(values["streams"], root)
    if "metrics" not in skip:
        problems += _check_own_metrics(values["metrics"]["own"], root)
    return problems


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


def _check_weights(sections: Mapping, root: Path) -> list[str]:
    problems = []
    for name, section in sections.items():
        names = streams.get(name, section, root).backend(section).weights
        if names is None or "weights" not in section:
            continue
        found = section["weights"]
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


def _check_own_metrics(paths: Sequence[str], root: Path) -> list[str]:
    problems: list[str] = []
    names: dict[str, str] = {}
    for place, path in enumerate(paths):
        where = f"metrics.own[{place}]"
        try:
            metric = open_metric(path, root)
            metric.find_function()
        except InputError as error:
            problems.append(f"{where}: {error}")
            continue
        if (other := names.setdefault(metric.name, path)) != path:
            problems.append(
                f"{where}: {path} and {other} both define a metric called {metric.name!r}; "
                "accepted are metrics with names of their own"
            )
    return problems


def check_streams(settings: Settings) -> list[str]:
    """Models that read a stream that there is not, or that is left out."""
    problems, sections = [], settings["streams"]
    for name, values in settings.models.items():
        for stream in settings.reads[name]:
            if stream not in sections:
                problems.append(
                    f"models.{name}: its type {values['type']} reads stream {stream}, which there "
                    f"is not; streams: {', '.join(sections)}"
                )
            elif sections[stream].get("enabled", True) is False:
                problems.append(
                    f"streams.{stream}.enabled: found false, but models.{name} needs this stream"
                )
    return problems
