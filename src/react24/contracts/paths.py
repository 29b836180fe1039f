"""Paths that a user writes: ``~`` and variables filled in, sought in two places."""

from __future__ import annotations

import os
import re
from pathlib import Path

PLACEHOLDER = r"\{.*\}"
"""What Snakemake would take for the place of a wildcard in a path, and fill or refuse."""

NO_PLACEHOLDERS = (
    "Snakemake takes what stands in braces for a wildcard and cannot carry such a path; rename it, "
    "or make a link without braces and name that"
)

_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def expand(path: str) -> str:
    """``~``, ``$NAME`` and ``${NAME}`` as a shell reads them, unless there is a path called so.

    Raises:
        ValueError: No such variable or user, or Snakemake cannot carry the path.
    """
    expanded = path
    if re.search(r"^~|\$", path) and not os.path.lexists(path):
        expanded = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111, keeps unknown users
        for name in _VARIABLE.findall(expanded):
            raise ValueError(
                f"found {path!r}; the environment has no variable {name.strip('{}')} (set it, or "
                f"write the path out)"
            )
        if expanded.startswith("~"):
            user = expanded.partition("/")[0]
            raise ValueError(f"found {path!r}; there is no user {user[1:]!r} here")
    if re.search(PLACEHOLDER, expanded):
        raise ValueError(f"found {expanded!r}; {NO_PLACEHOLDERS}")
    return expanded


def seek(path: str, start: Path | None) -> str:
    """A relative path that leads to nothing here, but does from ``start``, made absolute.

    Args:
        path: As the user wrote it.
        start: The checkout, where Snakemake works in another folder (``--directory``); None where
            both are one.
    """
    if start is None or Path(path).is_absolute() or os.path.lexists(path):
        return path
    there = start / path
    return str(there) if os.path.lexists(there) else path
