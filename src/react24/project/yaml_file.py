"""Reading YAML, which takes some texts for other things than people mean by them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from react24.errors import InputError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
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
