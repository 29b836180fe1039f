"""Configuration and sample sheet together, as the workflow and ``react24 check`` need them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from react24.conventions import SPLITS
from react24.errors import InputError, InputErrors
from react24.project.config import Settings, count, inspect_settings
from react24.project.session import Session

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Project:
    """What a run is about.

    Attributes:
        settings: The validated configuration.
        sessions: Rows of the sample sheet in their order, every split decided.
        problems: What is wrong with both; while there is anything, sessions are those of the rows
            that can be understood, and ``auto`` splits are not decided.
        warnings: What deserves a look.
    """

    settings: Settings
    sessions: tuple[Session, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def sizes(self) -> dict[str, int]:
        """Split -> number of sessions, zeros included."""
        counts = Counter(session.split for session in self.sessions)
        return {split: counts[split] for split in SPLITS}


def load_project(
    config: Mapping[str, Any],
    root: str | Path = ".",
    *,
    check: bool = True,
    source: str = "configuration",
    start: Path | None = None,
    kept: Path | None = None,
) -> Project:
    """Check the configuration and the sheet it names; decide ``auto`` splits.

    Args:
        config: As Snakemake or ``react24.project.config.read_config`` read it.
        root: Folder that relative paths start from.
        check: False in jobs that a checked run has started: recordings are not looked at again.
        source: How errors call the configuration, e.g. ``config/config.yaml``.
        start: Where relative paths that lead to nothing are sought too (``load_settings``).
        kept: File in which a checked run leaves the project for its jobs, which read it where
            configuration, sheet and models' files are still the same.

    Raises:
        InputErrors: Everything that is wrong in both, in one go.
    """
    from react24.project import resolved

    if kept and not check and (found := resolved.read(kept, config, Path(root))):
        return Project(*found)
    project = inspect_project(config, root, check_files=check, source=source, start=start)
    if project.problems:
        problems = list(project.problems)
        raise InputErrors(f"configuration and sample sheet: {count(problems)}", problems)
    if check:
        for warning in project.warnings:
            logger.warning("%s", warning)
        if kept:
            resolved.write(kept, config, project.settings, project.sessions)
    return project


def inspect_project(
    config: Mapping[str, Any],
    root: str | Path = ".",
    *,
    check_files: bool = True,
    source: str = "configuration",
    start: Path | None = None,
) -> Project:
    """As ``load_project``, but tells what is wrong beside what could be made of it.

    With ``check_files`` it looks at the headers of all recordings.
    """
    from react24.project.sheet import InspectedSheet, inspect_sheet
    from react24.project.splits import assign_splits

    settings, problems, wrong = inspect_settings(config, root, start=start)
    problems = [f"{source}: {problem}" for problem in problems]
    sheet = InspectedSheet()
    if not wrong & {"sessions", "corpus", "demo"}:
        try:
            sheet = inspect_sheet(settings.sheet, settings, check_files=check_files)
            if not problems and not sheet.problems:
                ratios, seed = settings["split"], settings["seed"]
                sheet.sessions = assign_splits(
                    sheet.sessions, ratios, seed, needed=settings.needed_splits
                )
        except InputErrors as error:
            problems += error.problems
        except InputError as error:
            problems.append(str(error))
    return Project(
        settings, tuple(sheet.sessions), (*problems, *sheet.problems), tuple(sheet.warnings)
    )
