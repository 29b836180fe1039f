"""Options that several commands share, and the configuration that they name."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from react24.project.config import Settings

DEFAULT_CONFIG = Path("config/config.yaml")
MEDIA = Path("results/media")
"""Where the workflow writes media files."""
NO_MODELS: dict[str, Any] = {"models": {}}
"""What stands in for a configuration where there is none: defaults, and nothing to train."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    what = f"configuration ({DEFAULT_CONFIG}, if it is there)"
    parser.add_argument("--config", type=Path, help=what)


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--output``, which has to be given."""
    parser.add_argument("--output", "-o", type=Path, required=True, help=what)


def given_config(options: argparse.Namespace) -> tuple[dict[str, Any] | None, str]:
    """The configuration and what errors call it; None where there is none.

    Raises:
        InputError: The file that is named cannot be read.
    """
    from react24.project.config import read_config

    path = options.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    return (None, "configuration") if path is None else (read_config(path), str(path))


def given_settings(options: argparse.Namespace) -> Settings:
    """The checked configuration; defaults, and no model, where there is none.

    Raises:
        InputErrors: Everything that is wrong with it.
    """
    from react24.project.config import load_settings

    config, source = given_config(options)
    return load_settings(NO_MODELS if config is None else config, source=source)


def declare_recordings(options: argparse.Namespace, media: Path) -> None:
    """For a media file of the workflow: its recordings lie where the sample sheet says now.

    Others, which `react24 probe` wrote elsewhere, belong to no sheet.
    """
    from react24.media import whereabouts
    from react24.project.load import inspect_project

    config, source = given_config(options)
    if config is None or media.resolve().parent != MEDIA.resolve():
        return
    for session in inspect_project(config, check_files=False, source=source).sessions:
        whereabouts.declare(session.session, session.files)


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def say(text: str) -> None:
    """Write what a command was asked for to stdout."""
    sys.stdout.write(text + "\n")
