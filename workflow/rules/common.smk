# Settings, sessions and the names of files, shared by all rules. Logic that can be tested lives in
# src/react24; here it is only asked.

import os
import re
import sys
import threading
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# The library of this checkout, here and in every job.
SRC = str(Path(workflow.basedir) / "src")
if SRC not in sys.path:
    sys.path.insert(0, SRC)

from react24.errors import InputError
from react24.project.config import read_config
from react24.project.load import load_project
from react24.workflow.codedigest import code_digest
from react24.workflow.failures import describe_failures
from react24.workflow.jobs import Jobs
from react24.workflow.paths import share_with_jobs

STARTED = time.time()
ENDED = threading.Event()
# Slurm's plugin takes it out of the environment.
HEAD_JOB = os.environ.get("SLURM_JOB_ID")
share_with_jobs(SRC)

# Jobs evaluate this file again; what the main process has checked need not be checked in each.
CONFIG_FILES = workflow.config_settings.configfiles or [CONFIG_FILE]
CHECKOUT = Path(workflow.basedir)
try:
    # Snakemake's own reader lets through what ours refuses.
    if workflow.is_main_process:
        for path in CONFIG_FILES:
            read_config(path)
    PROJECT = load_project(
        config,
        check=workflow.is_main_process,
        source=", ".join(os.path.relpath(path) for path in CONFIG_FILES),
        start=None if CHECKOUT == Path.cwd() else CHECKOUT,
        kept=Path(".snakemake/react24/project.json"),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

JOBS = Jobs(PROJECT)  # what each rule reads, and the code behind it
SETTINGS = PROJECT.settings
SESSIONS = JOBS.sessions
STREAMS = list(SETTINGS.streams)
SPLITS = JOBS.splits
CLIPS = [f"results/clips/graphau/{split}.h5" for split in SPLITS]
SCORED_SPLITS = SETTINGS["sampling"]["split"]
SEEDS = SETTINGS["sampling"]["seeds"]
MODELS = list(SETTINGS.models)
TRAINED = JOBS.trained
BASELINES = SETTINGS["baselines"]


def any_of(names):
    """A wildcard constraint for one of the names; one that never matches for none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    session=any_of(SESSIONS),
    subject=any_of(JOBS.subjects),
    stream=any_of(STREAMS),
    split=any_of(SPLITS),
    model=any_of(MODELS + BASELINES),
    seed=r"\d+",


def keep_or_temp(path):
    """Normalised features are kept, or deleted once the clips are cut."""
    return path if SETTINGS["storage"]["keep_normalized"] else temp(path)


def tell_doubts():
    """Print what a user should know of his recordings, now that the run has ended."""
    # Reads HDF5, which no start of a job needs.
    from react24.report.notices import describe_doubts

    told = JOBS.told_files(SESSIONS.values(), STREAMS)
    repeated, where = "results/repeated.json", "results/tables/notices.md"
    print(describe_doubts(told, CLIPS, repeated, where=where))


def prepare_head():
    """Before jobs are submitted: what Slurm must be asked. Then tell of jobs elsewhere."""
    # Only the main process comes here.
    from react24.workflow.running import seconds_between, tell_regularly
    from react24.workflow import slurm

    def find_jobs():
        started_from = Path(workflow.workdir_init)
        return slurm.find_live_jobs(Path.cwd(), started_from, own_job=HEAD_JOB)

    on_slurm = workflow.executor_plugin.name == "slurm"
    try:
        seconds = seconds_between(on_cluster=not workflow.local_exec)
        if on_slurm or slurm.LOGS.exists():
            tell_warning(slurm.refuse_doubles(find_jobs))
        if on_slurm:
            tell_warning(slurm.settle_status_command(workflow.executor_settings))
            slurm.tell_when_lost(find_jobs, logger.warning, ENDED)
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    tell_regularly(Path("logs"), seconds, logger.info, ENDED)


def tell_warning(text):
    """Show what is not empty."""
    if text:
        logger.warning(text)
