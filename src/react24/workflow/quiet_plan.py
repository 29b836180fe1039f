"""The table of jobs for ``snakemake -n --quiet``.

There Snakemake stops before it describes each job, which takes a sixth of the time to plan a large
run, but its filter for quietness (9.27) drops the table as well.
"""

from __future__ import annotations

import atexit
import sys
from typing import Any

from snakemake.settings.enums import Quietness

QUIET = frozenset({Quietness.RULES, Quietness.PROGRESS})
"""What ``--quiet`` without a word stands for."""


def print_quiet_plan(workflow: Any) -> None:
    """See to it that a quiet dry run ends with the number of jobs of each rule."""
    if workflow.is_main_process and workflow.output_settings.quiet == QUIET:
        atexit.register(_print, workflow)


def _print(workflow: Any) -> None:
    # Only after the Snakefile has been read does Snakemake know that it is a dry run.
    if workflow.dryrun and workflow.dag is not None and len(workflow.dag):
        table, _ = workflow.dag.stats()
        sys.stdout.write(f"{table}\n")
