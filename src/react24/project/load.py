"""Configuration and sample sheet together, as the workflow and ``react24 check`` need them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from react24.conventions import SPLITS
from react24.errors import InputError, InputErrors
from react24.project.broken import LeftOut, read_broken
from react24.project.config import Settings, count, inspect_settings
from react24.project.headers import Headers
from react24.project.session import Session

if TYPE_CHECKING:
    from react24.project.sheet import InspectedSheet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Project:
    """What a run is about.

    Attributes:
        settings: The validated configuration.
        sessions: Rows of the sample sheet in their order, every split decided.
        problems: What is wrong with both; while there is anything, sessions are those of the rows
            that can be understood, and ``auto`` splits are decided only if these are all.
        warnings: What deserves a look.
        left_out: Sessions that ``corpus.skip_broken`` leaves out of the run.
        broken: Sessions whose recordings cannot be used, left out or not.
    """

    settings: Settings
    sessions: tuple[Session, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    broken: tuple[LeftOut, ...] = ()

    @property
    def splits(self) -> dict[str, str]:
        """Session -> split, those that are left out included and last."""
        everyone = [*self.sessions, *(left.session for left in self.left_out)]
        return {session.session: session.split for session in everyone}

    def why_left_out(self, split: str = "") -> dict[str, str]:
        """Session that is left out, of a split or of any -> why, as a clause."""
        return {
            left.session.session: left.reason
            for left in self.left_out
            if split in ("", left.session.split)
        }

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
            configuration, sheet and models' files are still the same. What was seen of the headers
            of recordings lies beside it.

    Raises:
        InputErrors: Everything that is wrong in both, in one go.
    """
    from react24.project import resolved

    if kept and not check and (found := resolved.read(kept, config, Path(root))):
        return found
    headers = Headers(kept.with_name("headers.json") if kept else None)
    project = inspect_project(
        config, root, check_files=check, source=source, start=start, headers=headers
    )
    headers.save()
    if project.problems:
        problems = list(project.problems)
        title = f"configuration and sample sheet: {count(problems)}{advise_skipping(project)}"
        raise InputErrors(title, problems)
    if check:
        for warning in (*project.warnings, *(left.sentence() for left in project.left_out)):
            logger.warning("%s", warning)
        if kept:
            resolved.write(kept, config, project)
    return project


def advise_skipping(project: Project) -> str:
    """A clause on how to go on without the sessions whose recordings cannot be used."""
    if not project.broken or project.left_out:
        return ""
    names = [broken.session.session for broken in project.broken]
    shown = f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
    return (
        f" ({len(names)} of {len(project.sessions)} session(s) have recordings that cannot be "
        f"used, {shown}; corpus.skip_broken: true leaves them out and goes on with the others)"
    )


def inspect_project(
    config: Mapping[str, Any],
    root: str | Path = ".",
    *,
    check_files: bool = True,
    source: str = "configuration",
    start: Path | None = None,
    headers: Headers | None = None,
) -> Project:
    """As ``load_project``, but tells what is wrong beside what could be made of it.

    With ``check_files`` it looks at the headers of all recordings, or at what ``headers`` knows of
    them.
    """
    from react24.contracts.rounds import touches
    from react24.project.lengths import short_splits
    from react24.project.sheet import InspectedSheet, inspect_sheet
    from react24.project.weights_used import weak_points

    settings, problems, wrong = inspect_settings(config, root, start=start)
    problems = [f"{source}: {problem}" for problem in problems]
    sheet, headers = InspectedSheet(), headers or Headers()
    if not touches(wrong, "sessions"):
        look = (check_files or settings["corpus"]["skip_broken"]) and not touches(
            wrong, "corpus.root"
        )
        try:
            sheet = inspect_sheet(settings.sheet, settings, check_files=look, headers=headers)
        except InputErrors as error:
            problems += error.problems
        except InputError as error:
            problems.append(str(error))
    problems += sheet.problems
    sessions, empty = _decide(sheet, settings, wrong)
    problems += empty
    noted = read_broken(sessions, settings)
    broken = [
        LeftOut(s, tuple(sheet.broken.get(s.session, noted.get(s.session, ()))))
        for s in sessions
        if s.session in sheet.broken or s.session in noted
    ]
    warnings = [*sheet.warnings, *weak_points(settings)]
    left = {b.session.session for b in broken}
    kept = tuple(s for s in sessions if s.session not in left)
    if check_files and not touches(wrong, "corpus.root"):
        warnings += short_splits(kept, settings, headers)
    if not settings["corpus"]["skip_broken"]:
        warnings += [_warn_again(b) for b in broken if b.session.session not in sheet.broken]
        return Project(settings, sessions, tuple(problems), tuple(warnings), (), tuple(broken))
    problems += emptied_splits(sessions, kept)
    return Project(settings, kept, tuple(problems), tuple(warnings), tuple(broken), tuple(broken))


def _decide(
    sheet: InspectedSheet, settings: Settings, wrong: set[str]
) -> tuple[tuple[Session, ...], list[str]]:
    """The sessions, ``auto`` decided where all rows are known; needed splits that are empty."""
    from react24.contracts.rounds import touches
    from react24.project.splits import decide_splits

    if not sheet.sure or not sheet.placed or touches(wrong, "split", "seed"):
        return tuple(sheet.sessions), []
    decided, empty = decide_splits(
        sheet.placed, settings["split"], settings["seed"], needed=_sure_needs(settings, wrong)
    )
    split_of = {session.session: session.split for session in decided}
    return tuple(replace(s, split=split_of[s.session]) for s in sheet.sessions), empty


def _sure_needs(settings: Settings, wrong: set[str]) -> tuple[str, ...]:
    """Splits that are needed whatever the keys that are wrong turn out to be."""
    values = dict(settings.values)
    if "sampling" in wrong or "sampling.split" in wrong:
        values["sampling"] = {**values["sampling"], "split": []}
    if "baselines" in wrong:
        values["baselines"] = []
    if "models" in wrong:
        values["models"] = {}
    return replace(settings, values=values).needed_splits


def _warn_again(broken: LeftOut) -> str:
    return (
        f"session {broken.session.session} (row {broken.session.row}) failed in an earlier run and "
        f"its recordings have not changed: {'; '.join(broken.why)}; repair or replace them, or "
        f"leave such sessions out by corpus.skip_broken: true"
    )


def emptied_splits(sessions: Sequence[Session], kept: Sequence[Session]) -> list[str]:
    """Splits that lose all their sessions."""
    left = {session.split for session in kept}
    problems = []
    for split in (*SPLITS, "auto"):
        lost = [s.session for s in sessions if s.split == split]
        if lost and split not in left:
            problems.append(
                f"split {split}: none of its {len(lost)} session(s) can be used "
                f"({', '.join(lost[:3])}{' and more' if len(lost) > 3 else ''}), and "
                f"corpus.skip_broken does not leave out a whole split; repair or replace "
                f"recordings, or change the splits"
            )
    return problems
