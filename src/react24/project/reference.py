"""What the settings say of themselves, written for people and for editors.

``python -m react24.project.reference`` brings the tables of ``config/README.md`` and the schema
``config/config.schema.json`` up to date, in the folder of the repository.
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic.fields import FieldInfo

from react24.contracts.settings import admits_none, options_of, walk_fields
from react24.errors import InputError
from react24.project.settings import configuration_of
from react24.project.sheet_columns import COLUMNS

README = Path("config/README.md")
SCHEMA = Path("config/config.schema.json")

_KINDS = {str: "text", int: "whole number", float: "number", bool: "true/false"}
_KINDS |= {tuple: "list", dict: "mapping"}

_KEYS = "| key | type | default | meaning | example |"
_COLUMNS = "| column | needed | meaning |"


def key_rows() -> list[str]:
    """A row of the table of keys for every setting."""
    return [
        f"| `{path}` | {_kind(info.annotation)} | `{_yaml(info.default)}` | {_text(info)} | "
        f"`{_yaml(info.examples[0])}` |"
        for path, info in walk_fields(configuration_of())
        if info.examples
    ]


def column_rows() -> list[str]:
    """A row of the table of columns for every column of the sample sheet."""
    return [
        f"| `{name}` | {'yes' if column.required else 'no'} | {column.text} |"
        for name, column in COLUMNS.items()
    ]


def update_readme(text: str) -> str:
    """The README with its two tables as they should be.

    Raises:
        InputError: It has lost one of them.
    """
    for header, rows in ((_COLUMNS, column_rows()), (_KEYS, key_rows())):
        text = "\n".join(_replace_table(text.split("\n"), header, rows))
    return text


def editor_schema() -> str:
    """The JSON Schema of a configuration, for editors that complete and check YAML."""
    schema = configuration_of().model_json_schema()
    own = {"type": "object", "required": ["type"], "description": "A stream of your own."}
    schema["$defs"]["Streams"]["additionalProperties"] = own
    return json.dumps(_tidy(schema), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both files."""
    README.write_text(update_readme(README.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(editor_schema(), "utf-8")
    sys.stdout.write(f"{README} and {SCHEMA} are up to date\n")


def _replace_table(lines: list[str], header: str, rows: Iterable[str]) -> Iterator[str]:
    if header not in lines:
        raise InputError(f"{README}: no table with the header {header}")
    start = lines.index(header) + 2  # the line of dashes
    end = start
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    yield from (*lines[:start], *rows, *lines[end:])


def _kind(hint: Any) -> str:
    """An annotation as the table has it, e.g. ``text: dtw, official`` or ``number or null``."""
    words: list[str] = []
    choices: list[str] = []
    for option in options_of(hint):
        origin = typing.get_origin(option) or option
        inner = options_of(typing.get_args(option)[0])[0] if origin is tuple else option
        if typing.get_origin(inner) is Literal:
            choices += typing.get_args(inner)
        words.append("text" if origin is Literal else _KINDS[origin])
    words += ["null"] if admits_none(hint) else []
    return " or ".join(words) + (": " + ", ".join(choices) if choices else "")


def _text(info: FieldInfo) -> str:
    return " ".join((info.description or "").split())


def _yaml(value: Any) -> str:
    plain = json.dumps(value, default=lambda model: model.model_dump(exclude_defaults=True))
    return plain.replace('"', "")


def _tidy(part: Any) -> Any:
    """Without pydantic's titles, which repeat the keys; a text on one line; null for a section."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _tidy(value) for key, value in part.items() if not _is_title(key, value)}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    if kept.get("type") == "object" and "properties" in kept:
        kept["type"] = ["object", "null"]  # a section with all its keys commented out
    return kept


def _is_title(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)


if __name__ == "__main__":
    main()
