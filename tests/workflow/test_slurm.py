"""The whole workflow on a real Slurm of one node, with the profile of the repository.

One project goes through the life of a run, in three fixtures: its head is killed, jobs run over
their time and their memory, and what is left is made by a head that is a job itself.
"""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
import yaml
from helpers.slurm import CannotStartError, one_node_slurm
from helpers.small_project import Project, clean_environment, copy_project, shrink

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

TABLE = "results/tables/metrics_test.tsv"
SECONDS = 900
"""After which a run counts as hanging."""

OPTIONS = ("--slurm-init-seconds-before-status-checks", "8", "--latency-wait", "10")


@dataclass
class Cluster:
    """A project, and the Slurm it runs on.

    Attributes:
        environment: Of commands, with this Slurm's first on ``PATH``.
        heads: All that were started.
    """

    project: Project
    environment: dict[str, str]
    heads: list[subprocess.Popen] = field(default_factory=list)

    def start(self, name, *arguments):
        """Start a head; what it prints goes to a file of that name."""
        command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm"]
        with (self.project.folder / name).open("w") as out:
            head = subprocess.Popen(
                [*command, *OPTIONS, *arguments],
                cwd=self.project.folder,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.heads.append(head)
        return head

    def run(self, name, *arguments):
        """Run a head to its end; returns its exit status and what it told."""
        status = self.start(name, *arguments).wait(SECONDS)
        return status, (self.project.folder / name).read_text()

    def ask(self, *command):
        """What a command of Slurm prints."""
        return subprocess.run(
            command,
            cwd=self.project.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        ).stdout

    def jobs(self, states="all"):
        """Rule and wildcards of each job of a run that Slurm knows of, in these states."""
        text = self.ask("squeue", "--noheader", f"--states={states}", "--format=%k")
        return [line.removeprefix("rule_") for line in text.split() if line != "(null)"]

    def wait_until(self, condition):
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, self.ask("squeue", "--states=all")
            time.sleep(0.2)

    def change(self, path, change):
        """Change a YAML file of the project; comments are lost."""
        file = self.project.folder / path
        content = yaml.safe_load(file.read_text())
        change(content)
        file.write_text(yaml.safe_dump(content, sort_keys=False))


def keep_little(config):
    """One model of two stages and another that never ends, one baseline, one seed."""
    first = config["models"]["belfusion"]
    overrides = {**first["overrides"], "vae": {"epochs": 100_000_000}}
    endless = {**first, "settings": "config/models/belfusion.yaml", "overrides": overrides}
    config["models"] = {"belfusion": first, "endless": endless}
    config["streams"]["wav2vec2"]["enabled"] = False
    config["sampling"]["seeds"] = [0]
    config["baselines"] = ["GT"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A small project on a Slurm, with what the profile has commented out in use."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    shrink(project, splits=("train", "test"))
    profile = project.folder / "profiles/slurm/config.yaml"
    text = profile.read_text()
    block = re.search(r"^# set-resources:\n(?:#  .*\n)+", text, re.MULTILINE)[0]
    profile.write_text(text.replace(block, re.sub(r"^# ", "", block, flags=re.MULTILINE)))
    try:
        with one_node_slurm(tmp_path_factory.mktemp("slurm")) as environment:
            path = f"{environment['PATH']}:{project.folder}/bin"
            told = clean_environment() | {"PATH": path, "REACT24_PROGRESS": "1"}
            cluster = Cluster(project, told)
            cluster.change("config/config.yaml", keep_little)
            yield cluster
            for head in cluster.heads:
                head.kill()
    except CannotStartError as error:
        pytest.skip(f"no Slurm can be started here: {error}")


@pytest.fixture(scope="module")
def killed(cluster):
    """The head was killed while two jobs ran; returns what the next head told, and the jobs."""
    head = cluster.start("first.txt", TABLE)
    cluster.wait_until(lambda: len(cluster.jobs("RUNNING")) == 2 or head.poll() is not None)
    assert head.poll() is None, (cluster.project.folder / "first.txt").read_text()
    head.send_signal(signal.SIGKILL)
    head.wait()
    # They must not end before the next head looks, however long it takes to start.
    live = cluster.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
    cluster.ask("scontrol", "suspend", ",".join(live))
    cluster.run("unlock.txt", "--unlock")
    before = cluster.jobs()
    status, told = cluster.run("second.txt", TABLE)
    after = cluster.jobs()
    cluster.ask("scontrol", "resume", ",".join(live))
    return status, told, before, after


@pytest.fixture(scope="module")
def half(cluster, killed):
    """A run of which one job took too much time, and one too much memory; what its head told."""

    def limit(profile):
        vae, ldm = (profile["set-resources"][f"train_belfusion_{s}"] for s in ("vae", "ldm"))
        vae["runtime"] = "1 if wildcards.model == 'endless' else 60"
        ldm["mem_mb"] = 400

    cluster.change("profiles/slurm/config.yaml", limit)
    cluster.wait_until(lambda: not cluster.jobs("PENDING,RUNNING,SUSPENDED,COMPLETING"))
    return cluster.run("third.txt", TABLE, "--retries", "0")


@pytest.fixture(scope="module")
def made(cluster, half):
    """What is left, without the endless model, by a head that is a job; what it told."""

    def share(profile):
        profile["set-resources"]["train_belfusion_ldm"] = {
            **profile["set-resources"]["train_transvae"],
            "gpu": 2,
            "cpus_per_gpu": 1,
        }

    cluster.change("profiles/slurm/config.yaml", share)
    cluster.change("config/config.yaml", lambda config: config["models"].pop("endless"))
    script = "profiles/slurm/head.sbatch"
    folder = cluster.project.folder / "bin"
    folder.mkdir()
    (folder / "snakemake").write_text(f'#!/bin/sh\nexec {sys.executable} -m snakemake "$@"\n')
    (folder / "snakemake").chmod(0o755)
    job = cluster.ask("sbatch", "--parsable", "--output=fourth.txt", script, TABLE, *OPTIONS)
    live = ("squeue", "--noheader", f"--jobs={job.strip()}")
    cluster.wait_until(lambda: not cluster.ask(*live).strip())
    return (cluster.project.folder / "fourth.txt").read_text()


def test_a_new_head_is_told_of_live_jobs_and_submits_nothing(killed):
    status, told, before, after = killed
    assert status == 1
    assert sorted(before) == [f"make_demo_session_wildcards_demo0{n}" for n in (1, 5)]
    assert after == before
    line = next(line for line in told.splitlines() if "of an earlier run of this folder" in line)
    assert line.startswith("2 job(s)")
    assert "make_demo_session demo01" in line
    assert re.search(r"`squeue --name=([\w-]+)`, or end them with `scancel --name=\1`", line)


def test_the_queue_is_asked_where_there_are_no_accounts(half):
    _, told = half
    assert "No job accounting here (sacct: Slurm accounting storage is disabled)" in told


def test_the_head_tells_what_jobs_do(half):
    _, told = half
    tracking = r"^  track_faces demo0\d \| tracking demo0\d/[ab]: \d+.* frames"
    assert re.search(tracking, told, re.MULTILINE)
    progress = r"^  train_stage endless vae seed0 \| training endless seed 0, vae: \d+.* steps"
    assert re.search(progress, told, re.MULTILINE)


def test_what_ran_over_its_limits_is_listed(half):
    status, told = half
    assert status == 1
    listed = told.partition("job(s) failed")[2]
    assert re.search(r"train_belfusion_ldm .*belfusion.*: .*OUT_OF_MEMORY.*memory", listed)
    assert re.search(r"train_belfusion_vae .*endless.*: .*TIMEOUT.*time limit", listed)
    assert "log: logs/train_stage/endless/vae/seed0.log" in listed
    assert ".snakemake/slurm_logs/rule_train_belfusion_ldm/belfusion_0_ldm/" in listed


def test_the_table_is_made_and_nothing_twice(cluster, made):
    assert "  4 of 4  Writing the table of metrics, test" in made
    rows = [row for row in cluster.project.rows() if row["source"] == "react24"]
    assert [row["model"] for row in rows] == ["belfusion", "GT"]
    again = {job: n for job, n in Counter(cluster.jobs()).items() if n > 1}
    assert again == {"train_belfusion_ldm_wildcards_belfusion_0_ldm": 2}


def test_gpus_are_asked_for(cluster, made):
    shown = cluster.ask("scontrol", "show", "job").split("\n\n")
    requests = {m[1]: job for job in shown if (m := re.search(r"Comment=rule_(\S+)", job))}
    ldm = requests["train_belfusion_ldm_wildcards_belfusion_0_ldm"]
    assert "TresPerJob=gres:gpu:2" in ldm
    assert "NumNodes=1" in ldm
    vae = requests["train_belfusion_vae_wildcards_belfusion_0_vae"]
    assert "TresPerJob=gres:gpu:1" in vae
    for job, text in requests.items():
        is_gpu = job.startswith(("train", "sample_reactions"))
        assert ("Partition=gpu" in text) == is_gpu, job
        assert ("gres:gpu" in text) == is_gpu, job
