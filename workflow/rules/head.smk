# What the process that plans a run does before its jobs and after them; jobs do nothing of it.

import os
import threading
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from react24.workflow.console import show_one_line_per_job
from react24.workflow.failures import Failures
from react24.workflow.planned import Planned
from react24.workflow.quiet_plan import print_quiet_plan

FAILURES = Failures()  # what the run's log says of its jobs
PLANNED = Planned(CURRENT, workflow)
ENDED = threading.Event()
# Slurm's plugin takes it out of the environment.
HEAD_JOB = os.environ.get("SLURM_JOB_ID")

print_quiet_plan(workflow)


def start_head():
    """Once all is planned and before the first job starts."""
    prepare_cluster()
    PLANNED.tell()
    if not workflow.touch:
        logger.addHandler(FAILURES)
        fetch_weights()
    shown = workflow.output_settings
    if not (shown.verbose or shown.printshellcmds):
        show_one_line_per_job(logger)


def end_head():
    """After the last job; what a user should know at the end."""
    ENDED.set()
    tell_left_out()
    tell_doubts()


def end_failed_head(log):
    """The same where jobs have failed: which, and why."""
    ENDED.set()
    print(FAILURES.describe(log))
    note_broken()
    tell_left_out()
    tell_doubts()


def fetch_weights():
    """Have what the jobs of this run need of published weights, before the first of them starts."""
    from react24.project.weights_used import fetch_used

    rules = {job.rule.name for job in workflow.dag.needrun_jobs()}
    try:
        # Rules of a module have other names.
        fetch_used(SETTINGS, None if AS_MODULE else rules)
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


def prepare_cluster():
    """Before jobs are submitted: what Slurm must be asked. Then tell of jobs elsewhere."""
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
