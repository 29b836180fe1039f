"""The table of commands, and what happens around each.

A command is a text for ``--help``, a function that adds its options, and a function that runs it,
which imports what it needs only then.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from react24 import __version__
from react24.cli import checking, looking, scoring, status, steps, weights
from react24.errors import InputError


class Command(NamedTuple):
    """One command.

    Attributes:
        text: For ``--help``.
        add: Adds its options to a parser.
        run: Does what they ask for; returns the exit status, None for 0.
        extras: Optional parts of the package (``pip install 'react24[...]'``) that it needs.
    """

    text: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    extras: str = ""


COMMANDS = {
    "check": Command(checking.CHECK, checking.add_check, checking.run_check, "faces"),
    "demo-session": Command(steps.DEMO, steps.add_demo, steps.run_demo, "demo"),
    "probe": Command(steps.PROBE, steps.add_probe, steps.run_probe, "media"),
    "track": Command(steps.TRACK, steps.add_track, steps.run_track, "faces"),
    "extract": Command(steps.EXTRACT, steps.add_extract, steps.run_extract, "faces,audio,vision"),
    "inspect": Command(looking.INSPECT, looking.add_inspect, looking.run_inspect, "faces,report"),
    "show": Command(looking.SHOW, looking.add_show, looking.run_show),
    "status": Command(status.STATUS, status.add_status, status.run_status, "workflow"),
    "evaluate": Command(
        scoring.EVALUATE, scoring.add_evaluate, scoring.run_evaluate, "metrics,frames"
    ),
    "compare": Command(scoring.COMPARE, scoring.add_compare, scoring.run_compare, "metrics"),
    "fetch-weights": Command(weights.FETCH, weights.add_fetch, weights.run_fetch),
    "convert-checkpoint": Command(
        weights.CONVERT, weights.add_convert, weights.run_convert, "models"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None takes those of the process.

    Returns:
        Exit status: 0, or 1 where input cannot be used (2, wrong usage, is raised by argparse);
        ``status`` has 3 for something that is to be made.
    """
    options = make_parser().parse_args(arguments)
    from react24.files.contract import StoreError
    from react24.log import start_logging

    start_logging()
    command = COMMANDS[options.command]
    try:
        status = command.run(options) or 0
        sys.stdout.flush()
    except (InputError, StoreError, FileNotFoundError) as error:
        return _refuse(options, str(error))
    except ModuleNotFoundError as error:
        if not command.extras or (error.name or "react24").partition(".")[0] == "react24":
            raise
        what = f"pip install 'react24[{command.extras}]'"
        return _refuse(options, f"the package {error.name} is not installed; {what} brings it")
    except BrokenPipeError:  # "react24 show FILE | head": nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    return status


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="react24", description="Single steps for people who want one without the workflow."
    )
    parser.add_argument("--version", action="version", version=f"react24 {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.add(commands.add_parser(name, help=command.text, description=command.text))
    return parser


def _refuse(options: argparse.Namespace, why: str) -> int:
    sys.stderr.write(f"react24 {options.command}: {why}\n")
    return 1
