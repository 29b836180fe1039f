"""What the head of a run asks Slurm, with stand-ins for Slurm's commands."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from react24.errors import InputError
from react24.workflow import slurm

RUN = "f88e55d4-07b1-41dc-9db4-3a0ee30f5c9f"
OTHER = "group_af1e1f9f-6583-4416-b825-6ceab46d2450"


@dataclass
class Settings:
    """Of the plugin, as far as they are asked."""

    status_command: str | None = "sacct"
    init_seconds_before_status_checks: int | None = 20


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Puts a command in place of Slurm's: what it prints, how it exits; tells how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.defpath}")

    def put(name, out="", err="", status=0):
        (folder / f"{name}.out").write_text(out)
        (folder / f"{name}.err").write_text(err)
        script = folder / name
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {folder}/{name}.calls\n'
            f"cat {folder}/{name}.out\ncat {folder}/{name}.err >&2\nexit {status}\n"
        )
        script.chmod(0o755)
        return folder / f"{name}.calls"

    return put


def row(number=5, state="RUNNING", name=RUN, folder="/home/user/study", comment="rule_track_faces"):
    return f"{number}\t{state}\t{name}\t{folder}\t{comment}\n"


def output_in(folder):
    return f"JobId=5 JobName=x\n   StdErr={folder}/5.log\n   StdOut={folder}/5.log\n   Power=\n"


def find_in(folder):
    return lambda: slurm.find_live_jobs(folder, folder, None)


def test_live_jobs_of_this_folder_stop_the_run(command, tmp_path):
    rows = row(5, comment="rule_track_faces_wildcards_s 1") + row(6, "PENDING") + row(7) + row(8)
    calls = command("squeue", rows)
    command("scontrol", output_in(tmp_path / ".snakemake/slurm_logs/rule_track_faces"))
    with pytest.raises(InputError) as stopped:
        slurm.refuse_doubles(find_in(tmp_path))
    told = str(stopped.value)
    assert told.count("\n") == 0
    assert "4 job(s)" in told
    assert "3 running, 1 pending: track_faces s 1, track_faces, track_faces and 1 more" in told
    assert f"`squeue --name={RUN}`" in told
    assert f"`scancel --name={RUN}`" in told
    assert f"--user={os.getuid()}" in calls.read_text()


def test_each_run_is_ended_by_its_name(command, tmp_path):
    command("squeue", row(5) + row(6, name=OTHER))
    command("scontrol", output_in(tmp_path / ".snakemake/slurm_logs/x"))
    with pytest.raises(InputError) as stopped:
        slurm.refuse_doubles(find_in(tmp_path))
    assert f"`squeue --name={RUN},{OTHER}`" in str(stopped.value)
    assert f"`scancel --name={RUN} && scancel --name={OTHER}`" in str(stopped.value)


@pytest.mark.parametrize("name", ["react24-head", "train", "", "f88e55d4"])
def test_jobs_that_no_run_submitted_do_not_count(command, tmp_path, name):
    command("squeue", row(name=name, folder=tmp_path))
    command("scontrol", output_in(tmp_path / ".snakemake/slurm_logs/x"))
    assert slurm.find_live_jobs(tmp_path, tmp_path, None) == []


def test_the_job_that_asks_does_not_find_itself(command, tmp_path):
    command("squeue", row(5) + row("6_[1-3]"))
    command("scontrol", output_in(tmp_path / ".snakemake/slurm_logs/x"))
    assert [j.number for j in slurm.find_live_jobs(tmp_path, tmp_path, "5")] == ["6_[1-3]"]
    assert [j.number for j in slurm.find_live_jobs(tmp_path, tmp_path, "6")] == ["5"]


def test_jobs_of_another_folder_started_from_here_do_not_count(command, tmp_path):
    command("squeue", row(folder=tmp_path))  # with --directory, from here
    command("scontrol", output_in(tmp_path / "elsewhere/.snakemake/slurm_logs/x"))
    assert slurm.find_live_jobs(tmp_path, tmp_path, None) == []
    assert len(slurm.find_live_jobs(tmp_path / "elsewhere", tmp_path, None)) == 1


@pytest.mark.parametrize(("folder", "count"), [(".", 1), ("other", 0)])
@pytest.mark.parametrize("status", [0, 1])
def test_the_folder_decides_where_the_output_lies_elsewhere(
    command, tmp_path, folder, count, status
):
    (tmp_path / "link").symlink_to(tmp_path)
    command("squeue", row(folder=tmp_path / "link" / folder))
    command("scontrol", output_in("/var/log/jobs"), status=status)
    assert len(slurm.find_live_jobs(tmp_path, tmp_path, None)) == count


def test_jobs_that_are_just_ending_are_waited_for(command, tmp_path, monkeypatch):
    ending = slurm.LiveJob("5", "COMPLETING", RUN, "track_faces", tmp_path)
    found = iter([[ending], [ending], []])
    monkeypatch.setattr(slurm, "PAUSE", 0)
    assert slurm.refuse_doubles(lambda: next(found)) == ""
    assert list(found) == []
    command("squeue", row(state="COMPLETING", folder=tmp_path))
    command("scontrol")
    monkeypatch.setattr(slurm, "SECONDS_TO_END", 0)
    with pytest.raises(InputError, match="1 completing"):
        slurm.refuse_doubles(find_in(tmp_path))


def test_a_queue_that_does_not_answer_is_a_warning(command, tmp_path):
    command("squeue", err="slurm_load_jobs error: Unable to contact slurm controller\n", status=1)
    told = slurm.refuse_doubles(find_in(tmp_path))
    assert "squeue: slurm_load_jobs error: Unable to contact slurm controller" in told
    assert "twice" in told


def test_a_folder_that_was_on_slurm_is_asked_about_where_there_is_one(
    command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert not slurm.has_been_used()
    slurm.LOGS.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert not slurm.has_been_used()
    command("squeue")
    assert slurm.has_been_used()


def test_no_slurm_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "squeue: not found" in slurm.refuse_doubles(find_in(tmp_path))


CONFIG = "Configuration data\nMinJobAge               = {} sec\nMpiDefault              = none\n"
DISABLED = "Slurm accounting storage is disabled\n"


@pytest.mark.parametrize("chosen", ["sacct", None])
def test_with_accounting_nothing_changes(command, chosen):
    command("sacct")
    settings = Settings(chosen)
    assert slurm.settle_status_command(settings) == ""
    assert settings.status_command == chosen


def test_without_accounting_the_queue_is_asked(command):
    command("sacct", err=DISABLED, status=1)
    command("scontrol", CONFIG.format(300))
    settings = Settings("sacct")
    told = slurm.settle_status_command(settings)
    assert settings.status_command == "squeue"
    assert "Slurm accounting storage is disabled" in told
    assert slurm.settle_status_command(settings) == ""  # as it was chosen


@pytest.mark.parametrize(
    ("age", "seconds", "told"), [(199, 20, "199 s"), (300, 101, "300 s"), ("-", 20, "unknown")]
)
def test_without_accounting_and_with_a_forgetful_queue_the_run_stops(command, age, seconds, told):
    command("sacct", err=DISABLED, status=1)
    command("scontrol", CONFIG.format(age))
    with pytest.raises(InputError, match=rf"{told}.*MinJobAge=(300|303).*slurmdbd"):
        slurm.settle_status_command(Settings("squeue", seconds))


@pytest.mark.parametrize(("age", "command_after"), [(120, "sacct"), (300, "squeue")])
def test_a_chosen_queue_must_remember_long_enough(command, age, command_after):
    command("sacct")
    command("scontrol", CONFIG.format(age))
    settings = Settings("squeue")
    told = slurm.settle_status_command(settings)
    assert settings.status_command == command_after
    assert bool(told) == (command_after == "sacct")


def test_a_run_without_jobs_says_so(monkeypatch, tmp_path):
    job = slurm.LiveJob("5", "RUNNING", RUN, "track_faces", tmp_path)
    answers = [[job], OSError("away"), [], [], [], [job]]
    ended, texts, now = threading.Event(), [], iter(range(0, 1000, 10))
    monkeypatch.setattr(slurm, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(slurm, "SECONDS_WITHOUT_JOBS", 20)
    monkeypatch.setattr(slurm.time, "monotonic", lambda: next(now))

    def find():
        answer = answers.pop(0)
        if not answers:
            ended.set()
        if isinstance(answer, OSError):
            raise answer
        return answer

    slurm.tell_when_lost(find, texts.append, ended)
    assert ended.wait(10)
    assert len(texts) == 1
    assert "no job of this run" in texts[0]
    assert "Ctrl-C" in texts[0]


def test_the_plugin_has_these_settings():
    from snakemake_executor_plugin_slurm import ExecutorSettings

    assert set(Settings.__dataclass_fields__) <= set(ExecutorSettings.__dataclass_fields__)
    assert Path(".snakemake/slurm_logs") == slurm.LOGS
