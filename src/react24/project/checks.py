"""What is wrong with a configuration whose keys are each as they should be."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from react24 import streams
from react24.contracts.metric import open_metric
from react24.contracts.rounds import touches
from react24.conventions import SPLITS
from react24.errors import InputError, nearest
from react24.project.config import DEMO_ROOT, FACE_MODELS, Settings
from react24.weights.registry import missing_by_hand, weights_folder
from react24.weights.unfit import explain_unfit


def check_together(values: Mapping, root: Path, wrong: Collection[str] = ()) -> list[str]:
    """Problems that concern several keys, or files that keys name.

    What depends on a key in ``wrong`` (``react24.contracts.rounds``) is not known, and not told.
    """
    problems = []
    if not touches(wrong, "split"):
        problems += _check_ratios(values["split"])
    if not touches(wrong, "corpus.root", "demo.enabled"):
        problems += _check_demo(values, root)
    if not touches(wrong, "appropriate.source"):
        problems += _check_appropriate(values["appropriate"], root, wrong)
    if not touches(wrong, "faces.model"):
        problems += _check_face_model(values["faces"]["model"], root)
    problems += _check_weights(values["streams"], root, wrong)
    if not touches(wrong, "metrics.own"):
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


def _check_appropriate(values: Mapping, root: Path, wrong: Collection[str]) -> list[str]:
    problems = []
    official = values["source"] == "official"
    keys = [key for key in ("matrix", "index") if not touches(wrong, f"appropriate.{key}")]
    for key in keys:
        path = values[key]
        if official and path is None:
            problems.append(
                f"appropriate.{key}: found null; appropriate.source is official, which needs the "
                f"path of a file here"
            )
        elif official and not (root / path).is_file():
            problems.append(f"appropriate.{key}: found {path!r}; no such file")
        elif official and not os.access(root / path, os.R_OK):
            problems.append(f"appropriate.{key}: found {path!r}; it may not be read")
        elif not official and path is not None:
            problems.append(
                f"appropriate.{key}: found {path!r}, but appropriate.source is "
                f"{values['source']}, which does not use it; set source: official or {key}: null"
            )
    if not official or len(keys) < 2 or problems:
        return problems
    from react24.clips.official_matrix import check_files

    return [
        f"appropriate.{key}: {text}"
        for key, text in check_files(root / values["matrix"], root / values["index"])
    ]


def _check_face_model(found: str, root: Path) -> list[str]:
    if found in FACE_MODELS:
        return []
    if (root / found).is_file():
        told = explain_unfit(root / found)
        return [f"faces.model: found {found!r}; {told}"] if told else []
    near = nearest(found, FACE_MODELS)
    return [
        f"faces.model: found {found!r}; accepted is {', '.join(FACE_MODELS)}, or the path of a "
        f"Face Landmarker bundle (.task){f' (did you mean {near}?)' if near else ''}"
    ]


def _check_weights(sections: Mapping, root: Path, wrong: Collection[str]) -> list[str]:
    problems = []
    for name, section in sections.items():
        where = f"streams.{name}.weights"
        if touches(wrong, where, f"streams.{name}.backend", f"streams.{name}.type"):
            continue
        names = streams.get(name, section, root).backend(section).weights
        if names is None or "weights" not in section:
            continue
        found = section["weights"]
        missing = missing_by_hand(found, weights_folder(root))
        if missing:
            problems.append(f"{where}: {missing}")
        elif found not in names and (root / found).exists():
            told = explain_unfit(root / found)
            problems += [f"{where}: found {found!r}; {told}"] if told else []
        elif found not in names:
            near = nearest(found, names)
            problems.append(
                f"{where}: found {found!r}; accepted is the path of a file, or one "
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


def check_streams(settings: Settings, wrong: Collection[str] = ()) -> list[str]:
    """Models that read a stream that there is not, or that is left out."""
    problems, sections = [], settings["streams"]
    for name, values in settings.models.items():
        for stream in settings.reads[name]:
            if touches(wrong, f"streams.{stream}.enabled", f"streams.{stream}.type"):
                continue  # told, and perhaps there or switched on
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
