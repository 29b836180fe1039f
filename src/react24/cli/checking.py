"""``react24 check``: configuration, sample sheet and every recording, before anything runs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

CHECK = (
    "Check configuration, sample sheet and every recording, with the code that the jobs run. Exit "
    "status 1 where anything would fail, 0 where there are warnings at most."
)


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``check``."""
    parser.add_argument(
        "--cores",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="sessions looked at at a time (all cores)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="look at the headers of the recordings only, as a run does when it starts",
    )
    parser.add_argument(
        "--sync",
        action="store_true",
        help="estimate from the sound how far apart the recordings of a session were started",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="folder of an earlier run's files, which are read where they are up to date (results)",
    )
    parser.add_argument("--json", action="store_true", help="print all as one JSON object")


def run_check(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from react24.check.run import Report, check_project
    from react24.check.table import format_json, format_report
    from react24.cli.steps import read_given_config
    from react24.project.load import inspect_project

    config, source = read_given_config(options)
    project = inspect_project(config, source=source, check_files=options.quick)
    if options.quick:
        report = Report(project, {}, project.problems, project.warnings)
    else:
        report = check_project(
            project, cores=options.cores, sync=options.sync, results=options.results
        )
    text = format_json(report) if options.json else format_report(report)
    sys.stdout.write(text + "\n")
    return 1 if report.errors else 0
