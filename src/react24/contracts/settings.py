"""Model settings: from a mapping read from YAML to a validated dataclass, with errors that help.

No model and no heavy package is imported here: the workflow checks settings before any job runs.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from react24.errors import InputError

Settings = TypeVar("Settings")


def build(kind: type[Settings], values: Mapping[str, Any], where: str) -> Settings:
    """Make a settings dataclass from a mapping.

    Args:
        kind: A dataclass whose fields are annotated with ``int``, ``float``, ``bool``, ``str``,
            ``Literal[...]``, ``tuple[int, ...]`` or one of these ``| None``.
        values: Field name -> value, as read from YAML. Fields left out keep their default.
        where: How the user finds these values, e.g. ``models.belfusion.vae``.

    Raises:
        InputError: An unknown key (with the nearest known one), a wrong type, or whatever the
            dataclass itself refuses.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: expected a mapping of settings, found {values!r}")
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    check_keys(values, known, where)
    converted = {
        key: _convert(value, hints[key], f"{where}.{key}") for key, value in values.items()
    }
    try:
        return kind(**converted)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def check_keys(values: Mapping[str, Any], known: typing.Iterable[str], where: str) -> None:
    """Refuse a key that is not known, and name the nearest one that is.

    Raises:
        InputError: There is such a key.
    """
    known = list(known)
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where}: unknown key {key!r}{hint} Known: {', '.join(known)}")


def choose(
    values: Mapping[str, Any],
    key: str,
    accepted: typing.Iterable[str],
    where: str,
    default: str | None = None,
) -> Any:
    """One of the accepted values; where none is given the default, or the first of them.

    Raises:
        InputError: Another value.
    """
    accepted = tuple(accepted)
    value = values.get(key)
    if value is None:
        value = default or accepted[0]
    if value not in accepted:
        if len(accepted) == 1:
            raise InputError(f"{where}.{key}: expected {accepted[0]}, found {value!r}")
        raise InputError(f"{where}.{key}: {value!r} is not one of {', '.join(accepted)}")
    return value


def loop_section(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The section ``training``, which the loop checks itself; empty where there is none.

    Raises:
        InputError: It is no mapping.
    """
    section = {} if values.get("training") is None else values["training"]
    if not isinstance(section, Mapping):
        raise InputError(f"{where}.training: expected a mapping of settings, found {section!r}")
    return dict(section)


def follow_variant(values: Any, defaults: Mapping[str, Any]) -> Any:
    """A section of the settings with everything that is None, or left out, as the variant has it.

    Args:
        values: The section; what is no mapping is returned as it is (``build`` refuses it by name).
        defaults: Setting -> its value in the variant.
    """
    if values is None:
        return dict(defaults)
    if not isinstance(values, Mapping):
        return values
    given = {key: value for key, value in values.items() if value is not None}
    return {**defaults, **given}


def require_positive(config: object, *names: str) -> None:
    """For ``__post_init__``: the named numbers must be above 0.

    Raises:
        ValueError: One is not.
    """
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} must be positive, found {getattr(config, name)}")


def require_not_negative(config: object, *names: str) -> None:
    """For ``__post_init__``: the named numbers must be 0 or more.

    Raises:
        ValueError: One is not.
    """
    for name in names:
        if not getattr(config, name) >= 0:
            raise ValueError(f"{name} must not be negative, found {getattr(config, name)}")


def _convert(value: Any, hint: Any, where: str) -> Any:
    """``value`` as the annotated type; YAML's ``1e-3`` (a string) is accepted as a number."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        return _convert(value, next(o for o in options if o is not type(None)), where)
    if origin is typing.Literal:
        options = typing.get_args(hint)
        if value not in options:
            raise InputError(f"{where}: {value!r} is not one of {', '.join(map(repr, options))}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where}: expected a list, found {value!r}")
        item = typing.get_args(hint)[0]
        return tuple(_convert(v, item, f"{where}[{i}]") for i, v in enumerate(value))
    return _convert_scalar(value, hint, where)


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    wrong = InputError(f"{where}: expected {hint.__name__}, found {value!r}")
    if hint is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            raise wrong from None
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise wrong
    return value
