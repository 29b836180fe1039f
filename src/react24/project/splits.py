"""Who is trained on and who is tested on: no person on both sides.

Sessions that share a person form a group, directly or through others, and a group stays together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from react24.conventions import SPLITS
from react24.errors import InputErrors

AUTO = "auto"


class Assignable(Protocol):
    """What is asked of a session (``react24.project.sheet.Session`` has it)."""

    @property
    def session(self) -> str: ...  # noqa: D102
    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def subjects(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def row(self) -> int: ...  # noqa: D102


SessionType = TypeVar("SessionType", bound=Assignable)


@dataclass(frozen=True)
class Group:
    """Sessions that share persons.

    Attributes:
        sessions: Ordered by name.
        fixed: Splits named explicitly by one of them, in the order of ``SPLITS``.
    """

    sessions: tuple
    fixed: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of sessions."""
        return len(self.sessions)


def assign_splits(
    sessions: Sequence[SessionType],
    ratios: Mapping[str, float],
    seed: int,
    *,
    needed: Sequence[str] = (),
) -> list[SessionType]:
    """Give every session with ``split: auto`` a split.

    A group that contains a session with an explicit split goes there. The others are shared out so
    that the numbers of their sessions come near the ratios: largest group first, each to the split
    that lacks most, with one group kept for every split that would stay empty. The result depends
    on the set of sessions and the seed, not on the order of rows.

    Args:
        sessions: The rows of the sample sheet.
        ratios: Split -> share of the ``auto`` sessions, adding up to 1.
        seed: Decides between groups of the same size.
        needed: Splits that must not be empty in the end.

    Returns:
        The sessions in the same order, ``split`` being train, val or test.

    Raises:
        InputErrors: A person in two splits, or a needed split that is empty.
    """
    decided, empty = decide_splits(sessions, ratios, seed, needed=needed)
    if problems := [*conflicts(sessions), *empty]:
        raise InputErrors(f"splits: {len(problems)} problem(s)", problems)
    return decided


def decide_splits(
    sessions: Sequence[SessionType],
    ratios: Mapping[str, float],
    seed: int,
    *,
    needed: Sequence[str] = (),
) -> tuple[list[SessionType], list[str]]:
    """As ``assign_splits``, whatever is wrong: the sessions, and a sentence per needed empty split.

    Of sessions that share persons over several splits, those that name theirs keep it.
    """
    placed: dict[str, str] = {}
    free: list[Group] = []
    for group in group_sessions(sessions):
        if group.fixed:
            placed.update(
                (s.session, group.fixed[0] if s.split == AUTO else s.split) for s in group.sessions
            )
        else:
            free.append(group)
    _share_out(free, ratios, seed, placed)
    missing = [name for name in needed if name not in placed.values()]
    problems = [_empty_split(name, sessions, len(free), ratios) for name in missing]
    decided = [replace(s, split=placed.get(s.session, s.split)) for s in sessions]  # type: ignore[type-var]
    return decided, problems


def _share_out(
    groups: list[Group], ratios: Mapping[str, float], seed: int, placed: dict[str, str]
) -> None:
    """Place groups without an explicit split; adds to ``placed``."""
    total = sum(group.size for group in groups)
    lacking = {name: ratios.get(name, 0.0) * total for name in SPLITS if ratios.get(name, 0.0) > 0}
    if not lacking:  # every share is 0, which is told elsewhere
        return
    waiting = sorted(groups, key=lambda g: (-g.size, _lot(g, seed)))
    for position, group in enumerate(waiting):
        empty = [name for name in lacking if name not in placed.values()]
        # With as many groups left as splits that are still empty, each gets one of them.
        choices = empty if empty and len(waiting) - position <= len(empty) else list(lacking)
        chosen = max(choices, key=lambda name: (lacking[name], -SPLITS.index(name)))
        lacking[chosen] -= group.size
        placed.update((s.session, chosen) for s in group.sessions)


def _lot(group: Group, seed: int) -> str:
    names = "\n".join(s.session for s in group.sessions)
    return hashlib.sha256(f"{seed}\n{names}".encode()).hexdigest()


def _empty_split(name: str, sessions: Sequence, free: int, ratios: Mapping[str, float]) -> str:
    share = ratios.get(name, 0.0)
    remedy = (
        f"add sessions, or give one of them `{name}` in column split"
        if share > 0
        else f"split.{name} is 0: raise it, or give a session `{name}` in column split"
    )
    return (
        f"split {name}: no session is in it, and the run needs it; {len(sessions)} session(s), "
        f"of which {sum(s.split == AUTO for s in sessions)} auto, leave {free} group(s) without "
        f"common persons to share out; {remedy}"
    )


def group_sessions(sessions: Sequence[SessionType]) -> list[Group]:
    """Groups of sessions connected by common subjects, ordered by their first session's name."""
    ordered = sorted(sessions, key=lambda s: s.session)
    parent = list(range(len(ordered)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_with: dict[str, int] = {}
    for i, session in enumerate(ordered):
        for subject in session.subjects:
            parent[find(i)] = find(first_with.setdefault(subject, i))
    members: dict[int, list[SessionType]] = {}
    for i, session in enumerate(ordered):
        members.setdefault(find(i), []).append(session)
    return [
        Group(tuple(part), tuple(n for n in SPLITS if any(s.split == n for s in part)))
        for part in members.values()
    ]


def conflicts(sessions: Sequence[Assignable]) -> list[str]:
    """Persons who would be in two splits, one sentence each.

    First those whom explicit splits put there; for a group that is torn only through its ``auto``
    sessions, one sentence on the group.
    """
    problems = []
    for group in group_sessions(sessions):
        if len(group.fixed) < 2:
            continue
        torn = _torn_subjects(group)
        problems += [
            f"subject {subject} is in {_and(splits)}: {_where(rows)}; accepted is one split per "
            f"person, so give these sessions the same split"
            for subject, splits, rows in torn
        ]
        if not torn:
            problems.append(
                f"sessions linked by common persons are in {_and(group.fixed)}: "
                f"{_where(group.sessions)}; the auto sessions among them belong to both sides, so "
                f"give all of them the same split"
            )
    return problems


def _torn_subjects(group: Group) -> list[tuple[str, list[str], list]]:
    torn = []
    for subject in sorted({name for s in group.sessions for name in s.subjects}):
        rows = [s for s in group.sessions if subject in s.subjects]
        splits = [n for n in SPLITS if any(s.split == n for s in rows)]
        if len(splits) > 1:
            torn.append((subject, splits, rows))
    return torn


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _where(sessions: Sequence) -> str:
    return ", ".join(f"session {s.session} (row {s.row}, {s.split})" for s in sessions)
