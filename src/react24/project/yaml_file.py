"""Reading YAML, which takes some texts for other things than people mean by them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from react24.errors import InputError, InputErrors


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Notes what YAML reads in another way than people do: some numbers, and repeated keys."""

    def __init__(self, stream: Any):
        super().__init__(stream)
        self.mistakes: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping; keys that are written twice, of which YAML takes the last, are mistakes."""
        lines: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in lines and key.value != "<<":
                self.mistakes.append(
                    f"{key.start_mark.name}, line {line}: found the key {key.value!r}, which "
                    f"stands in line {lines[key.value]} too; accepted are keys written once"
                )
            lines[key.value] = line
        return super().construct_mapping(node, deep=deep)

    def construct_plain_number(self, node: yaml.ScalarNode) -> int | float:
        """A number; one that is written with a leading zero or as a time is a mistake."""
        kind = node.tag.rpartition(":")[2]
        value = getattr(self, f"construct_yaml_{kind}")(node)
        octal = kind == "int" and re.match(r"[-+]?0[0-9_]+$", node.value)
        if octal or ":" in node.value:
            why = "as octal, because of the leading zero" if octal else "to the base of 60"
            self.mistakes.append(
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
            loader = _Loader(file)
            try:
                values = loader.get_single_data()
            finally:
                loader.dispose()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if len(loader.mistakes) == 1:
        raise InputError(loader.mistakes[0])
    if loader.mistakes:
        raise InputErrors(f"{path}: what YAML reads in another way than people", loader.mistakes)
    return values


def read_mapping(path: str | Path) -> dict[str, Any]:
    """As `read_yaml`, of a file that holds a mapping; empty for an empty file.

    Raises:
        InputError: As `read_yaml`, or it holds something else.
    """
    values = read_yaml(path)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {values!r:.80}; accepted is a mapping of settings")
    return values
