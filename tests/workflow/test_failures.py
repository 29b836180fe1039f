import os
import subprocess
import sys
from pathlib import Path

import pytest

import react24
from react24.workflow.failures import describe_failures, find_failures

BEGIN = """
import ctypes, multiprocessing, os, signal, sys, time
from react24.errors import InputErrors
from react24.log import progress, start_logging
start_logging(sys.argv[1])
"""


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


def only_failure(folder):
    (failure,) = find_failures(folder, since=0)
    return failure


FAIL = 'raise InputErrors("session02: 2 problems", ["a.mp4, second 3: cut", "b.mp4: no sound"])'


def test_failed_jobs_are_listed_with_their_whole_reason(tmp_path):
    assert run(tmp_path / "zscore_stream" / "graphau" / "session02.log", FAIL).returncode == 1
    assert run(tmp_path / "track_faces" / "session01.log", "").returncode == 0
    assert describe_failures(tmp_path, since=0).splitlines() == [
        "1 job(s) failed; what depends on them did not run:",
        "  zscore_stream graphau session02: InputErrors: session02: 2 problems",
        "      1. a.mp4, second 3: cut",
        "      2. b.mp4: no sound",
        f"    log: {tmp_path / 'zscore_stream' / 'graphau' / 'session02.log'}",
    ]


def test_the_traceback_stays_in_the_log(tmp_path):
    log = tmp_path / "r" / "s.log"
    run(log, FAIL)
    assert "Traceback (most recent call last)" in log.read_text()


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
def test_killed_jobs_are_listed_with_signal_and_last_stage(tmp_path, end, status, words):
    job = f"for i in progress(range(50), what='tracking s1/b', unit='frame'):\n    {end}"
    assert run(tmp_path / "track_faces" / "s1.log", job).returncode == status
    failure = only_failure(tmp_path)
    assert (failure.rule, failure.wildcards) == ("track_faces", ("s1",))
    for word in (*words, "the last it told: tracking s1/b: 50 frames"):
        assert word in failure.message


def test_a_job_that_was_killed_at_once_is_listed(tmp_path):
    run(tmp_path / "track_faces" / "s1.log", "os.kill(os.getpid(), signal.SIGKILL)")
    assert "it had told nothing yet" in only_failure(tmp_path).message


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
    done = run(tmp_path / "train_regnn" / "s1.log", job)
    assert done.returncode == 0, done.stderr
    assert find_failures(tmp_path, since=0) == []


def test_logs_of_earlier_runs_do_not_count(tmp_path):
    log = tmp_path / "probe_session" / "session02.log"
    run(log, FAIL)
    os.utime(log, (1000, 1000))
    assert find_failures(tmp_path, since=2000) == []
    assert describe_failures(tmp_path, since=2000) == ""
