"""The project as a checked run resolved it, kept in a small file for the jobs of that run.

Every job evaluates the Snakefile again. What it needs of the project it reads from here, without
the libraries that read and check settings and the sheet, as long as all that the project was made
from is still the same; otherwise it reads everything anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from react24 import __version__
from react24.conventions import ROLES
from react24.project.broken import LeftOut
from react24.project.choices import Choices
from react24.project.config import Settings
from react24.project.load import Project
from react24.project.session import Person, Session

logger = logging.getLogger(__name__)


def write(path: Path, config: Mapping[str, Any], project: Project) -> None:
    """Keep a project that was checked. Where that cannot be done, jobs read it themselves."""
    settings = project.settings
    kept = {
        "key": _key(config),
        "files": {str(file): _digest(file) for file in _sources(settings)},
        "settings": {**asdict(settings), "root": str(settings.root)},
        "sessions": [asdict(session) for session in project.sessions],
        "left_out": [asdict(left) for left in project.left_out],
    }
    text = json.dumps(kept, default=str)
    try:
        if path.is_file() and path.read_text("utf-8") == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f"{path.name}.tmp-{os.getpid()}")
        staged.write_text(text, "utf-8")
        staged.replace(path)
    except OSError as error:
        logger.debug("%s: cannot be written (%s)", path, error.strerror)


def read(path: Path, config: Mapping[str, Any], root: Path) -> Project | None:
    """The project that a file keeps; None where it was made from anything else."""
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if kept.get("key") != _key(config):
        return None
    if any(_digest(Path(file)) != digest for file, digest in kept["files"].items()):
        return None
    values = kept["settings"]
    values["root"] = root
    values["reads"] = {name: tuple(streams) for name, streams in values["reads"].items()}
    values["fitted"] = tuple(values["fitted"])
    left_out = tuple(
        LeftOut(_make_session(left["session"]), tuple(left["why"])) for left in kept["left_out"]
    )
    sessions = tuple(map(_make_session, kept["sessions"]))
    return Project(Settings(**values), sessions, left_out=left_out, broken=left_out)


def _key(config: Mapping[str, Any]) -> str:
    """Digest of the configuration and the version of the code."""
    parts = [__version__, config]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _sources(settings: Settings) -> list[Path]:
    """Files that the project was made from, whether they are there or not."""
    from react24.project.model_entries import settings_files

    own = [section.get("type") for section in settings["streams"].values()]
    own += [model["type"] for model in settings.models.values() if model["type"].endswith(".py")]
    own += settings["metrics"]["own"]
    files = [Path(name) for name in own if name]
    for name, entry in settings["models"].items():
        files += settings_files(name, entry)
    return list(dict.fromkeys([settings.sheet, *(settings.root / file for file in files)]))


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _make_session(values: dict[str, Any]) -> Session:
    people = {}
    for role in ROLES:
        person = values[role]
        paths = {name: Path(person[name]) for name in ("video", "audio")}
        choices = Choices.from_json(json.dumps(person["choices"]))
        people[role] = Person(**{**person, **paths, "choices": choices})
    return Session(**{**values, **people})
