"""``react24 inspect`` and ``react24 show``: what was made, for people to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from react24.cli.options import add_config, declare_recordings, say

INSPECT = "Draw a sheet that shows whether features are right."
SHOW = (
    "Print what a file of the pipeline holds: ranges over the valid frames, how many those are, "
    "and the recipe it was made by."
)


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 inspect``."""
    add = parser.add_argument
    add("session", help="its name, such as demo01")
    add("--results", type=Path, default=Path("results"), help="folder of results (results)")
    add("--output", "-o", type=Path, help="PNG (inspect/SESSION.png in the folder of results)")
    add_config(parser)


def run_inspect(options: argparse.Namespace) -> None:
    """``react24 inspect``."""
    from react24.report.inspect import gather_sheet
    from react24.report.inspect_draw import draw_sheet

    declare_recordings(options, options.results / "media" / f"{options.session}.h5")
    output = options.output or options.results / "inspect" / f"{options.session}.png"
    draw_sheet(gather_sheet(options.session, options.results), output)
    say(str(output))


def add_show(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 show``."""
    add = parser.add_argument
    add("file", type=Path, help="HDF5 file, folder of a trained stage, table or plot")
    add("--columns", action="store_true", help="the range of every column, too")


def run_show(options: argparse.Namespace) -> None:
    """``react24 show``."""
    from react24.files.describe import describe

    say(describe(options.file, columns=options.columns))
