"""Progress of jobs that run elsewhere, told on the head."""

import os
import threading
import time

import pytest

from react24.log import DONE, FAILED
from react24.workflow import running
from react24.workflow.running import Running, seconds_between, tell_regularly

LINE = "12:00:01 INFO react24.training.record: training tranvae seed 1, codebook: 120/400 steps"


def write(path, text):
    """Write a log with a time of change that differs from the one before."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    now = max(path.stat().st_mtime_ns, before + 1_000_000)
    os.utime(path, ns=(now, now))


def test_a_line_per_running_job_and_only_news(tmp_path):
    log = tmp_path / "train_stage/tranvae/codebook/seed1.log"
    write(tmp_path / "track_faces/old.log", "12:00:00 INFO react24.faces: of an earlier run\n")
    jobs = Running(tmp_path)
    assert jobs.look() == []
    write(log, f"12:00:00 INFO react24.x: before\n{LINE}\n")
    write(tmp_path / "probe_session/s1.log", "")
    write(tmp_path / "probe_session/s2.log", f"{LINE}\n12:00:02 INFO react24.log: {DONE}\n")
    write(tmp_path / "probe_session/s3.log", f"{LINE}\n12:00:02 INFO x: {FAILED}ValueError: a\nb\n")
    told = "training tranvae seed 1, codebook: 120/400 steps"
    assert jobs.look() == [f"train_stage tranvae codebook seed1 | {told}"]
    assert jobs.look() == []
    write(log, f"{LINE}\n12:00:11 INFO react24.x: clip: 3 of 4\na second line: of it\n")
    assert jobs.look() == ["train_stage tranvae codebook seed1 | a second line: of it"]


def test_only_the_end_of_a_long_log_is_read(tmp_path):
    jobs = Running(tmp_path)
    write(tmp_path / "a.log", f"12:00:00 INFO x: {DONE}\n" + "é" * 5000 + f"\n{LINE}\n")
    assert jobs.look() == ["a | training tranvae seed 1, codebook: 120/400 steps"]


def test_a_log_that_goes_away_does_not_end_it(tmp_path, monkeypatch):
    jobs = Running(tmp_path)
    write(tmp_path / "a.log", f"{LINE}\n")
    write(tmp_path / "b.log", f"{LINE}\n")
    read = running.last_told

    def remove_first(path):
        path.with_name("a.log").unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(running, "last_told", remove_first)
    assert [line[0] for line in jobs.look()] == ["b"]


def test_it_tells_until_the_run_ends(tmp_path):
    texts, ended, told = [], threading.Event(), threading.Event()

    def tell(text):
        texts.append(text)
        told.set()

    tell_regularly(tmp_path, 0.01, tell, ended)
    for number in range(running.MOST_LINES + 2):
        write(tmp_path / f"{number:02}.log.new", f"{LINE}\n")
    for path in tmp_path.glob("*.new"):
        path.rename(path.with_suffix(""))
    assert told.wait(10)
    thread = next(t for t in threading.enumerate() if t.name == "progress")
    assert thread.daemon
    ended.set()
    thread.join(10)
    assert not thread.is_alive()
    count = len(texts)
    write(tmp_path / "late.log", f"{LINE}\n")
    time.sleep(0.05)
    assert len(texts) == count
    assert texts[0].startswith("Running:\n  ")
    assert "training tranvae seed 1, codebook: 120/400 steps" in texts[0]


def test_many_jobs_are_cut_short(tmp_path):
    texts, ended, told = [], threading.Event(), threading.Event()

    def tell(text):
        texts.append(text)
        told.set()

    tell_regularly(tmp_path / "logs", 0.2, tell, ended)
    for number in range(running.MOST_LINES + 3):
        write(tmp_path / "new" / f"{number:02}.log", f"{LINE}\n")
    (tmp_path / "new").rename(tmp_path / "logs")
    assert told.wait(10)
    ended.set()
    lines = texts[0].splitlines()
    assert len(lines) == running.MOST_LINES + 2
    assert lines[-1] == "  and 3 more"


@pytest.mark.parametrize(
    ("value", "on_cluster", "seconds"),
    [(None, True, 60), (None, False, 0), ("5", False, 5), ("0", True, 0), ("0.5", True, 0.5)],
)
def test_the_environment_says_how_often(monkeypatch, value, on_cluster, seconds):
    monkeypatch.delenv(running.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(running.VARIABLE, value)
    assert seconds_between(on_cluster) == seconds


def test_a_word_for_a_number_is_refused(monkeypatch):
    monkeypatch.setenv(running.VARIABLE, "often")
    with pytest.raises(ValueError, match="REACT24_PROGRESS=often: expected a number of seconds"):
        seconds_between(True)


def test_none_are_told_for_no_seconds(tmp_path):
    before = threading.active_count()
    tell_regularly(tmp_path, 0, pytest.fail, threading.Event())
    assert threading.active_count() == before
