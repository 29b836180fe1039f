"""How every script of the workflow starts: its log, and the recipe of what it is about to make."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from react24.files.carriers import carriers, has_own, read_stamp, write_beside
from react24.files.provenance import UNKNOWN, Recipe, declare, outside
from react24.log import start_logging
from react24.project.shaping import shaping

CURRENT = "current"
"""Name of the input by which a rule asks whether its output is current; it counts for nothing."""

CODE = "code"
"""Name of the parameter that holds the digest of the code."""

UNCOUNTED = frozenset({"checkpoints", "keep_normalized", "normalized", "where"})
"""Parameters that only say where something lies and whether it is kept."""

RESULTS = "results"


def start_job(snakemake: Any) -> None:
    """Start the log of a job and declare the recipe of its outputs.

    Tables, plots and other files that cannot carry a recipe get it beside them when the job has
    ended well.

    Args:
        snakemake: What Snakemake hands to a script.
    """
    start_logging(snakemake.log[0])
    recipe = make_recipe(
        snakemake.rule,
        wildcards=dict(snakemake.wildcards.items()),
        params=dict(named(snakemake.params)),
        made_from=sources(named(snakemake.input), _stamp_of),
    )
    declare(recipe)
    apart = [path for path in carriers(snakemake.output) if not has_own(path)]
    if apart:
        atexit.register(_write_beside, apart, recipe)


def named(files: Any) -> list[tuple[str, Any]]:
    """(name, value) of the inputs or params of a rule or job; those without a name are numbered."""
    parts = files._allitems()  # ``items`` leaves out those without a name
    return [(str(n) if name is None else name, item) for n, (name, item) in enumerate(parts)]


def make_recipe(
    rule: str,
    *,
    wildcards: Mapping[str, str],
    params: Mapping[str, Any],
    made_from: Mapping[str, str],
) -> Recipe:
    """The recipe of a job, the same when it is planned and when it runs."""
    counted = {k: shaping(v) for k, v in params.items() if k != CODE and k not in UNCOUNTED}
    return Recipe(
        rule,
        code=params.get(CODE),
        settings=counted | {"wildcards": dict(wildcards)},
        made_from=made_from,
    )


def sources(inputs: Iterable[tuple[str, Any]], stamp_of: Callable[[str], str]) -> dict[str, str]:
    """What an output is made from, as its recipe names it.

    Files below ``results/`` count by path and stamp. Others, recordings above all, count by their
    place among the inputs, file name and size: in which folder they lie changes nothing.

    Args:
        inputs: (name, path or paths) of a rule's inputs.
        stamp_of: Gives the stamp of a file below ``results/``.
    """
    found = {}
    for name, value in inputs:
        if name == CURRENT:
            continue
        single = isinstance(value, str | Path)
        for number, path in enumerate([value] if single else value):
            if is_stamped(path):
                found[str(path)] = stamp_of(str(path))
            else:
                found[name if single else f"{name}[{number}]"] = _outside(path)
    return found


def is_stamped(path: str | Path) -> bool:
    """Whether a file is one of the workflow's own, with a recipe."""
    path = PurePath(path)
    return not path.is_absolute() and RESULTS in path.parts[:-1]


def _outside(path: str | Path) -> str:
    try:
        return outside(path)
    except OSError:
        return UNKNOWN


def _stamp_of(path: str) -> str:
    return read_stamp(path) or UNKNOWN


def _write_beside(outputs: Iterable[str], recipe: Recipe) -> None:
    """At the end of the process; a job that failed leaves no output that could be right."""
    if getattr(sys, "last_type", None) is None:
        for path in outputs:
            if Path(path).exists():
                write_beside(path, recipe)
