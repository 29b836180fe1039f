"""What ended a job, told from its log, from Snakemake's messages and from the scheduler's.

Everything here turns text into text; who collects it is ``failures.py``.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from react24.log import CRASHED, DONE, FAILED, STOPPED

_RECORD = re.compile(r"^\d\d:\d\d:\d\d [A-Z]+ [\w.]+: ", re.MULTILINE)
"""How an entry of a log starts (``react24.log``)."""

_STATE = re.compile(r"SLURM status is: '([A-Z_]+)'")
_REASON = re.compile(r"Reasons?: (.+?)\.(?:For further|$)", re.DOTALL)
_DIED = re.compile(r"died with <Signals\.(SIG\w+): \d+>")
_EXIT = re.compile(r"returned non-zero exit status (\d+)")
_CLOSING = "For further error details see the cluster/cloud log"
"""How Snakemake goes on after what an executor said, of any job."""

_OUT_OF_MEMORY = re.compile(
    r"oom[-_ ]kill|out[ -]of[ -]memory|Exceeded (job|step) memory limit|MemoryError", re.IGNORECASE
)
_TIME_LIMIT = re.compile(r"DUE TO TIME LIMIT")
_CANCELLED = re.compile(r"(?:JOB|STEP) \S+ ON \S+ CANCELLED AT")
_NO_ROOM_SENTENCE = (
    "the disk (or your share of it) is full: make room and start again, nothing else is lost"
)
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)

MEMORY = "--set-resources {rule}:mem_mb=..."
TIME = "--set-resources {rule}:runtime=..."

KILLED = (
    "killed without a chance to say why (SIGKILL: mostly because the memory ran out, else by a "
    "scheduler or a person)"
)

_STATES = {
    "OUT_OF_MEMORY": "it needed more memory than it had asked for{mem_mb}: give it more with "
    "{memory}",
    "TIMEOUT": "it reached its time limit{runtime}: give it more with {time}; a training goes on "
    "from its last checkpoint",
    "DEADLINE": "it reached the deadline of the scheduler before it was done",
    "CANCELLED": "it was cancelled (scancel, by a person or an administrator)",
    "NODE_FAIL": "its node failed; start the run again, it goes on from what there is",
    "BOOT_FAIL": "its node could not be started; start the run again",
    "PREEMPTED": "it had to make room for a job of a higher priority",
    "FAILED": "it ended without success",
}
_LAUNCH_FAILURE = (
    "it could not be started or was ended in the middle, mostly because it needed more memory than "
    "it had asked for{mem_mb}: give it more with {memory}"
)


@dataclass(frozen=True)
class LogEnd:
    """How a job's log ends.

    Attributes:
        how: ``done``, ``failed`` (an exception), ``stopped`` (a signal that can be told),
            ``crashed`` (in compiled code) or ``cut`` (it just ends).
        text: Kind and whole text of the exception, name of the signal or kind of the crash.
        last: The last thing the job told before; empty where it had told nothing.
    """

    how: str
    text: str = ""
    last: str = ""


def read_end(text: str) -> LogEnd:
    """How a log ends.

    Args:
        text: The whole log.
    """
    entries = [entry.strip() for entry in _RECORD.split(text)[1:]]
    for entry in reversed(entries):
        if entry.startswith(FAILED):
            # HDF5 crashes when it is put away after it found no room; that is no news.
            return LogEnd("failed", entry.removeprefix(FAILED).partition(CRASHED)[0].strip())
        if entry.startswith(DONE):
            return LogEnd("done")
        if entry.startswith(STOPPED):
            return LogEnd("stopped", entry.removeprefix(STOPPED), _last(entries))
    before, crash, kind = text.rpartition(CRASHED)
    if crash:
        entries = [entry.strip() for entry in _RECORD.split(before)[1:]]
        return LogEnd("crashed", kind.partition("\n")[0], _last(entries))
    return LogEnd("cut", last=_last(entries))


def _last(entries: list[str]) -> str:
    told = [e for e in entries if not e.startswith((STOPPED, FAILED, DONE))]
    return told[-1].splitlines()[0] if told else ""


@dataclass(frozen=True)
class Evidence:
    """All that is known of the end of one attempt of a job.

    Attributes:
        rule: Its rule.
        resources: What it asked for, such as ``mem_mb``.
        log: Its log of this attempt; None where it wrote none.
        snakemake: What Snakemake's main process said of it.
        message: What the executor said of it.
        cluster_log: Text of its log of the cluster.
        asked: What the scheduler answered when asked for the job.
        full: Whether the disk of the logs had no room left.
    """

    rule: str
    resources: Mapping[str, object]
    log: str | None = None
    snakemake: str = ""
    message: str = ""
    cluster_log: str = ""
    asked: str = ""
    full: bool = False


def explain(seen: Evidence) -> str:
    """What ended a job: the sentence for people, which may have several lines."""
    end = read_end(seen.log) if seen.log is not None else None
    if end is not None and end.how == "failed":
        return _with_hint(end.text, seen)
    told = _last_words(end)
    state = _state(seen)
    if state not in ("", "FAILED", "COMPLETED"):
        name = f"Slurm: {state}"
        return f"{name}, {_fill(_STATES.get(state, 'it did not end well'), seen)}; {told}"
    if end is not None and end.how == "crashed":
        return f"crashed ({end.text}) in compiled code; {told}"
    if end is not None and end.how == "stopped":
        who = "Ctrl-C" if end.text == "SIGINT" else "a scheduler at its limit, or a person"
        return f"stopped by {end.text} ({who}); {told}"
    if end is None or end.how == "cut":
        unsaid = _unsaid(state, end, seen)
        return f"{unsaid}\n{told}" if "\n" in unsaid else f"{unsaid}; {told}"
    return _after_the_end(seen)


def _state(seen: Evidence) -> str:
    """State of the job in the scheduler's words; empty where nobody said so."""
    if said := _STATE.search(seen.message):
        state = said[1]
    elif answer := re.search(r"JobState=(\w+)", seen.asked):
        state = answer[1]
    else:
        state = ""
    # The state is not always so exact as the log that the scheduler adds to.
    if state in ("", "FAILED", "CANCELLED"):
        if _TIME_LIMIT.search(seen.cluster_log):
            return "TIMEOUT"
        if _OUT_OF_MEMORY.search(seen.cluster_log) or "OutOfMemory" in seen.asked:
            return "OUT_OF_MEMORY"
        if not state and _CANCELLED.search(seen.cluster_log):
            return "CANCELLED"
    return state


def _unsaid(state: str, end: LogEnd | None, seen: Evidence) -> str:
    """What ended a job whose own log does not say it."""
    texts = "\n".join((seen.snakemake, seen.cluster_log))
    if seen.full or _NO_ROOM.search(texts):
        return _NO_ROOM_SENTENCE
    name = _signal(texts) or _signal(seen.asked)
    if name == signal.SIGKILL.name:
        return KILLED
    if name:
        return f"stopped by {name}"
    if "JobLaunchFailure" in seen.asked + seen.message:
        return f"Slurm: FAILED (JobLaunchFailure), {_fill(_LAUNCH_FAILURE, seen)}"
    said = _what_was_said(seen)
    if said:
        return said
    if end is not None:
        return KILLED
    return f"Slurm: FAILED, {_STATES['FAILED']}" if state else "it ended without a word"


def _signal(text: str) -> str:
    """Name of the signal that ended a process, as Python, bash and Slurm put it."""
    if died := _DIED.search(text):
        return died[1]
    codes = [int(code) - 128 for code in _EXIT.findall(text)]
    codes += [int(code) for code in re.findall(r"ExitCode=\d+:(\d+)", text)]
    known = {number.value: number.name for number in signal.Signals}
    return next((known[code] for code in codes if code in known), "")


def _after_the_end(seen: Evidence) -> str:
    """What was wrong with a job that had done all it wanted to."""
    lines = seen.snakemake.splitlines() or _complaint(seen.cluster_log)
    files = _files(lines)
    if any("unexpected empty output files" in line for line in lines):
        return f"it ended well, but wrote an empty file: {files}"
    if any("output files are missing" in line for line in lines):
        return (
            f"it ended well, but its output is not there: {files}; where the file system is slow "
            "to show it, raise --latency-wait"
        )
    if _NO_ROOM.search(seen.snakemake + seen.cluster_log):
        return _NO_ROOM_SENTENCE
    said = _what_was_said(seen)
    return f"the script ended well, what Snakemake does after it did not: {said or 'unknown'}"


def _complaint(text: str) -> list[str]:
    """What Snakemake said in the log of the cluster of the output of a job."""
    found = re.search(
        r"^.*(?:output files are missing|unexpected empty output).*\n(.*)$", text, re.M
    )
    return found[0].splitlines() if found else []


def _files(lines: list[str]) -> str:
    """The files that Snakemake lists below such a complaint."""
    names = [line.partition(" (")[0] for line in lines if re.match(r"\S+ \(", line)]
    return ", ".join(name for name in names if not name.startswith("Job"))


def _what_was_said(seen: Evidence) -> str:
    """The message of the executor or of Snakemake, else the last lines of the cluster's log."""
    message = seen.message.partition(_CLOSING)[0].partition("\n    sbatch call:")[0].strip()
    if message and not _STATE.search(message):
        return message
    lines = [line for line in seen.snakemake.splitlines() if "Exception" not in line[:40]]
    # Of a script that failed, Snakemake says the command and the status, which help nobody.
    useful = [line for line in lines if line.strip() and not _EXIT.search(line)]
    useful = [line for line in useful if not line.startswith(("CalledProcessError", "RuleEx"))]
    if useful:
        return "\n".join(useful)
    if status := _EXIT.search(seen.snakemake):
        return f"its process ended with status {status[1]}, before react24 could start its log"
    tail = [line for line in seen.cluster_log.splitlines() if line.strip()][-5:]
    if tail:
        return "\n".join(("the end of its log of the cluster:", *tail))
    reason = _REASON.search(seen.message)
    return f"Slurm: FAILED, {reason[1]}" if reason and reason[1] != "Unknown" else ""


def _with_hint(text: str, seen: Evidence) -> str:
    """The text of an exception, and what to do where it does not say so itself."""
    if _NO_ROOM.search(text) and "make room" not in text:
        return f"{text}\n{_NO_ROOM_SENTENCE}"
    if text.startswith("MemoryError") or "can't allocate memory" in text:
        return f"{text}\nits memory ran out: give it more with {_fill('{memory}', seen)}"
    return text


def _fill(sentence: str, seen: Evidence) -> str:
    """A sentence with what the job had asked for, and how to ask for more."""
    asked = {"mem_mb": "", "runtime": ""}
    for name, unit in (("mem_mb", "MB"), ("runtime", "minutes")):
        if isinstance(value := seen.resources.get(name), int):
            asked[name] = f" ({name}: {value} {unit})"
    return sentence.format(
        **asked, memory=MEMORY.format(rule=seen.rule), time=TIME.format(rule=seen.rule)
    )


def _last_words(end: LogEnd | None) -> str:
    """The last thing a job told before it was ended."""
    if end is None:
        return "it wrote no log"
    if end.how == "done":
        return "its script had ended well"
    return f"the last it told: {end.last}" if end.last else "it had told nothing yet"
