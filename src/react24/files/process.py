"""Who a process is, so that another one, perhaps on another machine, can tell whether it lives."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

ASK_SECONDS = 10
SLURM_HALTED = ("SUSPENDED", "STOPPED")
SLURM_AT_WORK = ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING")
"""States of a job of Slurm whose processes may be there."""


@dataclass(frozen=True)
class Process:
    """A process of some machine.

    Attributes:
        host: Name of the machine.
        boot: Which start of the machine; empty where the system does not say.
        space: The machine's or container's own numbering of processes; empty likewise.
        pid: Its number.
        began: When it began, in ticks after the start of the machine; 0 where it is not said.
        slurm_job: Job of Slurm that it is part of; empty for none.
        slurm_restart: How often Slurm had restarted that job.
    """

    host: str
    boot: str
    space: str
    pid: int
    began: int
    slurm_job: str = ""
    slurm_restart: str = ""

    @classmethod
    def this(cls) -> Self:
        """The process that asks."""
        return cls(
            host=platform.node(),
            boot=_read("/proc/sys/kernel/random/boot_id").strip(),
            space=_link("/proc/self/ns/pid"),
            pid=os.getpid(),
            began=_state(os.getpid())[1],
            slurm_job=os.environ.get("SLURM_JOB_ID", ""),
            slurm_restart=os.environ.get("SLURM_RESTART_COUNT", ""),
        )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The process that `to_json` wrote down.

        Raises:
            TypeError: These are no values of a process.
        """
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lives(self) -> bool | None:
        """Whether it is alive; None where that cannot be known from here."""
        here = Process.this()
        if (self.host, self.boot, self.space) == (here.host, here.boot, here.space):
            state, began = _state(self.pid)
            if state is None:
                return is_alive(self.pid)
            return state not in ("", "Z", "X") and (not self.began or began == self.began)
        if not self.slurm_job:
            return None
        if self.slurm_job == here.slurm_job and self.slurm_restart != here.slurm_restart:
            return False  # an earlier start of this very job
        return _lives_in_slurm(self.slurm_job)

    def __str__(self) -> str:
        job = f" (Slurm job {self.slurm_job})" if self.slurm_job else ""
        return f"process {self.pid} on {self.host}{job}"


def is_alive(process: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def _state(pid: int) -> tuple[str | None, int]:
    """State of a process, empty for none, and when it began; None where the system has no /proc."""
    if not Path("/proc/self/stat").exists():
        return None, 0
    # The name before the last parenthesis may hold anything.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (fields[0], int(fields[19])) if fields else ("", 0)


def _lives_in_slurm(job: str) -> bool | None:
    """Whether a process of a job of Slurm is there; None where Slurm does not know.

    That a job runs says nothing of one of its processes; a halted one cannot give a sign of life.
    """
    if shutil.which("squeue") is None:
        return None
    command = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return False if "Invalid job id" in done.stderr else None
    states = done.stdout.split()
    if any(state in SLURM_HALTED for state in states):
        return True
    return None if any(state in SLURM_AT_WORK for state in states) else False


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such process, or no such system
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
