"""The list of failed jobs at the end of a run."""

import ast
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.small_project import clean_environment

import react24
from react24.workflow.failures import Failures

SNAKEFILE = """
import sys
sys.path.insert(0, {source!r})
from snakemake.logging import logger
from react24.workflow.failures import Failures
from react24.workflow.jobs import per_attempt
FAILURES = Failures()
rule all:
    input:
        expand("out/{{job}}.txt", job=["fails", "early", "missing", "empty", "once", "good"]),
        "other/good.txt",
rule work:
    output: ensure("out/{{job}}.txt", non_empty=True)
    log: "logs/work/{{job}}.log"
    retries: 1
    resources: mem_mb=per_attempt(1000), runtime=per_attempt(10)
    script: "work.py"
use rule work as work_otherwise with:
    output: ensure("other/{{job}}.txt", non_empty=True)
    log: "logs/work_otherwise/{{job}}.log"
onstart:
    logger.addHandler(FAILURES)
onerror:
    print(FAILURES.describe(log))
"""
SCRIPT = """
import os, sys
from pathlib import Path
from react24.log import start_logging
job, output = snakemake.wildcards.job, Path(snakemake.output[0])
if job == "early":
    os.kill(os.getpid(), 9)
start_logging(snakemake.log[0])
tried = Path(f"tried-{job}")
if job == "fails" or (job == "once" and not tried.exists()):
    tried.touch()
    raise ValueError("first line\\nsecond line")
if job != "missing":
    output.write_text("" if job == "empty" else str(dict(snakemake.resources.items())))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run of failing jobs, with a log of an earlier run, and what it printed."""
    folder, source = tmp_path_factory.mktemp("run"), str(Path(react24.__file__).parents[1])
    (folder / "Snakefile").write_text(SNAKEFILE.format(source=source))
    (folder / "work.py").write_text(SCRIPT)
    old = folder / "logs/work/early.log"
    old.parent.mkdir(parents=True)
    old.write_text("10:00:00 CRITICAL react24: The job failed: of an earlier run\n")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--keep-going", "--quiet", "all"]
    done = subprocess.run(
        [*command, "--latency-wait", "1", "--set-resources", "work_otherwise:mem_mb=77"],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return folder, done.stdout


def test_every_failed_job_is_listed_once_with_what_ended_it(ended):
    _, text = ended
    lines = [line for line in text.splitlines() if line.startswith("  work ")]
    assert [line.split()[1] for line in lines] == [
        "job=early",
        "job=empty",
        "job=fails",
        "job=missing",
    ]
    early, empty, fails, missing = lines
    assert "SIGKILL" in early
    assert "wrote no log" in early
    assert "of an earlier run" not in text
    assert "empty file: out/empty.txt" in empty
    assert fails == "  work job=fails (in all 2 attempts): ValueError: first line"
    assert "    second line" in text
    assert "out/missing.txt" in missing
    assert "4 job(s) failed" in text


def test_logs_of_both_attempts_are_kept_and_named(ended):
    folder, text = ended
    assert "    log: logs/work/fails.log, logs/work/fails.log.attempt1" in text
    for name in ("fails.log", "fails.log.attempt1", "once.log.attempt1"):
        assert "second line" in (folder / "logs/work" / name).read_text()
    assert "The job is done." in (folder / "logs/work/once.log").read_text()
    assert not (folder / "logs/work/early.log.attempt1").exists()


def test_memory_and_time_grow_with_the_attempt_unless_a_user_says_otherwise(ended):
    folder, _ = ended
    asked = {
        name: {
            key: ast.literal_eval((folder / name).read_text())[key] for key in ("mem_mb", "runtime")
        }
        for name in ("out/good.txt", "out/once.txt", "other/good.txt")
    }
    assert asked == {
        "out/good.txt": {"mem_mb": 1000, "runtime": 10},
        "out/once.txt": {"mem_mb": 2000, "runtime": 20},
        "other/good.txt": {"mem_mb": 77, "runtime": 10},
    }


def test_it_says_where_logs_lie(ended):
    folder, text = ended
    (log,) = (folder / ".snakemake/log").iterdir()
    assert f"Logs of jobs: logs/; of Snakemake: {log}" in text


# Records as an executor of a cluster has Snakemake write them.


def tell(failures, event, **told):
    record = logging.makeLogRecord({"msg": told.pop("msg", ""), "event": event, **told})
    failures.handle(record)


def start(failures, jobid, rule="train_regnn", **told):
    values = {"log": [f"logs/{rule}/s{jobid}.log"], "output": [], "wildcards": {"session": "s1"}}
    resources = {"mem_mb": 3000, "runtime": 60}
    tell(failures, "job_info", jobid=jobid, rule_name=rule, resources=resources, **values | told)


def fail(failures, jobid, state="", **told):
    message = (
        f"SLURM-job '12' failed, SLURM status is: '{state}'. Reason: Unknown." if state else None
    )
    log = told.pop("log", [])
    aux = {"external_jobid": "12"}
    tell(failures, "job_error", jobid=jobid, rule_msg=message, log=log, aux=aux, **told)


@pytest.fixture
def failures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Failures(ask=lambda job: "")


def test_a_job_that_died_in_the_queue_is_listed_and_no_old_log_is_taken_for_its_own(failures):
    old = Path("logs/train_regnn/s1.log")
    old.parent.mkdir(parents=True)
    old.write_text("10:00:00 CRITICAL react24: The job failed: an old story\n")
    start(failures, 1)
    fail(failures, 1, "OUT_OF_MEMORY")
    text = failures.describe()
    assert "train_regnn session=s1: Slurm: OUT_OF_MEMORY" in text
    assert "wrote no log" in text
    assert "old story" not in text
    assert not old.exists()


def test_a_job_that_got_through_in_the_end_is_not_listed(failures):
    start(failures, 1)
    fail(failures, 1, "NODE_FAIL")
    start(failures, 1)
    tell(failures, "job_finished", job_id=1)
    assert "failed" not in failures.describe()


def test_attempts_that_ended_in_other_ways_are_told(failures):
    start(failures, 1)
    fail(failures, 1, "OUT_OF_MEMORY")
    start(failures, 1)
    fail(failures, 1, "TIMEOUT")
    text = failures.describe()
    assert "(in all 2 attempts): Slurm: TIMEOUT" in text
    assert "    attempt 1: Slurm: OUT_OF_MEMORY" in text


def test_a_log_that_shows_late_is_still_read(failures):
    start(failures, 1)
    fail(failures, 1, "FAILED")
    log = Path("logs/train_regnn/s1.log")
    log.parent.mkdir(parents=True)
    log.write_text("10:00:00 CRITICAL react24: The job failed: InputError: no sound\n")
    assert "session=s1: InputError: no sound" in failures.describe()


def test_of_a_group_the_job_that_ended_badly_is_listed(failures):
    for number, rule in ((1, "probe_session"), (2, "track_faces"), (3, "extract_mfcc")):
        start(failures, number, rule, indent=True)
    log = Path("logs/probe_session/s1.log")
    log.parent.mkdir(parents=True)
    log.write_text("10:00:00 INFO react24.log: The job is done.\n")
    tell(failures, "group_error", groupid="session", aux_logs=[], job_error_info=[])
    for number in (1, 2, 3):
        fail(failures, number, indent=True)
    assert [job.rule for job in failures.failed()] == ["track_faces"]


def test_the_scheduler_is_asked_for_its_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failures = Failures(ask={"12": "JobState=FAILED Reason=JobLaunchFailure"}.get)
    start(failures, 1)
    fail(failures, 1, "FAILED")
    assert "JobLaunchFailure" in failures.describe()


def test_the_log_of_the_cluster_is_read_and_named(failures):
    path = Path(".snakemake/slurm_logs/rule_train_regnn/12.log")
    path.parent.mkdir(parents=True)
    path.write_text("slurmstepd: error: *** JOB 12 ON n CANCELLED AT T DUE TO TIME LIMIT ***\n")
    start(failures, 1)
    fail(failures, 1, "FAILED", log=["logs/train_regnn/s1.log", str(path)])
    text = failures.describe()
    assert "Slurm: TIMEOUT" in text
    assert f"    log of the cluster: {path}" in text
    assert "of the cluster: .snakemake/slurm_logs/" in text.splitlines()[-1]


def test_a_full_disk_that_took_no_log_is_seen(small_disk, monkeypatch):
    monkeypatch.chdir(small_disk)
    failures = Failures(ask=lambda job: "")
    start(failures, 1)
    log = Path("logs/train_regnn/s1.log")
    log.parent.mkdir(parents=True)
    log.touch()
    Path("ballast").write_bytes(bytes(2**20 - 4 * 4096))
    fail(failures, 1)
    assert "the disk (or your share of it) is full" in failures.describe()
    assert list(log.parent.iterdir()) == [log]


def test_jobs_that_were_stopped_with_the_run_are_listed_apart(failures):
    start(failures, 1)
    assert "1 job(s) had not ended when the run was stopped:\n  train_regnn session=s1" in (
        failures.describe()
    )
