"""Whether outputs are current, by the recipes in them, whatever Snakemake's own records say.

Every rule has one more input, ``current=CURRENT()``, a function that returns a marker
(`react24.workflow.marker`): flagged ``ancient`` where the outputs of a job carry the recipe that
the job would follow now, and plain where they do not, so that Snakemake finds an input newer than
them and runs the job. In jobs, which were found to be necessary, it is always ancient.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, cmp_to_key
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.io import ancient, apply_wildcards, is_callable, is_flagged, local
from snakemake.iocontainers import Wildcards

from react24.files.carriers import carriers, read_recipe
from react24.files.provenance import UNKNOWN, Recipe, differences
from react24.workflow.job import is_stamped, make_recipe, named, sources
from react24.workflow.marker import place_marker
from react24.workflow.stampcache import StampCache

FOLDER = Path(".snakemake/react24")
NO_RECIPE = "made outside the workflow or by an older react24"
CURRENT, STALE, MISSING = "current", "stale", "missing"


@dataclass(frozen=True)
class Verdict:
    """What planning found about the outputs of one job.

    Attributes:
        rule: Snakemake's rule.
        wildcards: Of the job.
        outputs: All of them.
        state: ``current``, ``stale`` or ``missing`` (none of them is there).
        times: Output that is there -> when it was changed, ns.
        reasons: Why they are stale, one phrase each.
        failed: They count as stale because their recipe could not be found out.
    """

    rule: Any
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    state: str
    times: Mapping[str, int]
    reasons: tuple[str, ...] = ()
    failed: bool = False


class Currency:
    """Asked by the rules of a workflow whether what they make is current."""

    def __init__(self, workflow: Any, folder: Path = FOLDER) -> None:
        """Prepare the marker.

        Args:
            workflow: Snakemake's.
            folder: Where the marker lies, and the stamps that were read before.
        """
        self._workflow = workflow
        self._asking: set[Callable] = set()
        self._found: dict[tuple, Verdict] = {}
        self._to_be: dict[tuple, str] = {}
        self.when_asked: Callable[[], None] | None = None
        """Called once, when planning begins."""
        self.stamps = StampCache(folder / "stamps.json")
        self.marker = folder / "marker"
        place_marker(self.marker, renew=workflow.is_main_process)

    def __call__(self, *after: str) -> Callable[[Any], list[str]]:
        """The input function of a rule.

        Args:
            after: Files that have to be made before, but whose change alone reruns nothing. All
                rules downstream of one that has some name them as well: where a job is rerun,
                Snakemake asks no job downstream of it for a reason of its own, and follows only
                inputs that are not ancient.
        """

        def current(wildcards: Any) -> list[str]:
            files = [local(str(self.marker)), *after]
            if self._workflow.is_main_process and self._asked(current, wildcards).state == STALE:
                return files
            return [ancient(path) for path in files]

        self._asking.add(current)
        return current

    @property
    def verdicts(self) -> list[Verdict]:
        """What was found so far."""
        return list(self._found.values())

    def forget(self) -> None:
        """Look at everything anew: files have changed."""
        self._found.clear()
        self._to_be.clear()
        self.stamps.forget()

    @cached_property
    def _rules(self) -> dict[Callable, list[Any]]:
        """Input function -> the rules that have it: one, and those that are derived from it."""
        found: dict[Callable, list[Any]] = {}
        for rule in self._workflow.rules:
            for item in rule.input:
                if (function := _function(item)) in self._asking:
                    found.setdefault(function, []).append(rule)
        return found

    def _asked(self, function: Callable, wildcards: Any) -> Verdict:
        if self.when_asked is not None:
            self.when_asked()
            self.when_asked = None
        values = dict(wildcards.items())
        rules = self._rules[function]
        makers = [rule for rule in rules if len(rules) == 1 or _makes(rule, values)]
        return self.verdict(self._first(makers or rules), values)

    def _first(self, rules: Sequence[Any]) -> Any:
        """Of rules that make the same file, the one that Snakemake prefers (``ruleorder``)."""
        if len(rules) == 1:
            return rules[0]
        return max(rules, key=cmp_to_key(self._workflow._ruleorder.compare))

    def verdict(self, rule: Any, wildcards: Mapping[str, str]) -> Verdict:
        """Whether the outputs of a job are current."""
        key = (rule.name, *sorted(wildcards.items()))
        if key not in self._found:
            self._found[key] = self._judge(rule, wildcards)
        return self._found[key]

    def _judge(self, rule: Any, wildcards: Mapping[str, str]) -> Verdict:
        outputs = tuple(apply_wildcards(str(path), wildcards) for path in rule.output)
        there = times(outputs)
        if not there:
            return Verdict(rule, wildcards, outputs, MISSING, there)
        try:
            now = self.recipe(rule, wildcards)
        except Exception as error:  # Snakemake would take the output as given, and say nothing
            told = (f"it cannot be told whether it is current: {error}",)
            return Verdict(rule, wildcards, outputs, STALE, there, told, failed=True)
        made = {path: self.stamps.stamp(path) for path in carriers(outputs) if path in there}
        reasons = []
        for path in [path for path, stamp in made.items() if stamp != now.stamp]:
            recorded = read_recipe(path)
            if recorded is None:
                reasons.append(NO_RECIPE)
            else:
                reasons += differences(recorded, _without_lost(now, recorded))
        if not made:
            reasons.append(NO_RECIPE)
        told = tuple(dict.fromkeys(reasons))
        return Verdict(rule, wildcards, outputs, STALE if told else CURRENT, there, told)

    def recipe(self, rule: Any, wildcards: Mapping[str, str]) -> Recipe:
        """The recipe that a job would follow now.

        Raises:
            WorkflowError: A function among its ``params`` asks for more than the wildcards.
        """
        return make_recipe(
            rule.name,
            wildcards=wildcards,
            params=dict(_params(rule, wildcards)),
            made_from=sources(self._inputs(rule, wildcards), self._stamp),
        )

    def reads(self, verdict: Verdict) -> list[str]:
        """The inputs of a job, less those that only have to be made before."""
        found = []
        for _, paths in self._inputs(verdict.rule, verdict.wildcards):
            found += [str(paths)] if isinstance(paths, str | Path) else map(str, paths)
        return found

    def _inputs(self, rule: Any, wildcards: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """(name, path or paths) of the inputs of a job, as the job finds them."""
        for name, item in named(rule.input):
            function = _function(item)
            if function is None:
                yield name, _filled(item, wildcards)
            elif function not in self._asking:
                value = function(Wildcards(fromdict=wildcards))
                unpacked = value.items() if is_flagged(item, "unpack") else [(name, value)]
                for inner, path in unpacked:
                    yield inner, _modified(rule, path)

    def _stamp(self, path: str) -> str:
        """The stamp of a file; of one that is missing the one that it would have."""
        if os.path.lexists(path):
            return self.stamps.stamp(path) or UNKNOWN
        found = {}
        for rule in self._workflow.rules:
            for pattern in rule.output:
                if match := pattern.match(path):
                    found[rule] = match.groupdict()
        if not found:
            return UNKNOWN
        rule = self._first(list(found))
        key = (rule.name, *sorted(found[rule].items()))
        if key not in self._to_be:
            self._to_be[key] = self.recipe(rule, found[rule]).stamp
        return self._to_be[key]


def times(paths: Iterable[str]) -> dict[str, int]:
    """Files that are there -> when they were changed, ns."""
    found = {}
    for path in paths:
        try:
            found[path] = os.stat(path).st_mtime_ns  # noqa: PTH116 (thousands of them)
        except OSError:
            continue
    return found


def _function(item: Any) -> Callable | None:
    """The function of an input that is one, with or without a flag."""
    if not is_callable(item):
        return None
    flagged = getattr(item, "_file", item)  # Snakemake keeps it there
    return getattr(flagged, "callable", None) or flagged


def _makes(rule: Any, wildcards: Mapping[str, str]) -> bool:
    """Whether the constraints of a rule allow these wildcards."""
    pattern = rule.output[0]
    return pattern.match(apply_wildcards(str(pattern), wildcards)) is not None


def _filled(item: Any, wildcards: Mapping[str, str]) -> Any:
    """A string, or the strings of a list, with the wildcards filled in."""
    if isinstance(item, str):
        return apply_wildcards(str(item), wildcards)
    if isinstance(item, list):
        return [_filled(part, wildcards) if isinstance(part, str) else part for part in item]
    return item


def _modified(rule: Any, paths: Any) -> Any:
    """Paths with what a module puts before them (``prefix``)."""
    if not isinstance(paths, str | Path):
        return [_modified(rule, path) for path in paths]
    return str(rule.apply_path_modifier(str(paths), rule.input_modifier, property="input"))


def _params(rule: Any, wildcards: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, item in named(rule.params):
        if not callable(item):
            yield name, _filled(item, wildcards)
            continue
        wanted = list(inspect.signature(item).parameters)[1:]
        if wanted:
            raise WorkflowError(
                f"rule {rule.name}, params {name}: the function asks for {', '.join(wanted)}; "
                "react24 knows whether an output is current only where params depend on nothing "
                "but the wildcards"
            )
        yield name, item(Wildcards(fromdict=wildcards))


def _without_lost(now: Recipe, recorded: Recipe) -> Recipe:
    """A recipe in which files from outside that are no longer there count as what they were."""
    known = {
        name: recorded.made_from.get(name, value)
        for name, value in now.made_from.items()
        if value == UNKNOWN and not is_stamped(name)
    }
    return replace(now, made_from={**now.made_from, **known})
