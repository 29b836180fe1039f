"""``react24 status``: what of a project is current, stale (and why) and missing."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from react24.cli.options import say
from react24.errors import InputError
from react24.files.provenance import listed

STATUS = "Say what of a project is current, what is stale and why, and what is missing."
TO_DO = 3
"""Exit status where something is stale or missing."""

MOST_MISSING = 20
STATES = ("current", "stale", "missing", "unneeded")
HEADER = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan"
"""The first line of the table that ``snakemake --summary`` prints."""

PENDING = "update pending"
PLAN = "REACT24_PLAN"  # as in react24.workflow.planned, which needs Snakemake


@dataclass(frozen=True)
class Output:
    """One output of the workflow.

    Attributes:
        path: The file.
        rule: The rule that makes it.
        state: One of ``STATES``; what is missing and not needed for what was asked for is
            ``unneeded``.
        reasons: Why it is stale.
    """

    path: str
    rule: str
    state: str
    reasons: tuple[str, ...] = field(default=())


def add_status(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 status``."""
    add = parser.add_argument
    add("targets", nargs="*", help="rules or files, as snakemake takes them (all)")
    add("--config", type=Path, help="configuration (that of the workflow)")
    add("--directory", type=Path, help="folder in which the results lie (this one)")
    add("--all", action="store_true", help=f"list all that is missing, not {MOST_MISSING}")
    parser.epilog = f"Exit status: 0 where all is current, {TO_DO} where something is to be made."


def run_status(options: argparse.Namespace) -> int:
    """``react24 status``.

    Raises:
        InputError: There is no workflow here, or it cannot be planned.
    """
    outputs = find_outputs(options.targets, options.config, options.directory)
    say(describe(outputs, most_missing=None if options.all else MOST_MISSING))
    return TO_DO if any(output.state in ("stale", "missing") for output in outputs) else 0


def find_outputs(
    targets: Sequence[str] = (), config: Path | None = None, directory: Path | None = None
) -> list[Output]:
    """What Snakemake plans for every output of the workflow in this folder, with our reasons.

    Raises:
        InputError: There is no workflow here, or it cannot be planned.
    """
    if not any(Path(name).is_file() for name in ("Snakefile", "workflow/Snakefile")):
        raise InputError(
            f"{Path.cwd()}: no Snakefile here; run this in the folder of the workflow, with "
            "--directory where its results lie elsewhere"
        )
    command = [sys.executable, "-m", "snakemake", "--summary", "--cores", "1"]
    command += ["--configfile", str(config)] if config else []
    command += ["--directory", str(directory)] if directory else []
    command += ["--", *targets] if targets else []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "plan.json"
        done = subprocess.run(
            command, env={**os.environ, PLAN: str(place)}, capture_output=True, text=True
        )
        if done.returncode:
            told = done.stderr.strip() or done.stdout.strip()
            raise InputError(f"the workflow cannot be planned:\n{told}")
        plan = json.loads(place.read_text("utf-8")) if place.exists() else []
    return list(_judge(_read_summary(done.stdout), plan))


def _read_summary(text: str) -> list[dict[str, str]]:
    """The rows of ``snakemake --summary``."""
    lines = text.splitlines()
    if HEADER not in lines:
        raise InputError(
            f"snakemake --summary printed no line {HEADER!r}; this react24 knows Snakemake 9.27"
        )
    names = HEADER.split("\t")
    rows = [line.split("\t") for line in lines[lines.index(HEADER) + 1 :]]
    return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]


def _judge(
    rows: Sequence[Mapping[str, str]], plan: Sequence[Mapping[str, Any]]
) -> Iterator[Output]:
    jobs = {path: job for job in plan for path in job["outputs"]}
    pending = {row["output_file"] for row in rows if row["plan"] == PENDING}
    for row in rows:
        path, is_pending = row["output_file"], row["output_file"] in pending
        if row["date"] == "-":
            yield Output(path, row["rule"], "missing" if is_pending else "unneeded")
        elif not is_pending:
            yield Output(path, row["rule"], "current")
        else:
            reasons = _reasons(jobs.get(path, {}), pending) or (row["status"],)
            yield Output(path, row["rule"], "stale", reasons)


def _reasons(job: Mapping[str, Any], pending: set[str]) -> tuple[str, ...]:
    """Why an output is made again: by itself, by its inputs' times, by what is upstream."""
    reasons = list(job.get("reasons", ()))
    upstream = [path for path in job.get("inputs", ()) if path in pending]
    newer = [path for path in job.get("newer", ()) if path not in pending]
    if newer and not reasons:
        reasons.append(f"older than {listed(newer)}")
    if upstream:
        reasons.append(f"made from {listed(upstream)}, which will be made")
    return tuple(reasons)


def describe(outputs: Sequence[Output], most_missing: int | None = MOST_MISSING) -> str:
    """What was found, for people: a count per rule, then what is stale and what is missing."""
    counts = Counter((output.rule, output.state) for output in outputs)
    rules = list(dict.fromkeys(output.rule for output in outputs))
    width = max(map(len, [*rules, "rule"]))
    lines = [f"{'rule':{width}}" + "".join(f"{state:>10}" for state in STATES)]
    for rule in rules:
        lines.append(f"{rule:{width}}" + "".join(f"{counts[rule, s]:>10}" for s in STATES))
    totals = Counter(output.state for output in outputs)
    lines.append(f"{'total':{width}}" + "".join(f"{totals[state]:>10}" for state in STATES))
    stale = [output for output in outputs if output.state == "stale"]
    lines += ["", "Stale:"] if stale else []
    lines += [f"  {output.path}: {'; '.join(output.reasons)}" for output in stale]
    missing = [output.path for output in outputs if output.state == "missing"]
    lines += ["", "Missing:"] if missing else []
    lines += [f"  {path}" for path in missing[:most_missing]]
    if most_missing is not None and len(missing) > most_missing:
        lines.append(f"  and {len(missing) - most_missing} more (--all lists them)")
    if not stale and not missing:
        lines += ["", "All that is asked for is there and current."]
    return "\n".join(lines)
