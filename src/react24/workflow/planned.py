"""What is done with what planning found: told, left for ``react24 status``, and ``--touch``."""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from snakemake.io import apply_wildcards

from react24.files.atomic import atomic_path
from react24.files.carriers import carriers, replace_recipe
from react24.files.provenance import MADE_FROM_ANOTHER, OTHER_INPUTS
from react24.workflow.recipes import STALE, Currency, Verdict, times

PLAN = "REACT24_PLAN"
"""Environment variable with the JSON file in which planning leaves its verdicts."""

MOST = 3
"""Kinds of reasons that are told."""


class Planned:
    """The verdicts of a main process, at the end of planning and of the process."""

    def __init__(self, currency: Currency, workflow: Any) -> None:
        """See to it that what was found is told, also where no job is run."""
        self._currency = currency
        self._workflow = workflow
        self._is_told = False
        if workflow.is_main_process:
            atexit.register(self._end)
            currency.when_asked = self._begin

    def _begin(self) -> None:
        """Planning begins, and it is known whether this is ``--touch``."""
        if self._workflow.touch:
            # What is registered last ends first, and HDF5 has to be there still.
            from react24.files import contract as contract

            atexit.register(self._accept)

    def _accept(self) -> None:
        self.tell()
        accept_touched(self._currency)

    def tell(self) -> None:
        """Say how many outputs are stale and why, once."""
        if not self._is_told and (text := describe_stale(self._currency.verdicts)):
            sys.stderr.write(text + "\n")
        self._is_told = True

    def _end(self) -> None:
        self.tell()
        if place := os.environ.get(PLAN):
            write_plan(self._currency, Path(place))
        self._currency.stamps.save()


def describe_stale(verdicts: Iterable[Verdict]) -> str:
    """One or two lines for people; empty where nothing is stale."""
    stale = [verdict for verdict in verdicts if verdict.state == STALE]
    if not stale:
        return ""
    counts = Counter(kind_of(verdict.reasons[0]) for verdict in stale).most_common()
    parts = [f"{kind} ({count})" for kind, count in counts[:MOST]]
    if len(counts) > MOST:
        parts.append(f"other reasons ({sum(count for _, count in counts[MOST:])})")
    jobs = "the output of 1 job is" if len(stale) == 1 else f"the outputs of {len(stale)} jobs are"
    return (
        f"react24: {jobs} stale and will be made again, as will what is made from them.\n"
        f"Why: {'; '.join(parts)}. Each with its reason: react24 status"
    )


def kind_of(reason: str) -> str:
    """A reason without the files it names, so that equal ones can be counted."""
    if reason.startswith(MADE_FROM_ANOTHER):
        return f"{MADE_FROM_ANOTHER} version of an input"
    return OTHER_INPUTS if reason.startswith(OTHER_INPUTS) else reason


def write_plan(currency: Currency, place: Path) -> None:
    """Leave the verdicts as JSON, a dict each, for ``react24 status``."""
    plan = []
    for verdict in currency.verdicts:
        reads = [] if verdict.failed else currency.reads(verdict)
        oldest = min(verdict.times.values(), default=None)
        newer = [p for p, t in times(reads).items() if oldest is not None and t > oldest]
        parts = {"outputs": verdict.outputs, "inputs": reads, "newer": newer}
        plan.append({"rule": verdict.rule.name, **parts, "reasons": verdict.reasons})
    with atomic_path(place) as temporary:
        temporary.write_text(json.dumps(plan), "utf-8")


def accept_touched(currency: Currency) -> list[str]:
    """After ``--touch``: what was touched carries the recipe that would be followed now.

    Only files that have been touched since they were judged; upstream ones first, because the
    recipes of others name their stamps.

    Returns:
        The files that carry another recipe now.
    """
    accepted = []
    judged = [verdict for verdict in currency.verdicts if not verdict.failed]
    currency.forget()
    for verdict in upstream_first(currency, judged):
        recipe = currency.recipe(verdict.rule, verdict.wildcards)
        there = [path for path in verdict.outputs if Path(path).exists()]
        for path in carriers(verdict.outputs):
            touched = path in there and Path(path).stat().st_mtime_ns != verdict.times.get(path)
            if touched and currency.stamps.stamp(path) != recipe.stamp:
                replace_recipe(path, recipe)
                currency.forget()
                accepted.append(path)
        _touch_benchmark(verdict, there)
    return accepted


def _touch_benchmark(verdict: Verdict, outputs: list[str]) -> None:
    """Snakemake takes the time of the benchmark for that of an output, but does not touch it."""
    benchmark = verdict.rule.benchmark
    if benchmark and outputs:
        path = Path(apply_wildcards(str(benchmark), verdict.wildcards))
        oldest = min(Path(output).stat().st_mtime_ns for output in outputs)
        if path.exists() and path.stat().st_mtime_ns < oldest:
            os.utime(path, ns=(oldest, oldest))


def upstream_first(currency: Currency, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Jobs in an order in which each stands after those whose outputs it reads."""
    makers = {path: verdict for verdict in verdicts for path in verdict.outputs}
    done: set[int] = set()
    waiting = [(verdict, False) for verdict in makers.values()]
    while waiting:
        verdict, ready = waiting.pop()
        if id(verdict) in done:
            continue
        if ready:
            done.add(id(verdict))
            yield verdict
            continue
        waiting.append((verdict, True))
        waiting += [(makers[path], False) for path in currency.reads(verdict) if path in makers]
