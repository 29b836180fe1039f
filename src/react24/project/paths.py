"""Paths in the configuration: ``~`` and variables, and from which folder they start."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from react24.project.schema import resolve_reference, show
from react24.workflow.paths import NO_PLACEHOLDERS, PLACEHOLDER

MODEL_FOLDER = "config/models"
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def settle_paths(values: Mapping, schema: Mapping, start: Path | None, problems: list[str]) -> dict:
    """A copy of the settings in which every path is one that jobs can open.

    Args:
        values: Settings with their defaults filled in.
        schema: Theirs; paths carry ``format: path``.
        start: The checkout, where Snakemake works in another folder (``--directory``): relative
            paths that lead to nothing here are sought there. None where both are one.
        problems: Gets a sentence for every path that cannot be settled.
    """

    def settle(value: Any, where: str) -> Any:
        if not isinstance(value, str):
            return value
        path = _expand(value, where, problems)
        if re.search(PLACEHOLDER, path):
            problems.append(f"{where}: found {show(path)}; {NO_PLACEHOLDERS}")
        return seek(path, start)

    settled = _map(values, schema, schema, "", settle)
    models = settled["models"] if isinstance(settled["models"], dict) else {}
    for name, entry in models.items():
        if start and isinstance(entry, dict) and entry.get("settings") is None:
            entry["settings"] = seek(f"{MODEL_FOLDER}/{name}.yaml", start)
    demo, corpus = values["demo"], settled["corpus"]
    if isinstance(demo, Mapping) and demo.get("enabled") and isinstance(corpus, dict):
        corpus["root"] = values["corpus"]["root"]  # the demo is made where the results are
    return settled


def seek(path: str, start: Path | None) -> str:
    """A relative path that leads to nothing here, but does from ``start``, made absolute."""
    if start is None or Path(path).is_absolute() or os.path.lexists(path):
        return path
    there = start / path
    return str(there) if os.path.lexists(there) else path


def _map(
    value: Any, schema: Mapping, root: Mapping, where: str, settle: Callable[[Any, str], Any]
) -> Any:
    """``value`` with ``settle`` applied to all paths in it, as the schema knows them."""
    schema = resolve_reference(schema, root)
    others = schema.get("additionalProperties")
    if schema.get("format") == "path":
        if isinstance(value, Mapping):
            return {key: settle(part, f"{where}.{key}") for key, part in value.items()}
        return settle(value, where)
    if not isinstance(value, Mapping):
        return value
    parts = schema.get("properties", {})
    return {
        key: _map(
            part,
            parts.get(key, others if isinstance(others, Mapping) else {}),
            root,
            f"{where}.{key}" if where else str(key),
            settle,
        )
        for key, part in value.items()
    }


def _expand(path: str, where: str, problems: list[str]) -> str:
    """``~``, ``$NAME`` and ``${NAME}`` as a shell reads them, unless there is a path called so."""
    if not re.search(r"^~|\$", path) or os.path.lexists(path):
        return path
    expanded = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111, keeps unknown users
    for name in _VARIABLE.findall(expanded):
        problems.append(
            f"{where}: found {show(path)}; the environment has no variable {name.strip('{}')} "
            f"(set it, or write the path out)"
        )
    if expanded.startswith("~"):
        user = expanded.partition("/")[0]
        problems.append(f"{where}: found {show(path)}; there is no user {user[1:]!r} here")
    return expanded
