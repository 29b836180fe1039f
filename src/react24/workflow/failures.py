"""What failed in a run: every job that did, once, and what ended it.

`Failures` follows the run through Snakemake's own logger, which announces the start, the end and
the failure of every job in records with named fields (those that plugins for logging read). So it
knows of jobs that died before their Python started, too; what ended a job is told by its log, by
Snakemake and by the scheduler (``endings.py``).

A job's log is removed when the job is started or submitted, before anything else happens: what
lies there afterwards is of this attempt. Where a job is tried again, the log of the attempt before
is kept beside it (``seed0.log.attempt1``).
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from react24.files.atomic import has_room
from react24.workflow.endings import Evidence, explain, read_end

SLURM_LOGS = Path(".snakemake/slurm_logs")
ASK_SECONDS = 5
CLUSTER_LOG_BYTES = 100_000
"""As much of the end of a cluster's log is read."""


@dataclass
class JobRecord:
    """A job of this run.

    Attributes:
        rule: Its rule, such as ``track_faces``.
        wildcards: What tells it from the rule's other jobs, such as ``session=session03``.
        log: Its log file; None for a rule without one.
        outputs: What it makes.
        resources: What it asked for.
        attempts: How often it was started.
        state: ``running``, ``failed`` or ``done``.
        group: Group that it was submitted with; empty if it was alone.
        messages: What ended each attempt that failed.
        evidence: Of the last of them.
        cluster_logs: Logs of the cluster, of the last attempt.
    """

    rule: str
    wildcards: str
    log: Path | None
    outputs: list[str]
    resources: Mapping[str, Any]
    attempts: int = 0
    state: str = "running"
    group: str = ""
    messages: list[str] = field(default_factory=list)
    evidence: Evidence | None = None
    cluster_logs: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Rule and wildcards."""
        return f"{self.rule} {self.wildcards}".strip()

    @property
    def log_end(self) -> str:
        """How its last log ends (`read_end`); empty where it wrote none."""
        log = self.evidence.log if self.evidence is not None else None
        return read_end(log).how if log is not None else ""

    def read_log(self) -> str | None:
        """The log of the present attempt; None where it wrote none (Snakemake makes it then)."""
        return (_read(self.log) or None) if self.log is not None else None

    def look_again(self) -> None:
        """Read a log that was not there when the job failed: some file systems show it late."""
        if self.evidence is None or self.evidence.log is not None:
            return
        self.evidence = replace(self.evidence, log=self.read_log())
        self.messages[-1] = explain(self.evidence)


class Failures(logging.Handler):
    """Follows the jobs of a run. Add it to Snakemake's logger as soon as the run starts."""

    def __init__(self, ask: Callable[[str], str] | None = None):
        """Know of no job yet.

        Args:
            ask: External id of a job -> what the scheduler says of it; Slurm is asked by default.
        """
        super().__init__()
        self.jobs: dict[int, JobRecord] = {}
        self._ask = ask or ask_slurm
        self._said: dict[int | None, str] = {}  # thread -> error that no job was named with
        self._group: dict[str, Any] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a record of Snakemake's."""
        try:
            event, told = str(getattr(record, "event", "")), record.__dict__
            if event == "job_info":
                self._start(told)
            elif event == "job_finished":
                if job := self.jobs.get(told["job_id"]):
                    job.state = "done"
            elif event == "error":
                self._hear(str(record.msg), record.thread)
            elif event == "group_error":
                self._group = told
            elif event == "job_error":
                self._fail(told, self._said.pop(record.thread, ""))
        except Exception:  # as all handlers do: a run must not end by what is told of it
            self.handleError(record)

    def _start(self, told: Mapping[str, Any]) -> None:
        """A job is started or submitted."""
        log = Path(told["log"][0]) if told["log"] else None
        wildcards = " ".join(f"{key}={value}" for key, value in told["wildcards"].items())
        new = JobRecord(told["rule_name"], wildcards, log, list(told["output"]), {})
        job = self.jobs.setdefault(told["jobid"], new)
        job.resources = dict(told["resources"].items())
        job.attempts, job.state = job.attempts + 1, "running"
        if log is None:
            return
        if job.attempts > 1 and job.read_log() is not None:
            log.replace(_of_attempt(log, job.attempts - 1))
            return
        if job.attempts == 1:
            for old in log.parent.glob(f"{log.name}.attempt*"):
                old.unlink(missing_ok=True)
        log.unlink(missing_ok=True)

    def _hear(self, text: str, thread: int | None) -> None:
        """An error: of a job whose output is named in it, else of the one that fails next."""
        words = {word.strip(",;") for word in text.split()}
        for job in self.jobs.values():
            if job.state == "running" and words.intersection(job.outputs):
                self._end(job, Evidence(job.rule, job.resources, job.read_log(), text))
                return
        self._said[thread] = text

    def _fail(self, told: Mapping[str, Any], said: str) -> None:
        """A job has failed."""
        job = self.jobs.get(told["jobid"])
        if job is None:
            return
        aux = told.get("aux") or {}
        in_group = told.get("indent") and self._group
        job.group = str(self._group["groupid"]) if in_group else ""
        job.cluster_logs = [str(path) for path in told["log"] if Path(path) != job.log]
        if in_group:
            job.cluster_logs += [str(path) for path in self._group["aux_logs"] if path]
        external = aux.get("external_jobid")
        message = told.get("rule_msg") or ""
        evidence = Evidence(
            job.rule,
            job.resources,
            job.read_log(),
            said,
            message,
            "\n".join(_read(Path(path), CLUSTER_LOG_BYTES) or "" for path in job.cluster_logs),
            self._ask(str(external)) if external else "",
        )
        self._end(job, evidence)

    def _end(self, job: JobRecord, evidence: Evidence) -> None:
        inconclusive = evidence.log is None or read_end(evidence.log).how == "cut"
        if inconclusive and job.log is not None:  # perhaps there was no room for a log
            evidence = replace(evidence, full=not has_room(job.log.parent))
        job.state, job.evidence = "failed", evidence
        job.messages.append(explain(evidence))

    def failed(self) -> list[JobRecord]:
        """Jobs that failed in their last attempt, by rule and wildcards.

        Of a group that failed those whose log says so, or the first that did not end well.
        """
        found = [job for job in self.jobs.values() if job.state == "failed"]
        for group in {job.group for job in found if job.group}:
            members = [job for job in found if job.group == group]
            guilty = [job for job in members if job.log_end not in ("", "done")]
            undone = [job for job in members if job.log_end != "done"]
            listed = guilty or undone[:1] or members[:1]
            found = [job for job in found if job.group != group or job in listed]
        return sorted(found, key=lambda job: job.name)

    def stopped(self) -> list[JobRecord]:
        """Jobs that had not ended when the run did, by rule and wildcards."""
        found = [job for job in self.jobs.values() if job.state == "running"]
        return sorted(found, key=lambda job: job.name)

    def describe(self, logs: list[str] | None = None) -> str:
        """The failed jobs for people: rule, wildcards, the whole sentence, logs; and where all are.

        Ask when no job runs any more.

        Args:
            logs: Snakemake's own logs of this run.
        """
        lines = []
        if failed := self.failed():
            lines.append(f"{len(failed)} job(s) failed; what depends on them did not run:")
            for job in failed:
                job.look_again()
                lines += _describe(job)
        if stopped := self.stopped():
            lines.append(f"{len(stopped)} job(s) had not ended when the run was stopped:")
            for job in stopped:
                lines.append(f"  {job.name}")
                lines += [f"    log: {job.log}"] if job.read_log() else []
        places = ["jobs: logs/", f"Snakemake: {', '.join(logs or ['.snakemake/log/'])}"]
        cluster = [path for job in failed for path in job.cluster_logs]
        if SLURM_LOGS.is_dir():
            places.append(f"the cluster: {SLURM_LOGS}/")
        elif cluster:
            places.append(f"the cluster: {os.path.commonpath([*map(os.path.dirname, cluster)])}/")
        return "\n".join([*lines, f"Logs of {'; of '.join(places)}"])


def _describe(job: JobRecord) -> list[str]:
    """A failed job in lines."""
    first, *others = job.messages[-1].splitlines() or [""]
    tried = f" (in all {job.attempts} attempts)" if job.attempts > 1 else ""
    lines = [f"  {job.name}{tried}: {first}", *(f"    {line}" for line in others)]
    for number, message in enumerate(job.messages[:-1], start=1):
        if message != job.messages[-1]:
            first, *others = message.splitlines() or [""]
            lines += [f"    attempt {number}: {first}", *(f"      {line}" for line in others)]
    if job.log is not None:
        earlier = [_of_attempt(job.log, number) for number in range(1, job.attempts)]
        logs = [str(path) for path in (job.log, *earlier) if _read(path)]
        lines += [f"    log: {', '.join(logs)}"] if logs else []
    if cluster := [path for path in job.cluster_logs if Path(path).exists()]:
        lines.append(f"    log of the cluster: {', '.join(cluster)}")
    return lines


def _of_attempt(log: Path, number: int) -> Path:
    """Where the log of an earlier attempt is kept."""
    return log.with_name(f"{log.name}.attempt{number}")


def _read(path: Path, last_bytes: int | None = None) -> str | None:
    """The text of a log, or its end; None where there is none."""
    try:
        with path.open("rb") as file:
            if last_bytes is not None:
                file.seek(max(0, path.stat().st_size - last_bytes))
            return file.read().decode("utf-8", errors="replace")
    except OSError:  # there is none, or it is on a disk that failed: either way it tells nothing
        return None


def ask_slurm(job: str) -> str:
    """What Slurm knows of a job in one line of ``KEY=value``; empty where it cannot be asked."""
    if shutil.which("scontrol") is None:
        return ""
    command = ["scontrol", "show", "job", "--oneliner", job]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
