"""Validating settings in rounds, so that no mistake hides another.

pydantic stops at a section whose keys are wrong before it asks whether they go together. So what is
wrong is told and taken out, as if it had been left out, and the rest is validated again.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from react24.contracts.settings import SettingsModel, problems_of

Kind = type[SettingsModel]
Place = tuple[Any, ...]
"""Keys that lead to a value."""

_TOGETHER = ("value_error", "assertion_error")
"""How pydantic calls what our own validators raise."""


@dataclass
class Found:
    """What could be made of some values.

    Attributes:
        model: Of what is right, with defaults for what is wrong; None where that cannot be had.
        problems: What is wrong, each told once.
        wrong: Dotted keys, without the place of the whole, of values that were taken out.
    """

    model: SettingsModel | None = None
    problems: list[str] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)


def find_mistakes(
    values: Mapping[str, Any],
    kind_of: Callable[[dict[str, Any], Found], Kind],
    *,
    where: str = "",
    context: Any = None,
) -> Found:
    """Validate a mapping until nothing wrong is left in it.

    Args:
        values: As YAML gives them.
        kind_of: What they should be; asked again in every round with what is left of them, from
            which it may take out what it tells itself.
        where: How the user finds the values, e.g. ``models.belfusion``; empty at the top of a file.
        context: As for ``model_validate``.
    """
    left, found = copy.deepcopy(dict(values)), Found()
    gone: set[Place] = set()
    while True:
        kind = kind_of(left, found)
        try:
            found.model = kind.model_validate(left, context=context)
            return found
        except ValidationError as error:
            for text in problems_of(error, kind, where):
                # What is said together with a key that has been taken out may not be so.
                if text not in found.problems and not _names(text, gone, where):
                    found.problems.append(text)
            wrong, unknown = _find_places(left, error, kind, context)
            found.wrong |= {".".join(map(str, place)) for place in wrong}
            if not (wrong | unknown) or () in wrong:
                return found
            _take_out(left, wrong | unknown)
            gone |= wrong


def touches(wrong: Collection[str], *keys: str) -> bool:
    """Whether any of some keys, or a section around or below it, is among the wrong ones."""
    pairs = [(f"{key}.", f"{other}.") for key in keys for other in wrong]
    return any(key.startswith(other) or other.startswith(key) for key, other in pairs)


def _names(text: str, places: set[Place], where: str) -> bool:
    """Whether the sentence on a section, behind its place, names the last key of one of these."""
    said = text.removeprefix(where).partition(": ")[2]
    keys = {re.escape(str(place[-1])) for place in places}
    return any(re.search(rf"(?<![\w.]){key}(?![\w.])", said) for key in keys)


def _find_places(
    left: dict[str, Any], error: ValidationError, kind: Kind, context: Any
) -> tuple[set[Place], set[Place]]:
    """Places of the keys that are wrong, and of those that are unknown."""
    wrong: set[Place] = set()
    unknown: set[Place] = set()
    for found in error.errors(include_url=False):
        place = _place_of(left, found["loc"])
        if found["type"] in _TOGETHER and isinstance(_at(left, place), dict):
            wrong.add(_least(left, place, kind, context))
        else:
            (unknown if found["type"] == "extra_forbidden" else wrong).add(place)
    return wrong, unknown


def _take_out(left: dict[str, Any], places: set[Place]) -> None:
    for place in sorted(places, key=len, reverse=True):  # one may lie in another
        holder = _at(left, place[:-1])
        if isinstance(holder, dict):
            holder.pop(place[-1], None)


def _place_of(values: Any, location: Place) -> Place:
    """The part of pydantic's location that leads through mappings."""
    place: Place = ()
    for part in location:
        if not isinstance(values, dict) or part not in values:
            break
        values, place = values[part], (*place, part)
    return place


def _at(values: Any, place: Place) -> Any:
    for part in place:
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _least(left: dict[str, Any], section: Place, kind: Kind, context: Any) -> Place:
    """The one key of a section without which its keys go together; else the whole section."""
    values = _at(left, section)
    for key in list(values):
        kept = values.pop(key)
        fits = not _complains(left, section, kind, context)
        values[key] = kept
        if fits:
            return (*section, key)
    return section


def _complains(left: dict[str, Any], section: Place, kind: Kind, context: Any) -> bool:
    try:
        kind.model_validate(left, context=context)
    except ValidationError as error:
        return any(found["loc"] == section for found in error.errors(include_url=False))
    return False
