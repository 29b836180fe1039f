"""What the head of a run on Slurm asks before it submits anything.

Two things would otherwise go wrong without a word: jobs of an earlier run that outlived its head
are submitted a second time beside themselves, and on a cluster without job accounting the run waits
for ever for jobs that have long ended. Both checks ask Slurm's own commands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from react24.errors import InputError

LOGS = Path(".snakemake/slurm_logs")
"""Where the plugin has Slurm write what a job prints, below the working folder."""

LONGEST_PAUSE = 180
"""Seconds that the plugin lets pass, at most, between two questions for the states of its jobs."""

SECONDS_TO_ANSWER = 60
SECONDS_TO_END = 60
"""How long jobs that are just ending are waited for; Slurm kills after 30 s (``KillWait``)."""

PAUSE = 2.0
"""Seconds between two looks at them."""

SECONDS_BETWEEN_LOOKS = 120.0
SECONDS_WITHOUT_JOBS = 900.0
"""Jobs that have ended are noticed within 180 s, their files within the latency-wait."""

_RUN_ID = re.compile(r"^(?:[\w-]+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""The plugin's name for all jobs of a run: a UUID, after a prefix where one is set."""


class StatusSettings(Protocol):
    """The settings of the plugin that say how it learns what became of its jobs."""

    status_command: str | None
    init_seconds_before_status_checks: int | None


@dataclass(frozen=True)
class LiveJob:
    """A job that is queued or running.

    Attributes:
        number: Slurm's number of it, ``17`` or, in an array, ``17_3``.
        state: As Slurm names it, such as ``PENDING``.
        run: The UUID of the run that submitted it, which is the name of the job.
        what: Rule and wildcards, such as ``track_faces session03``.
        folder: The folder that its run was started from.
    """

    number: str
    state: str
    run: str
    what: str
    folder: Path


def has_been_used() -> bool:
    """Whether runs of the working folder have been on Slurm, which can be asked from here."""
    return LOGS.is_dir() and shutil.which("squeue") is not None


def refuse_doubles(find: Callable[[], Sequence[LiveJob]]) -> str:
    """Stop where jobs of an earlier run of a working folder are still queued or running.

    Jobs that are just ending are waited for, up to a minute.

    Args:
        find: Looks for them, such as ``find_live_jobs``.

    Returns:
        A warning where Slurm could not be asked, else nothing.

    Raises:
        InputError: There are such jobs; the message says how to see and how to end them.
    """
    end = time.monotonic() + SECONDS_TO_END
    while True:
        try:
            jobs = find()
        except OSError as error:
            return (
                f"Slurm could not be asked for jobs of an earlier run of this folder ({error}). "
                "Where some are still running, their work is done twice now."
            )
        if not jobs:
            return ""
        if time.monotonic() > end or {job.state for job in jobs} != {"COMPLETING"}:
            raise InputError(describe_doubles(jobs))
        time.sleep(PAUSE)


def find_live_jobs(folder: Path, started_from: Path, own_job: str | None) -> list[LiveJob]:
    """Jobs of this user that a run of a working folder has submitted and that have not ended.

    Args:
        folder: The working folder.
        started_from: The folder that Snakemake was started from; another one with ``--directory``.
        own_job: Number of the Slurm job that the asking process runs in, if it does.

    Raises:
        OSError: ``squeue`` is not there or failed.
    """
    fields = "%i\t%T\t%j\t%Z\t%k"
    text = _ask("squeue", "--noheader", f"--user={os.getuid()}", f"--format={fields}")
    runs: dict[str, list[LiveJob]] = {}
    for line in text.splitlines():
        number, state, run, workdir, comment = line.split("\t", 4)
        if _RUN_ID.match(run) and number.partition("_")[0] != own_job:
            job = LiveJob(number, state, run, _rule_of(comment), Path(workdir))
            runs.setdefault(run, []).append(job)
    folder, started_from = folder.resolve(), started_from.resolve()
    return [job for jobs in runs.values() if _is_of(jobs[0], folder, started_from) for job in jobs]


def _rule_of(comment: str) -> str:
    """Rule and wildcards from the comment that the plugin gives a job."""
    return comment.strip().removeprefix("rule_").replace("_wildcards_", " ", 1)


def _is_of(job: LiveJob, folder: Path, started_from: Path) -> bool:
    """Whether a job belongs to a working folder.

    Where Slurm writes its output tells it, since Slurm's own working folder is the one Snakemake
    was started from; that one decides where the user had the output written elsewhere.
    """
    try:
        shown = _ask("scontrol", "show", "job", job.number.partition("_")[0])
    except OSError:
        shown = ""
    found = re.search(r"^ *StdOut=(.*)$", shown, re.MULTILINE)
    if found and str(LOGS) in found[1]:
        return Path(found[1]).is_relative_to(folder / LOGS)
    return job.folder.resolve() in (folder, started_from)


def describe_doubles(jobs: Sequence[LiveJob], shown: int = 3) -> str:
    """One line: which jobs there are, how to wait for them and how to end them."""
    states = Counter(job.state.lower() for job in jobs)
    runs = list(dict.fromkeys(job.run for job in jobs))
    names = ", ".join(job.what for job in jobs[:shown])
    more = f" and {len(jobs) - shown} more" if len(jobs) > shown else ""
    end = " && ".join(f"scancel --name={run}" for run in runs)
    return (
        f"{len(jobs)} job(s) of an earlier run of this folder are not over "
        f"({', '.join(f'{count} {state}' for state, count in states.items())}: {names}{more}); "
        "starting now would do their work twice. Wait until none is left in "
        f"`squeue --name={','.join(runs)}`, or end them with `{end}`; then start again."
    )


def tell_when_lost(
    find: Callable[[], Sequence[LiveJob]], tell: Callable[[str], None], ended: Event
) -> None:
    """Start watching that a run that goes on has jobs; tell where Slurm has had none for long.

    The plugin drops all jobs where no question for their states is answered, and then waits for
    ever. The thread that watches ends with the process at the latest.

    Args:
        find: Looks for the jobs of the run, such as ``find_live_jobs``.
        tell: Takes a text.
        ended: Set when the run has ended.
    """

    def watch() -> None:
        seen = time.monotonic()
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            try:
                alive = bool(find())
            except OSError:  # Slurm itself is away, which says nothing of the jobs
                alive = True
            now = time.monotonic()
            if alive:
                seen = now
            elif now - seen >= SECONDS_WITHOUT_JOBS:
                seen = now
                tell(
                    f"Slurm has had no job of this run for {SECONDS_WITHOUT_JOBS / 60:.0f} min. "
                    "Unless a rule runs on this machine, Snakemake has lost sight of its jobs "
                    "while Slurm did not answer, and waits for ever: stop it with Ctrl-C and start "
                    "it again; what has been made stays made."
                )

    Thread(target=watch, name="jobs", daemon=True).start()


def settle_status_command(settings: StatusSettings) -> str:
    """See to it that the plugin asks a command that answers here.

    By itself it takes ``sacct`` where that program is there, which it is also where Slurm keeps no
    accounts and ``sacct`` fails each time: no job would ever be seen to end. The queue
    (``squeue``) answers as long as it remembers ended jobs (``MinJobAge``).

    Args:
        settings: Of the plugin; its ``status_command`` is changed where need be.

    Returns:
        What was changed and why, else nothing.

    Raises:
        InputError: Neither will answer; the message says what has to be changed in Slurm.
    """
    needed = max(3 * (settings.init_seconds_before_status_checks or 40), LONGEST_PAUSE + 20)
    try:
        _ask("sacct", "--allocations", "--noheader", "--name=react24", "--format=JobIDRaw,State")
    except OSError as error:
        age = _remembered_seconds()
        if age is None or age < needed:
            known = "an unknown time" if age is None else f"{age} s"
            raise InputError(
                f"Slurm here keeps no accounts of its jobs ({error}), and its queue forgets ended "
                f"jobs after {known} (MinJobAge): this run could not see them end and would wait "
                f"for ever. Ask the administrators for MinJobAge={max(needed, 300)} in slurm.conf "
                "or for job accounting (slurmdbd)."
            ) from None
        changed = settings.status_command != "squeue"
        settings.status_command = "squeue"
        return f"No job accounting here ({error}): the queue is asked." if changed else ""
    if settings.status_command == "squeue" and (_remembered_seconds() or 0) < needed:
        settings.status_command = "sacct"
        return f"The queue forgets ended jobs within {needed} s (MinJobAge): sacct is asked."
    return ""


def _remembered_seconds() -> int | None:
    """How long the queue shows jobs that have ended; None where it cannot be learnt."""
    try:
        found = re.search(r"^MinJobAge\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.M)
    except OSError:
        return None
    return int(found[1]) if found else None


def _ask(*command: str) -> str:
    """What a command of Slurm prints.

    Raises:
        OSError: It is not there, fails or does not answer; the message has its name and last line.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER)
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]}: no answer within {SECONDS_TO_ANSWER} s") from None
    except FileNotFoundError:
        raise OSError(f"{command[0]}: not found") from None
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        last = told[-1] if told else f"exit status {done.returncode}"
        raise OSError(f"{command[0]}: {last.removeprefix(f'{command[0]}: ')}")
    return done.stdout
