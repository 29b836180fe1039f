"""What ended a job, told from texts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import react24
from react24.workflow.endings import Evidence, explain

BEGIN = """
import ctypes, multiprocessing, os, signal, sys, time
from react24.errors import InputErrors
from react24.log import progress, start_logging
start_logging(sys.argv[1])
"""
MESSAGES = Path(__file__).parent / "slurm_messages"
RESOURCES = {"mem_mb": 3000, "runtime": 60, "tmpdir": "/tmp"}
LOG = "10:00:00 INFO react24.log: training vae: 500 steps\n"
CLOSING = "For further error details see the cluster/cloud log and the log files of the rule(s)."


def run(log, job):
    environment = {**os.environ, "PYTHONPATH": str(Path(react24.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-c", BEGIN + job, str(log)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )


def explained(**seen):
    return explain(Evidence("train_regnn", RESOURCES, **seen))


def slurm(state, reason=""):
    said = f"SLURM-job '12' failed, SLURM status is: '{state}'. {reason}"
    return {"message": said + CLOSING}


def test_a_failed_job_says_its_whole_reason(tmp_path):
    fail = 'raise InputErrors("s2: 2 problems", ["a.mp4, second 3: cut", "b.mp4: no sound"])'
    log = tmp_path / "s2.log"
    assert run(log, fail).returncode == 1
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert explained(log=text).splitlines() == [
        "InputErrors: s2: 2 problems",
        "  1. a.mp4, second 3: cut",
        "  2. b.mp4: no sound",
    ]


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, ["killed", "SIGKILL", "memory"]),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -15, ["stopped by SIGTERM"]),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -11, ["crashed", "Segmentation fault"]),
        ("ctypes.string_at(0)", -11, ["crashed", "Segmentation fault"]),
        ("os.abort()", -6, ["crashed", "Aborted"]),
        ("raise KeyboardInterrupt", -2, ["stopped by SIGINT"]),
    ],
)
def test_killed_jobs_say_signal_and_last_stage(tmp_path, end, status, words):
    job = f"for i in progress(range(50), what='tracking s1/b', unit='frame'):\n    {end}"
    assert run(tmp_path / "s1.log", job).returncode == status
    message = explained(log=(tmp_path / "s1.log").read_text())
    for word in (*words, "the last it told: tracking s1/b: 50 frames"):
        assert word in message


def test_stopping_a_helper_does_not_fail_the_job(tmp_path):
    job = """
fork = multiprocessing.get_context("fork")
begun = fork.Event()
helper = fork.Process(target=lambda: (begun.set(), time.sleep(30)))
helper.start()
begun.wait()
helper.terminate()
helper.join()
assert helper.exitcode == -signal.SIGTERM
"""
    done = run(tmp_path / "s1.log", job)
    assert done.returncode == 0, done.stderr
    assert "The job is done." in (tmp_path / "s1.log").read_text()
    assert "was stopped" not in (tmp_path / "s1.log").read_text()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("OUT_OF_MEMORY", ["memory", "3000 MB", "--set-resources train_regnn:mem_mb="]),
        ("TIMEOUT", ["time limit", "60 minutes", "--set-resources train_regnn:runtime="]),
        ("CANCELLED", ["cancelled", "scancel"]),
        ("NODE_FAIL", ["node failed", "start the run again"]),
        ("PREEMPTED", ["priority"]),
    ],
)
@pytest.mark.parametrize(
    "log", [None, LOG, LOG + "10:00:01 CRITICAL react24: The job was stopped by SIGTERM\n"]
)
def test_what_slurm_says_comes_first(state, words, log):
    message = explained(**slurm(state, "Reason: Unknown."), log=log)
    for word in (state, *words):
        assert word in message
    assert ("wrote no log" in message) == (log is None)
    assert ("the last it told: training vae: 500 steps" in message) == (log is not None)


def test_an_exception_says_more_than_the_state():
    failed = LOG + "10:00:01 CRITICAL react24: The job failed: InputError: a.mp4: no sound\n"
    assert explained(**slurm("FAILED"), log=failed) == "InputError: a.mp4: no sound"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"asked": "JobId=12 JobState=FAILED Reason=JobLaunchFailure ExitCode=0:53"},
         ["JobLaunchFailure", "memory", "mem_mb"]),
        ({"asked": "JobId=12 JobState=FAILED Reason=NonZeroExitCode ExitCode=0:9"},
         ["SIGKILL", "memory"]),
        ({"cluster_log": "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0."},
         ["OUT_OF_MEMORY"]),
        ({"cluster_log": "error: *** JOB 12 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***"},
         ["TIMEOUT"]),
        ({"cluster_log": "OSError: [Errno 28] No space left on device"}, ["disk", "make room"]),
        ({"cluster_log": "slurmstepd: error: execve(): python: No such file"}, ["No such file"]),
    ],
)  # fmt: skip
def test_failed_in_slurm_before_its_python_ran(seen, words):
    message = explained(**slurm("FAILED", "Detailed failure reason unavailable."), **seen)
    for word in (*words, "wrote no log"):
        assert word in message


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("memory", ["Slurm: OUT_OF_MEMORY", "3000 MB", "the last it told: started memory"]),
        ("memory_cgroup", ["Slurm: OUT_OF_MEMORY", "the last it told: started memory"]),
        ("time", ["Slurm: TIMEOUT", "60 minutes", "the last it told: started time"]),
        ("cancelled", ["Slurm: CANCELLED", "the last it told: started cancelled"]),
        ("killed", ["SIGKILL", "the last it told: started killed"]),
        ("failed", ["ValueError: row 3 of the sheet\nsecond line"]),
        ("refused", ["Memory specification can not be satisfied", "wrote no log"]),
    ],
)
def test_what_slurm_leaves_is_understood(case, expected):
    """Texts of real runs (slurm_messages/README.md)."""
    said = (MESSAGES / f"{case}.snakemake.txt").read_text()
    left = {
        name: path.read_text() if (path := MESSAGES / f"{case}.{what}.txt").exists() else None
        for name, what in (("log", "react24"), ("cluster_log", "slurm"))
    }
    message = re.search(r"message: (.*?)\n    jobid:", said, re.DOTALL)[1]
    sentence = explained(message=message, log=left["log"], cluster_log=left["cluster_log"] or "")
    for words in expected:
        assert words in sentence
    assert "sbatch --parsable" not in sentence


def test_the_state_of_a_group_is_asked_for():
    """Snakemake does not pass on what an executor says of a group."""
    asked = "JobId=12 JobState=CANCELLED Reason=None ExitCode=0:0"
    assert "CANCELLED" in explained(asked=asked)
    assert "TIMEOUT" in explained(asked="JobId=12 JobState=TIMEOUT Reason=TimeLimit")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Command 'x' died with <Signals.SIGKILL: 9>.", ["SIGKILL", "memory"]),
        ("Command 'x' returned non-zero exit status 137.", ["SIGKILL"]),
        ("Command 'x' died with <Signals.SIGBUS: 7>.", ["stopped by SIGBUS"]),
        ("Command 'x' returned non-zero exit status 1.", ["status 1", "before"]),
        ("[Errno 28] No space left on device: '.snakemake/x'", ["disk", "make room"]),
        ("PermissionError: results/x", ["PermissionError: results/x"]),
        ("", ["ended without a word"]),
    ],
)
def test_a_job_without_a_log_is_told_from_what_snakemake_said(said, words):
    message = explained(snakemake=said)
    for word in (*words, "wrote no log"):
        assert word in message


def test_a_full_disk_says_what_to_do_once():
    failed = LOG + "10:00:01 CRITICAL react24: The job failed: "
    message = explained(log=failed + "OSError: [Errno 28] No space left on device: 'x'\n")
    assert message.count("make room") == 1
    told = "StoreError: x: cannot be written, the disk is full; make room there"
    assert explained(log=failed + told) == told


def test_a_crash_after_the_exception_is_no_news():
    failed = LOG + "10:00:01 CRITICAL react24: The job failed: DiskFullError: f.h5: make room\n"
    assert explained(log=failed + "Fatal Python error: Segmentation fault\n\nThread\n") == (
        "DiskFullError: f.h5: make room"
    )


def test_no_room_for_a_log_is_no_death_before_python_ran():
    said = "Command 'x' returned non-zero exit status 1."
    assert "make room" in explained(snakemake=said, full=True)
    assert "make room" in explained(snakemake=said, log=LOG, full=True)


def test_what_ended_a_job_after_its_script_was_done():
    done = LOG + "10:00:01 INFO react24.log: The job is done.\n"
    assert "its script had ended well" in explained(**slurm("NODE_FAIL"), log=done)


@pytest.mark.parametrize("where", ["snakemake", "cluster_log"])
def test_outputs_that_are_missing_or_empty_are_named(where):
    done = LOG + "10:00:01 INFO react24.log: The job is done.\n"
    missing = (
        'MissingOutputException in rule r in file "/p/Snakefile", line 12:\nJob 3  completed '
        "successfully, but some output files are missing. Missing files after 2 seconds. This:\n"
        "out/a.h5 (missing locally, parent dir contents: b.h5)\n"
    )
    message = explained(log=done, **{where: missing})
    assert "out/a.h5" in message
    assert "--latency-wait" in message
    empty = (
        'WorkflowError in rule r in file "/p/Snakefile", line 12:\nDetected unexpected empty '
        "output files. Something went wrong in the rule without an error being reported:\n"
        "out/b.h5 (rule r, line 19, /p/Snakefile)\n"
    )
    assert (
        explained(log=done, **{where: empty}) == "it ended well, but wrote an empty file: out/b.h5"
    )
