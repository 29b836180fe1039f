"""``react24 check``: configuration, sample sheet and every recording, before anything runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from react24.cli.options import NO_MODELS, add_config, count_cores, given_config, say

CHECK = (
    "Check configuration, sample sheet and every recording, with the code that the jobs run. Exit "
    "status 1 where anything would fail, 0 where there are warnings at most."
)


def add_check(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 check``."""
    add = parser.add_argument
    add("--cores", type=int, default=count_cores(), help="sessions looked at at a time (all cores)")
    what = "look at the headers of the recordings only, as a run does when it starts"
    add("--quick", action="store_true", help=what)
    what = "estimate from the sound how far apart the recordings of a session were started"
    add("--sync", action="store_true", help=what)
    what = "folder of an earlier run's files, which are read where they are up to date (results)"
    add("--results", type=Path, default=Path("results"), help=what)
    what = "note sessions whose recordings cannot be used, for corpus.skip_broken to leave out"
    add("--write-broken", action="store_true", help=what)
    add("--json", action="store_true", help="print all as one JSON object")
    add_config(parser)


def run_check(options: argparse.Namespace) -> int:
    """``react24 check``; returns the exit status."""
    from react24.check.run import Report, check_project
    from react24.check.table import format_json, format_report
    from react24.project.load import inspect_project

    config, source = given_config(options)
    project = inspect_project(
        NO_MODELS if config is None else config, source=source, check_files=options.quick
    )
    if options.quick:
        report = Report(project, {}, project.problems, project.warnings, project.left_out)
    else:
        report = check_project(
            project,
            cores=options.cores,
            sync=options.sync,
            results=options.results,
            write_broken=options.write_broken,
        )
    text = format_json(report) if options.json else format_report(report)
    say(text)
    return 1 if report.errors else 0
