"""Checks against the JSON Schemas of ``workflow/schemas``: defaults, unknown keys, wrong values.

Every Snakemake job reads the configuration again, so this stays cheap: PyYAML's C parser, and
``jsonschema`` is imported only where values are checked.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from react24.errors import InputError, nearest

SCHEMAS = Path(__file__).parents[3] / "workflow" / "schemas"
"""Where the schemas lie in a checkout."""

_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses what YAML reads in another way than people do: some numbers, and repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping in which no key is written twice, of which YAML would take the last.

        Raises:
            InputError: Which names both lines.
        """
        lines: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in lines and key.value != "<<":
                raise InputError(
                    f"{key.start_mark.name}, line {line}: found the key {key.value!r}, which "
                    f"stands in line {lines[key.value]} too; accepted are keys written once"
                )
            lines[key.value] = line
        return super().construct_mapping(node, deep=deep)

    def construct_plain_number(self, node: yaml.ScalarNode) -> int | float:
        """A number, unless it is written with a leading zero or as a time.

        Raises:
            InputError: Which names the line.
        """
        kind = node.tag.rpartition(":")[2]
        value = getattr(self, f"construct_yaml_{kind}")(node)
        octal = kind == "int" and re.match(r"[-+]?0[0-9_]+$", node.value)
        if octal or ":" in node.value:
            why = "as octal, because of the leading zero" if octal else "to the base of 60"
            raise InputError(
                f"{node.start_mark.name}, line {node.start_mark.line + 1}: found {node.value}, "
                f"which YAML reads {why}: {value}; write the number without leading zeros and "
                f"colons, or put a text in quotes"
            )
        return value


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_plain_number)


def read_yaml(path: str | Path) -> Any:
    """Content of a YAML file.

    Raises:
        InputError: No such file, it is not YAML (names line and column), a number in it is not
            what it looks like, or a key is written twice.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return yaml.load(file, Loader=_Loader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


@cache
def load_schema(name: str) -> dict[str, Any]:
    """The schema ``workflow/schemas/<name>.schema.yaml``; shared, so do not change it.

    Raises:
        InputError: It is missing, as in an installation without the repository.
    """
    path = SCHEMAS / f"{name}.schema.yaml"
    if not path.exists():
        raise InputError(f"{path}: no such schema; run react24 from a checkout of its repository")
    return read_yaml(path)


def fill_defaults(values: Any, schema: Mapping, problems: list[str]) -> dict[str, Any]:
    """A copy of ``values`` with defaults filled in; complains of unknown keys.

    A mapping that is there but empty (all its keys commented out) counts as ``{}``.

    Args:
        values: As read from YAML.
        schema: The schema of the whole.
        problems: Sentences on unknown keys are appended here.
    """
    return _fill(values, schema, schema, "", problems)


def _fill(values: Any, schema: Mapping, root: Mapping, path: str, problems: list[str]) -> Any:
    schema = resolve_reference(schema, root)
    if values is None and schema.get("type") == "object":
        values = {}
    if not isinstance(values, Mapping):
        return _as_declared(values, schema)
    if "properties" not in schema and "additionalProperties" not in schema:
        return copy.deepcopy(dict(values))
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    filled = {}
    for key, part in properties.items():
        given = values.get(key, copy.deepcopy(part["default"]) if "default" in part else None)
        if key in values or "default" in part:
            filled[key] = _fill(given, part, root, _join(path, key), problems)
    for key in values:
        if key in properties:
            continue
        if isinstance(others, Mapping):
            filled[key] = _fill(values[key], others, root, _join(path, key), problems)
        else:
            problems.append(_unknown_key(str(key), path, properties, root))
    return filled


def _as_declared(value: Any, schema: Mapping) -> Any:
    """Numbers as the type that the schema names, so that 1 and 1.0 give the same settings."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return copy.deepcopy(value)
    if schema.get("type") == "number":
        return float(value)
    if schema.get("type") == "integer" and float(value).is_integer():
        return int(value)
    return value


def resolve_reference(schema: Mapping, root: Mapping) -> Mapping:
    """What ``$ref`` of a part of a schema stands for; the part itself where there is none."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    for part in reference.removeprefix("#/").split("/"):
        root = root[part]
    return root


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else str(key)


def _unknown_key(key: str, path: str, properties: Mapping, root: Mapping) -> str:
    near = nearest(key, properties)
    hint = _join(path, near) if near else None
    if hint is None:
        everywhere = [p for p, _ in walk_keys(root)]
        same_name = [p for p in everywhere if p.rpartition(".")[2] == key]
        hint = same_name[0] if same_name else nearest(_join(path, key), everywhere)
    question = f"did you mean {hint}? " if hint else ""
    where = f"in {path}" if path else "at the top"
    return f"{_join(path, key)}: unknown key; {question}Accepted {where}: {', '.join(properties)}"


def walk_keys(schema: Mapping, root: Mapping | None = None, path: str = "") -> Iterator[tuple]:
    """All keys of a schema: (dotted path, its part of the schema), parents before children.

    Keys with names of the user's choice appear as ``<name>``.
    """
    root = root or schema
    schema = resolve_reference(schema, root)
    parts = dict(schema.get("properties", {}))
    if isinstance(schema.get("additionalProperties"), Mapping):
        parts["<name>"] = schema["additionalProperties"]
    for key, part in parts.items():
        here = _join(path, key)
        yield here, resolve_reference(part, root)
        yield from walk_keys(part, root, here)


def check_values(values: Mapping, schema: Mapping) -> list[str]:
    """What is wrong with the values, one sentence each; unknown keys are left to others."""
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema)
    found = sorted(validator.iter_errors(values), key=lambda e: [str(p) for p in e.absolute_path])
    return [_sentence(error) for error in found if error.validator != "additionalProperties"]


def _sentence(error: Any) -> str:
    path = ""
    for part in error.absolute_path:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return f"{path}: found {show(error.instance)}; accepted is {_accepted(error)}"


def _accepted(error: Any) -> str:
    limit, kind = error.validator_value, error.validator
    if kind == "type":
        words = [limit] if isinstance(limit, str) else limit
        sentence = " or ".join(_TYPE_WORDS[word] for word in words)
        if "number" in words and _is_bare_exponent(error.instance):
            sentence += " (YAML takes 1e-3 for text; write 1.0e-3)"
        if "string" in words and not isinstance(error.instance, str | dict | list | None):
            sentence += " (YAML has its own reading of no, yes, on, off, dates and numbers; put it "
            sentence += "in quotes)"
        return sentence
    if kind == "enum":
        near = nearest(error.instance, limit) if isinstance(error.instance, str) else None
        hint = f" (did you mean {near}?)" if near else ""
        return f"one of {', '.join(map(str, limit))}{hint}"
    if kind in ("minimum", "maximum"):
        return f"a number {'from' if kind == 'minimum' else 'up to'} {limit}"
    if kind in ("minLength", "minItems"):
        return "something that is not empty"
    if kind == "uniqueItems":
        return "a list without repetitions"
    if kind == "pattern":
        return explain_pattern(limit)
    return str(error.message)


def explain_pattern(pattern: str) -> str:
    """The patterns of our schemas in words."""
    if pattern.startswith("^[A-Za-z0-9_-]["):
        return "1 to 64 letters (A-Z, a-z), digits, '_', '-' and '.', not starting with '.'"
    if pattern.startswith("^[a-z]["):
        return "a name of lower-case letters, digits and '_', starting with a letter"
    if pattern.startswith("^[^"):
        return "at most 64 characters without '/', '\\' and control characters"
    return f"text that matches {pattern}"


def _is_bare_exponent(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def show(value: Any) -> str:
    """A value as a user would recognise it, shortened."""
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
