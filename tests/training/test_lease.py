"""One training at a time in a folder of checkpoints."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import react24
from react24.errors import InputError
from react24.files.process import Process
from react24.training import lease
from react24.training.lease import LeaseLostError, hold

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(react24.__file__).parents[1])}
HOLD = """
import sys, time
from pathlib import Path
from react24.training import lease
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
try:
    with lease.hold(folder):
        print("held", flush=True)
        time.sleep(seconds)
except ValueError as error:
    print("refused", error, flush=True)
"""


def begin(folder, seconds=60):
    """A process that holds the folder once it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process, number=signal.SIGKILL):
    process.send_signal(number)
    process.wait()


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)


def leave(folder, silent=0.0, number=1, **changes):
    """A lease that somebody left there, silent for so long."""
    folder.mkdir(exist_ok=True)
    values = {"owner": replace(Process.this(), **changes).to_json(), "since": "May", "token": "x"}
    path = folder / f"lease-{number:06d}.json"
    path.write_text(json.dumps(values))
    then = time.time() - silent
    os.utime(path, (then, then))
    return path


def test_a_second_training_is_told_who_is_at_work(tmp_path):
    first = begin(tmp_path)
    try:
        go(first)
        assert first.stdout.readline() == "held\n"
        with pytest.raises(InputError) as caught, hold(tmp_path):
            pass
        text = str(caught.value)
        for word in (str(tmp_path), f"process {first.pid} on ", "since 20", f"kill {first.pid}"):
            assert word in text
        assert "delete lease-000001.json" in text
        assert first.poll() is None
    finally:
        end(first)


def test_the_folder_of_a_killed_training_is_taken_over_at_once(tmp_path):
    first = begin(tmp_path)
    go(first)
    assert first.stdout.readline() == "held\n"
    end(first)
    assert [path.name for path in tmp_path.iterdir()] == ["lease-000001.json"]
    began = time.monotonic()
    with hold(tmp_path) as mine:
        mine.confirm()
        assert [path.name for path in tmp_path.iterdir()] == ["lease-000002.json"]
    assert time.monotonic() - began < 10
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dead_before", [False, True])
def test_of_many_at_the_same_time_one_wins(tmp_path, dead_before):
    if dead_before:
        leave(tmp_path, pid=2**22 + 1)
    several = [begin(tmp_path) for _ in range(6)]
    try:
        for process in several:
            go(process)
        answers = [process.stdout.readline().split(" ")[0].strip() for process in several]
        assert sorted(answers) == ["held"] + ["refused"] * 5
    finally:
        for process in several:
            end(process)


def test_a_holder_on_another_machine_is_known_by_its_renewals(tmp_path, caplog):
    path = leave(tmp_path, host="node7", boot="other", slurm_job="")
    script = "import os, sys, time\nfor _ in range(200): os.utime(sys.argv[1]); time.sleep(0.1)"
    renewing = subprocess.Popen([sys.executable, "-c", script, str(path)])
    try:
        with pytest.raises(InputError, match=r"process .* on node7"), hold(tmp_path):
            pass
    finally:
        end(renewing)


def test_a_silent_holder_on_another_machine_is_waited_for_until_its_lease_is_over(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(lease, "STALE_SECONDS", 1.0)
    leave(tmp_path, host="node7", boot="other", slurm_job="")
    began = time.monotonic()
    with hold(tmp_path):
        assert time.monotonic() - began > 0.9


def test_a_lease_that_was_not_written_to_the_end_runs_out(tmp_path):
    path = leave(tmp_path)
    path.write_text("")
    then = time.time() - 2 * lease.STALE_SECONDS
    os.utime(path, (then, then))
    with hold(tmp_path):
        assert (tmp_path / "lease-000002.json").exists()


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch):
    """A squeue that says what the test wants."""
    folder = tmp_path_factory.mktemp("bin")

    def says(text, status=0):
        (folder / "squeue").write_text(
            f"#!/bin/sh\necho '{text}' >&{2 if status else 1}\nexit {status}\n"
        )
        (folder / "squeue").chmod(0o755)

    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return says


ELSEWHERE = {"host": "node7", "boot": "other", "slurm_job": "4711"}


@pytest.mark.parametrize(
    ("text", "status"),
    [("FAILED", 0), ("", 0), ("slurm_load_jobs error: Invalid job id specified", 1)],
)
def test_a_job_that_slurm_knows_to_be_over_is_taken_over_at_once(tmp_path, slurm, text, status):
    slurm(text, status)
    leave(tmp_path, **ELSEWHERE)
    began = time.monotonic()
    with hold(tmp_path):
        assert time.monotonic() - began < 10


def test_a_halted_job_keeps_its_folder(tmp_path, slurm):
    slurm("SUSPENDED")
    leave(tmp_path, silent=10 * lease.STALE_SECONDS, **ELSEWHERE)
    with pytest.raises(InputError, match="scancel 4711"), hold(tmp_path):
        pass


def test_a_job_that_slurm_started_again_takes_over_from_itself(tmp_path, slurm, monkeypatch):
    slurm("RUNNING")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    leave(tmp_path, **ELSEWHERE, slurm_restart="")
    with hold(tmp_path):
        pass


def test_what_is_not_known_is_not_guessed(slurm):
    other = replace(Process.this(), **ELSEWHERE)
    slurm("RUNNING")
    assert other.lives() is None
    slurm("Unable to contact slurm controller", 1)
    assert other.lives() is None
    assert Process.this().lives() is True
    assert replace(Process.this(), began=1).lives() is False  # its number was given anew


def test_who_was_taken_over_stops(tmp_path):
    with hold(tmp_path) as mine:
        mine.confirm()
        leave(tmp_path, number=2)
        mine.path.unlink()
        with pytest.raises(LeaseLostError, match="another training has taken over"):
            mine.confirm()
    assert [path.name for path in tmp_path.iterdir()] == ["lease-000002.json"]


def test_a_lease_is_renewed_while_it_is_held(tmp_path):
    with hold(tmp_path) as mine:
        os.utime(mine.path, (1, 1))
        deadline = time.monotonic() + 20
        while mine.path.stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_the_next_number_is_not_made_on_old_news(tmp_path):
    """Who found a dead holder, and slept while others came and went, must look again."""
    dead = leave(tmp_path, pid=2**22 + 1)
    found = lease._highest(tmp_path)
    dead.unlink()
    with hold(tmp_path):  # the number of the dead one is used again
        later = leave(tmp_path, number=2)
        assert not lease._is_the_only_one(later, found)
        later.unlink()


def test_file_systems_without_links_do_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    with hold(tmp_path), pytest.raises(InputError, match="at work"), hold(tmp_path):
        pass
