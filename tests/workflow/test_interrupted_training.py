"""A training of the workflow that is doubled, and one that is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from helpers import clips_factory
from helpers.small_project import clean_environment, copy_project, shrink

STAGE = "results/models/belfusion/seed0/vae"
WEIGHTS = f"{STAGE}/model.safetensors"
ONLY = (WEIGHTS, "--allowed-rules", "train_belfusion_vae")
STEPS = 40


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project that has its clips and may only train."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    shrink(project)
    path = project.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["models"] = {"belfusion": config["models"]["belfusion"]}
    vae = {"hidden": 16, "latent": 16, "epochs": STEPS, "batch_size": 2}
    config["models"]["belfusion"]["overrides"] |= {
        "vae": vae,
        "ldm": {"latent": 16},
        "training": {"checkpoint_steps": 1, "validate_every": STEPS},
    }
    path.write_text(yaml.safe_dump(config))
    for split in ("train", "val"):
        clips_factory.write_streams(project.folder / "results/clips", 1, split=split)
    (project.folder / "results/repeated.json").write_text("[]\n")
    return project


def training(project, head):
    """The process that trains, once it has made some steps."""
    checkpoints = project.folder / STAGE / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("step00000001*.pt")):
        assert head.poll() is None, head.stdout.read()
        assert time.monotonic() < deadline, "no checkpoint of ten steps or more"
        time.sleep(0.05)
    (lease,) = checkpoints.glob("lease-*.json")
    return json.loads(lease.read_text())["owner"]["pid"]


def timing(project):
    return json.loads((project.folder / STAGE / "training.json").read_text())


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_and_is_not_doubled(project):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--retries", "1", *ONLY]
    head = subprocess.Popen(
        command,
        cwd=project.folder,
        env=clean_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    first = training(project, head)
    os.kill(first, signal.SIGSTOP)  # so that it is there for as long as it takes
    doubled = project.snakemake("--nolock", *ONLY, check=False)
    listed = doubled.rpartition("1 job(s) failed")[2]
    assert "train_belfusion_vae model=belfusion seed=0 stage=vae: InputError: " in listed
    assert f"another training is at work in this folder: process {first} on " in listed
    os.kill(first, signal.SIGKILL)
    text, _ = head.communicate(timeout=300)
    assert head.returncode == 0, text
    assert 10 <= timing(project)["resumed_at_step"] < STEPS
    left = [path.name for path in (project.folder / STAGE / "checkpoints").iterdir()]
    assert [name.partition(".")[0] for name in left] == ["finished"]
