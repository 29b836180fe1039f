"""Settings as pydantic models: typed, described beside each field, all mistakes told at once.

A section of settings is a subclass of `SettingsModel`::

    class VAESettings(SettingsModel):
        window: PositiveInt = 50
        "Frames of a window."

No model and no heavy package is imported here: the workflow checks settings before any job runs.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo

from react24.contracts.paths import expand, seek
from react24.errors import InputErrors, nearest


def _settle(path: str, info: ValidationInfo) -> str:
    """A path that jobs can open; the context is the folder where it is sought too, if any."""
    return seek(expand(path), info.context)


PathText = Annotated[str, Field(min_length=1), AfterValidator(_settle)]
"""A path; ``~`` and ``$NAME`` are filled in."""


class SettingsModel(BaseModel):
    """A section of settings: unknown keys are refused, and nothing is taken for what it is not.

    ``true`` is no number and ``"3"`` no whole number. As YAML is written: a list is taken for a
    tuple, the text ``1e-3`` for a number, ``3.0`` for a whole number, an empty section for one
    without keys.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_yaml_values(cls, values: Any) -> Any:
        if values is None:
            return {}
        if not isinstance(values, Mapping):
            return values
        fields = cls.model_fields
        return {
            key: _as_meant(value, fields[key].annotation) if key in fields else value
            for key, value in values.items()
        }

    @classmethod
    def read(cls, values: Any, where: str) -> Self:
        """Settings from a mapping as YAML gives it.

        Args:
            values: Key -> value; keys left out take their defaults.
            where: How the user finds these values, e.g. ``models.belfusion.vae``.

        Raises:
            InputErrors: Everything that is wrong with them.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputErrors(where, problems_of(error, cls, where)) from None

    def as_dict(self) -> dict[str, Any]:
        """A mapping that reads back to the same settings (JSON-able)."""
        return self.model_dump(mode="json")

    def replace(self, **changes: Any) -> Self:
        """A copy with other values, checked again.

        Raises:
            ValidationError: They do not go together.
        """
        return type(self)(**{**dict(self), **changes})


def problems_of(error: ValidationError, kind: type[SettingsModel], where: str = "") -> list[str]:
    """What pydantic found wrong, in sentences: the key, what was found, what is accepted.

    Args:
        error: As pydantic raised it.
        kind: The model that was read.
        where: How the user finds its values; empty at the top of a file.
    """
    sentences: dict[tuple[str, str], str] = {}  # options of one key fail apart: tell once
    for found in error.errors(include_url=False):
        path, hint, parent = _follow(kind, found["loc"], where)
        about = "type" if _is_of_type(found["type"]) else found["type"] + found["msg"]
        if (path, about) in sentences:
            continue
        if found["type"] == "extra_forbidden":
            sentences[path, about] = _unknown_key(path, parent, kind, where)
        elif found["type"] in ("value_error", "assertion_error"):
            sentences[path, about] = f"{path}: {found['ctx']['error']}".removeprefix(": ")
        else:
            accepted = _accepted(found, hint)
            sentences[path, about] = f"{path}: found {show(found['input'])}; accepted is {accepted}"
            if found["type"] == "missing":
                sentences[path, about] = f"{path}: missing; accepted is {_in_words(hint)}"
    paths = {path for path, _ in sentences}
    deeper = {path for path in paths if any(p.startswith((path + ".", path + "[")) for p in paths)}
    return [
        text for (path, about), text in sentences.items() if path not in deeper or "_error" in about
    ]


def walk_fields(kind: type[SettingsModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All keys of a model, dotted, with their fields; parents before children.

    Keys with names of the user's choice appear as ``<name>``.
    """
    for name, info in kind.model_fields.items():
        here = join(path, info.alias or name)
        yield here, info
        for option in options_of(info.annotation):
            inner = typing.get_args(option)[1] if typing.get_origin(option) is dict else None
            section = section_of(inner) if inner else section_of(option)
            if section:
                yield from walk_fields(section, f"{here}.<name>" if inner else here)


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation admits, ``None`` left out, annotations taken off."""
    while typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return (hint,)
    parts = [part for arg in typing.get_args(hint) for part in options_of(arg)]
    return tuple(part for part in parts if part is not type(None))


def section_of(hint: Any) -> type[SettingsModel] | None:
    """The model that an annotation admits, if it admits one."""
    for option in options_of(hint):
        if isinstance(option, type) and issubclass(option, SettingsModel):
            return option
    return None


def join(path: str, key: str | int) -> str:
    """A key or the number of an item behind a path."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def show(value: Any) -> str:
    """A value as a user would recognise it, shortened."""
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def _as_meant(value: Any, hint: Any) -> Any:
    """What YAML cannot say, or says in another way."""
    options = options_of(hint)
    for option in options:
        if typing.get_origin(option) is tuple and isinstance(value, list):
            item = typing.get_args(option)[0]
            return tuple(_as_meant(part, item) for part in value)
    if isinstance(value, str) and float in options and str not in options:
        try:
            return float(value)
        except ValueError:
            return value
    if isinstance(value, float) and int in options and float not in options and value.is_integer():
        return int(value)
    return value


def _follow(
    kind: type[SettingsModel], location: tuple[int | str, ...], where: str
) -> tuple[str, Any, type[SettingsModel] | None]:
    """Where an error lies: its path, the annotation there, the model that it is a key of."""
    path = where
    hint: Any = kind
    parent: type[SettingsModel] | None = None
    for part in location:
        if part == "[key]":  # the name itself is wrong
            return path, str, parent
        options = options_of(hint)
        if len(options) > 1:  # pydantic names the option here
            nested = [o for o in options if typing.get_origin(o) is dict or section_of(o)]
            hint = nested[0] if nested and part != location[-1] else hint
            continue
        parent, arguments = section_of(hint), typing.get_args(options[0])
        path = join(path, part)
        if parent:
            info = parent.model_fields.get(str(part))
            hint = info.annotation if info else None
        elif arguments:  # of a mapping the value, of a list the item
            hint = arguments[1 if typing.get_origin(options[0]) is dict else 0]
    return path, hint, parent


_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    list: "a list",
    dict: "a mapping",
}


def _in_words(hint: Any) -> str:
    """What an annotation admits."""
    words = []
    for option in options_of(hint):
        if typing.get_origin(option) is Literal:
            words.append("one of " + ", ".join(map(str, typing.get_args(option))))
        else:
            words.append(_WORDS.get(typing.get_origin(option) or option, "a mapping"))
    if admits_none(hint):
        words.append("null")
    return " or ".join(dict.fromkeys(words))


def admits_none(hint: Any) -> bool:
    """Whether an annotation admits ``None``."""
    return type(None) in typing.get_args(hint)


def _is_of_type(kind: str) -> bool:
    """Whether an error of pydantic says that a value is of another type altogether."""
    return kind.endswith(("_type", "_parsing", "int_from_float")) or kind == "is_instance_of"


_LIMITS = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number from {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number up to {le:g}",
    "multiple_of": "a multiple of {multiple_of:g}",
    "finite_number": "a finite number",
    "invalid_key": "a key that is text",
}


def _accepted(found: Mapping[str, Any], hint: Any) -> str:
    """What would have been accepted in place of what was found."""
    kind, value = found["type"], found["input"]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**found.get("ctx", {}))
    if kind in ("too_short", "string_too_short"):
        return "something that is not empty"
    if kind == "string_pattern_mismatch":
        return explain_pattern(found["ctx"]["pattern"])
    if kind != "literal_error" and not _is_of_type(kind):
        return str(found["msg"])
    sentence = _in_words(hint)
    choices = [
        str(choice)
        for option in options_of(hint)
        if typing.get_origin(option) is Literal
        for choice in typing.get_args(option)
    ]
    near = nearest(value, choices) if isinstance(value, str) else None
    if near:
        sentence += f" (did you mean {near}?)"
    if str in options_of(hint) and not isinstance(value, str | dict | list | tuple | None):
        sentence += " (YAML has its own reading of no, yes, on, off, dates and numbers; put it "
        sentence += "in quotes)"
    return sentence


def explain_pattern(pattern: str) -> str:
    """The patterns that names keep to, in words."""
    if pattern.startswith("^[A-Za-z0-9_-]["):
        return "1 to 64 letters (A-Z, a-z), digits, '_', '-' and '.', not starting with '.'"
    if pattern.startswith("^[a-z]["):
        return "a name of lower-case letters, digits and '_', starting with a letter"
    return f"text that matches {pattern}"


def _unknown_key(
    path: str, section: type[SettingsModel] | None, kind: type[SettingsModel], where: str
) -> str:
    folder, _, key = path.rpartition(".")
    known = [info.alias or name for name, info in section.model_fields.items()] if section else []
    near = nearest(key, known)
    hint = join(folder, near) if near else None
    if hint is None:
        everywhere = [found for found, _ in walk_fields(kind, where)]
        same_name = [found for found in everywhere if found.rpartition(".")[2] == key]
        hint = same_name[0] if same_name else nearest(path, everywhere)
    question = f"did you mean {hint}? " if hint else ""
    inside = f"in {folder}" if folder else "at the top"
    return f"{path}: unknown key; {question}Accepted {inside}: {', '.join(known)}"
