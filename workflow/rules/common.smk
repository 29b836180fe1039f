# Settings, sessions and the names of files, shared by all rules. Logic that can be tested lives in
# src/react24; here it is only asked.

import os
import re
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# The library of this checkout, here and in every job. Where the rules were fetched without it (a
# module by github(...), Kubernetes), react24 has to be installed.
SRC = os.path.join(CHECKOUT, "src")
if os.path.isdir(SRC) and SRC not in sys.path:
    sys.path.insert(0, SRC)
elif not os.path.isdir(SRC) and find_spec("react24") is None:
    raise WorkflowError(
        f"{CHECKOUT}: there is no folder src beside the Snakefile, and react24 is not installed "
        "where snakemake is; install the same version there (docs/use_as_a_module.md)"
    )

from react24.errors import InputError
from react24.project.config import read_config
from react24.project.load import load_project
from react24.workflow.codedigest import code_digest, keep_sources
from react24.workflow.console import show_one_line_per_job
from react24.workflow.container import find_image
from react24.workflow.failures import Failures
from react24.workflow.jobs import Jobs, per_attempt
from react24.workflow.paths import keep_jobs_from_fetching, share_with_jobs
from react24.workflow.planned import Planned
from react24.workflow.quiet_plan import print_quiet_plan
from react24.workflow.recipes import Currency

FAILURES = Failures()  # what the run's log says of its jobs
ENDED = threading.Event()
# Slurm's plugin takes it out of the environment.
HEAD_JOB = os.environ.get("SLURM_JOB_ID")
if os.path.isdir(SRC):
    share_with_jobs(SRC)
keep_jobs_from_fetching()

# Jobs evaluate this file again; what the main process has checked need not be checked in each.
try:
    # Snakemake's own reader lets through what ours refuses.
    if workflow.is_main_process:
        for path in CONFIG_FILES:
            read_config(path)
    PROJECT = load_project(
        config,
        check=workflow.is_main_process,
        source=", ".join(map(os.path.relpath, CONFIG_FILES))
        or f"config of module {__name__}",
        start=None if CHECKOUT == os.getcwd() else Path(CHECKOUT),
        kept=Path(".snakemake/react24/project.json"),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

# With --sdm apptainer all rules run in one image (docs/container.md); without it none is sought.
if "apptainer" in map(str, workflow.deployment_settings.deployment_method):
    try:
        IMAGE = find_image(os.environ, [os.getcwd(), CHECKOUT])
    except InputError as error:
        raise WorkflowError(str(error)) from None

    container: IMAGE


keep_sources(Path(".snakemake/react24/sources.json"), write=workflow.is_main_process)
# What each rule reads, and the code behind it.
JOBS = Jobs(PROJECT, scripts=Path(CHECKOUT) / "workflow/scripts")
CURRENT = Currency(workflow)  # whether what a rule makes is current (docs/reruns.md)
PLANNED = Planned(CURRENT, workflow)
print_quiet_plan(workflow)
SETTINGS = PROJECT.settings
SESSIONS = JOBS.sessions
STREAMS = list(SETTINGS.streams)
SPLITS = JOBS.splits
CLIPS = [f"results/clips/graphau/{split}.h5" for split in SPLITS]
# Refuses recordings in two splits or under two names; what it says changes no clip.
COMPARED = "results/repeated.json"
SCORED_SPLITS = SETTINGS["sampling"]["split"]
SEEDS = SETTINGS["sampling"]["seeds"]
MODELS = list(SETTINGS.models)
TRAINED = JOBS.trained
BASELINES = SETTINGS["baselines"]


def any_of(names):
    """A wildcard constraint for one of the names; one that never matches for none."""
    return "|".join(map(re.escape, names)) or "(?!)"


if workflow.storage_settings.default_storage_provider is not None:
    # With object storage Snakemake 9.27 asks there for the size of what it has not yet uploaded.
    def ensure(path, **_):
        return path


wildcard_constraints:
    session=any_of(SESSIONS),
    subject=any_of(JOBS.subjects),
    stream=any_of(STREAMS),
    split=any_of(SPLITS),
    model=any_of(MODELS + BASELINES),
    seed=r"\d+",


def fetch_weights():
    """Have what the jobs of this run need of published weights, before the first of them starts."""
    from react24.project.weights_used import fetch_used

    rules = {job.rule.name for job in workflow.dag.needrun_jobs()}
    try:
        fetch_used(
            SETTINGS, None if AS_MODULE else rules
        )  # a module's have other names
    except InputError as error:
        raise WorkflowError(str(error)) from None


def note_broken():
    """Keep which sessions failed because of their recordings, for the next run."""
    from react24.workflow.broken import note_failures

    if told := note_failures(PROJECT, FAILURES.failed()):
        print(told)


def tell_left_out():
    """Print which sessions the run did without."""
    from react24.workflow.broken import tell_left_out

    if told := tell_left_out(PROJECT):
        print(told)


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
        if on_slurm or slurm.has_been_used():
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
