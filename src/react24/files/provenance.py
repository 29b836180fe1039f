"""Recipes: what a file was made by, with and from, so that a file says whether it is still right.

A recipe has the digest of the code, the settings that change numbers, and what the file was made
from; its *stamp* is a short digest of them all. What it was made from is named by the stamps of
those files, so that a stamp stands for everything upstream, down to the recordings. A job declares
its recipe when it starts (`react24.workflow.job`), and what it writes carries it:
`react24.files.contract.create` and `react24.training.export` ask `carried`. Reading recipes is in
`react24.files.carriers`. This module loads nothing heavy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

RECIPE, STAMP = "recipe", "stamp"
"""Names under which files carry a recipe (JSON) and its stamp."""

STAMP_DIGITS = 16
MADE_FROM_ANOTHER, OTHER_INPUTS = "made from another", "other inputs"
"""How two kinds of differences start that name files."""

UNKNOWN = "unknown"
"""Stands for the stamp of a file that has none."""


@dataclass(frozen=True)
class Recipe:
    """What a file was made by, with and from. Values are kept as JSON gives them back.

    Attributes:
        rule: Rule that made it. Not part of the stamp: rules have other names where the workflow
            is used as a module.
        code: Digest of the code behind the rule, or a list of digests.
        settings: What changes numbers: settings, wildcards, the sessions of a split.
        made_from: Path of each file it was made from -> its stamp, and name of each file from
            outside -> its name and size.
    """

    rule: str
    code: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    made_from: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("code", "settings", "made_from"):
            object.__setattr__(self, name, json.loads(_canonical(getattr(self, name))))

    @cached_property
    def stamp(self) -> str:
        """Sixteen hexadecimal digits; equal recipes have equal stamps."""
        parts = [self.code, self.settings, self.made_from]
        return hashlib.sha256(_canonical(parts).encode()).hexdigest()[:STAMP_DIGITS]

    def to_json(self) -> dict[str, Any]:
        """The recipe as a dict that JSON can hold."""
        parts = {"code": self.code, "settings": self.settings, "made_from": self.made_from}
        return {"rule": self.rule, **parts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of ``to_json``.

        Raises:
            KeyError: A part is missing.
        """
        return cls(**{name: values[name] for name in ("rule", "code", "settings", "made_from")})


def _canonical(value: Any) -> str:
    """JSON text that is the same for equal values, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """A value that JSON does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} is of {type(value)}, which a recipe cannot hold")


_declared: list[Recipe | None] = [None]
"""By which recipe this process writes; of the whole process, threads included."""


def declare(recipe: Recipe | None) -> None:
    """What this process writes from now on is made by this recipe; None for by no recipe."""
    _declared[0] = recipe


def declared() -> Recipe | None:
    """The recipe by which this process writes."""
    return _declared[0]


@contextmanager
def declaring(recipe: Recipe | None) -> Iterator[None]:
    """What the block writes is made by another recipe than the rest, as a cache of a job is."""
    before = declared()
    declare(recipe)
    try:
        yield
    finally:
        declare(before)


def carried() -> dict[str, Any]:
    """What a file that is written now carries: ``recipe`` (a dict) and ``stamp``; {} for none."""
    recipe = declared()
    return {} if recipe is None else {RECIPE: recipe.to_json(), STAMP: recipe.stamp}


def outside(path: str | Path) -> str:
    """How a recipe names a file that is not of the workflow: name and size, not its folder.

    Raises:
        OSError: The file cannot be looked at.
    """
    path = Path(path)
    return f"{path.name}, {path.stat().st_size} bytes"


def differences(made: Recipe, now: Recipe) -> list[str]:
    """Why a file made by one recipe is not what another would make, for people; [] where it is."""
    found = []
    if made.code != now.code:
        found.append(f"code of {now.rule}")
    for path, old, new in _changes(made.settings, now.settings):
        found.append(f"{path}: {_short(old)} -> {_short(new)}")
    return found + _sources(made.made_from, now.made_from)


class _Absent:
    """A setting that is not there."""


def _changes(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else key
            yield from _changes(old.get(key, _Absent), new.get(key, _Absent), inner)
        return
    yield path, old, new


def _short(value: Any) -> str:
    text = "nothing" if value is _Absent else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sources(made: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    added, gone = sorted(now.keys() - made.keys()), sorted(made.keys() - now.keys())
    found = []
    if added or gone:
        parts = [("with", added), ("without", gone)]
        told = " and ".join(f"{word} {listed(names)}" for word, names in parts if names)
        found.append(f"{OTHER_INPUTS}: now {told}")
    changed = [name for name in sorted(made.keys() & now.keys()) if made[name] != now[name]]
    return found + [f"{MADE_FROM_ANOTHER} {name}" for name in changed]


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
