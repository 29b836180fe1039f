"""What a run shows: a line per job, nothing of what went wrong left out."""

import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.small_project import CONSOLE

from react24.workflow import console as module
from react24.workflow.console import show_one_line_per_job


@pytest.fixture
def console():
    """A logger with a handler like Snakemake's, and one that keeps everything."""
    logger = logging.getLogger("tests.workflow.console")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    shown, kept = (logging.StreamHandler(io.StringIO()) for _ in range(2))
    shown.name = module.CONSOLE
    for handler in (shown, kept):
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        logger.addHandler(handler)
    show_one_line_per_job(logger)
    yield logger, shown.stream, kept.stream
    logger.handlers.clear()


def start(logger, job, message=None):
    told = {"event": "job_info", "jobid": job, "rule_msg": message, "rule_name": "track_faces"}
    logger.info("long", extra=told)


def end(logger, jobs, done, total=120):
    for job in jobs:
        logger.info("Finished", extra={"event": "job_finished", "job_id": job})
    logger.info(None, extra={"event": "progress", "done": done, "total": total})


def test_each_job_has_one_line_when_it_ends(console):
    logger, shown, kept = console
    logger.info("Select jobs to execute...")
    start(logger, 7, "Tracking the faces of session s1")
    start(logger, 8)
    assert shown.getvalue() == ""
    end(logger, [8], done=1)
    end(logger, [7], done=2)
    first, second = shown.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d    1 of 120  track_faces \(0 s\)", first)
    assert second.endswith("    2 of 120  Tracking the faces of session s1 (0 s)")
    assert len(kept.getvalue().splitlines()) == 7  # the file of the run keeps all


def test_jobs_of_a_group_have_a_line_each(console):
    logger, shown, _ = console
    for job in (1, 2, 3):
        start(logger, job, f"job {job}")
    end(logger, [1, 2, 3], done=3, total=3)
    told = [line.partition("  ")[2] for line in shown.getvalue().splitlines()]
    assert told == ["1 of 3  job 1 (0 s)", "2 of 3  job 2 (0 s)", "3 of 3  job 3 (0 s)"]


def test_all_else_is_shown_as_it_was(console):
    logger, shown, kept = console
    logger.warning("doubtful")
    logger.error("Error in rule x", extra={"event": "job_error"})
    logger.info("Job stats", extra={"event": "run_info"})
    assert shown.getvalue() == kept.getvalue()
    assert len(shown.getvalue().splitlines()) == 3


def test_it_is_set_up_once(console):
    logger, shown, _ = console
    show_one_line_per_job(logger)
    end(logger, [1], done=1)
    assert len(shown.getvalue().splitlines()) == 1


JOB = """
import logging, sys, time
import react24.log as log
log.SECONDS_BETWEEN_LINES, log.SECONDS_ON_CONSOLE = 0.0, 0.2
log.start_logging(sys.argv[1])
logging.info("detail")
logging.warning("doubt")
for _ in log.progress(range(50), what="tracking", unit="frame"):
    time.sleep(0.01)
raise ValueError("two\\nlines")
"""


def test_of_a_job_warnings_errors_and_some_progress_are_shown(tmp_path):
    command = [sys.executable, "-c", JOB, tmp_path / "job.log"]
    told = subprocess.run(command, text=True, capture_output=True).stderr
    log = (tmp_path / "job.log").read_text()
    assert "detail" in log
    assert "detail" not in told
    assert log.count("frames/s") >= 50
    assert 1 <= told.count("frames/s") <= 5
    for words in ("doubt", "Traceback", "The job failed: ValueError: two\nlines"):
        assert words in told
        assert words in log


@pytest.mark.slow
def test_a_whole_run_shows_little_more_than_a_line_per_job(finished):
    text = (finished.folder / CONSOLE).read_text()
    total = int(re.findall(r"^total +(\d+)$", text, re.MULTILINE)[0])
    ended = re.findall(rf"^[\d:]+ +(\d+) of {total}  \S", text, re.MULTILINE)
    assert sorted(map(int, ended)) == list(range(1, total + 1))
    assert len(text.splitlines()) < total + 100


@pytest.mark.slow
def test_a_run_is_short_on_the_console_and_whole_in_its_log(finished):
    path = finished.folder / "results/tables/notices.tsv"
    before = path.read_bytes()
    path.unlink()
    text = finished.snakemake()
    assert path.read_bytes() == before
    lines = [line for line in text.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert [line.split("  ", 1)[1].rpartition(" (")[0] for line in lines] == [
        "1 of 2  Listing what is doubtful about the recordings",
        "2 of 2  all",
    ]
    assert "Reason:" not in text
    assert "Finished jobid" not in text
    (whole,) = re.findall(r"^Complete log\(s\): (\S+)$", text, re.MULTILINE)
    kept = Path(whole).read_text()
    assert "Reason: Missing output files: results/tables/notices.tsv" in kept
    assert "Finished jobid" in kept
    path.unlink()
    text = finished.snakemake("--printshellcmds")
    assert "Reason: Missing output files: results/tables/notices.tsv" in text
