"""The image that the rules run in: how it is found, that it is used, how it is built."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from helpers.media_factory import noisy, numbered, tone, write_media
from helpers.small_project import clean_environment

from react24.errors import InputError
from react24.workflow.container import FILE, VARIABLE, find_image

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PAGE = (ROOT / "docs/container.md").read_text()


def test_an_address_is_taken_as_it_is():
    assert (
        find_image({VARIABLE: "docker://somebody/react24:1"}, []) == "docker://somebody/react24:1"
    )


def test_a_named_file_wins_over_those_beside_the_workflow(tmp_path):
    (tmp_path / FILE).touch()
    (tmp_path / "mine.sif").touch()
    found = find_image({VARIABLE: str(tmp_path / "mine.sif")}, [tmp_path])
    assert found == str(tmp_path / "mine.sif")


def test_the_file_of_the_first_folder_is_taken(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
    (second / FILE).touch()
    assert find_image({}, [first, second]) == str(second / FILE)
    (first / FILE).touch()
    assert find_image({}, [first, second]) == str(first / FILE)


def test_no_image_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=rf"no {tmp_path}/{FILE}; build it as docs/container.md"):
        find_image({}, [tmp_path, tmp_path])
    with pytest.raises(InputError, match=f"{VARIABLE}=react24: no such file; accepted"):
        find_image({VARIABLE: "react24"}, [tmp_path])


# Its use. There is no apptainer here: a stand-in notes how it is called and runs the command.

CONFIG = {
    "sessions": "config/mine.tsv",
    "corpus": {"root": "."},
    "demo": {"enabled": False},
    "models": {},
    "baselines": ["GT"],
}
STAND_IN = """#!/bin/bash
if [ "$1" = --version ]; then echo apptainer version 1.3.4; exit; fi
printf '%s\\n' "$*" >> calls
exec bash -c "${@: -1}"
"""


def snakemake(folder, *arguments):
    """Run Snakemake in a folder that has a bin/ of its own; (exit status, output)."""
    path = os.pathsep.join([f"{folder}/bin", str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {k: v for k, v in clean_environment().items() if k != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *arguments],
        cwd=folder,
        env=environment | {"PATH": path},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout


@pytest.fixture
def folder(tmp_path):
    """Two videos, a configuration without models, and the stand-in."""
    for part in ("bin", "config"):
        (tmp_path / part).mkdir()
    (tmp_path / "bin/apptainer").write_text(STAND_IN)
    (tmp_path / "bin/apptainer").chmod(0o755)
    for name, picture in (("a", noisy), ("b", numbered)):
        write_media(tmp_path / f"{name}.mp4", picture=picture, frames=50, sound=tone(2.0, 16000))
    rows = ["session split video_a video_b subject_a subject_b", "s1 test a.mp4 b.mp4 anna bert"]
    sheet = "".join("\t".join(row.split()) + "\n" for row in rows)
    (tmp_path / "config/mine.tsv").write_text(sheet)
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


@pytest.mark.slow
def test_rules_run_in_the_image(folder):
    target = "results/media/s1.h5"
    arguments = ["--cores", "1", "--sdm", "apptainer", "--", target]
    status, text = snakemake(folder, "-n", *arguments)
    assert status != 0
    assert "--sdm apptainer: there is no image" in text
    (folder / FILE).touch()
    status, text = snakemake(folder, *arguments)
    assert status == 0, text
    assert (folder / target).exists()
    (call,) = (folder / "calls").read_text().splitlines()
    assert f" {folder / FILE} bash -c " in call
    assert f"--bind {ROOT / 'src'}:" in call  # so that jobs have this checkout's library


@pytest.mark.slow
def test_no_image_is_sought_where_none_is_asked_for(folder):
    status, text = snakemake(folder, "-n", "--cores", "1", "--", "results/media/s1.h5")
    assert status == 0, text


# What is built. It is not built here: docker is not needed for these.


def copied():
    """Paths that the Dockerfile copies from the checkout."""
    lines = re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
    return [path for line in lines for path in line.split()[:-1]]


def test_what_is_copied_exists_and_is_sent_to_the_builder():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[[not line.startswith("#") for line in ignore].index(True)] == "*"
    assert copied()
    for path in copied():
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignore, path
    sent = {line[1:] for line in ignore if line.startswith("!")}
    assert sent == set(copied())


def test_the_image_holds_the_lock_and_nothing_else_from_an_index():
    installs = re.findall(r"pip install (.+)", DOCKERFILE)
    assert len(installs) == 2
    assert "-r /opt/react24/requirements.lock && pip check" in installs[0]
    assert "--no-deps /opt/react24" in installs[1]
    assert "COPY requirements.lock /opt/react24/" in DOCKERFILE


def test_the_package_needs_nothing_that_is_not_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for needed in ("pyproject.toml", project["readme"], *project["license-files"], "src"):
        assert needed in copied(), needed


def test_base_image_is_the_python_of_the_lock_and_the_environments():
    (version,) = re.findall(r"^FROM python:(\d\.\d+)-slim-\w+ AS libraries$", DOCKERFILE, re.M)
    env = yaml.safe_load((ROOT / "envs/core.yaml").read_text())
    assert env["dependencies"][0] == f"python={version}"
    assert f"python{version} -m venv" in (ROOT / "requirements.lock").read_text()


def test_stages_are_named_and_the_default_has_no_react24():
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in stages] == ["libraries", "package", ""]
    assert stages[-1][0] == "libraries"


@pytest.mark.parametrize("package", ["libgl1", "libglib2.0-0", "libsm6", "libxext6"])
def test_libraries_that_opencv_asks_of_the_system_are_installed(package):
    """python:slim has none of libGL.so.1, libgthread-2.0.so.0, libSM.so.6, libXext.so.6."""
    assert package in re.search(r"apt-get install (.+) \\\n", DOCKERFILE)[1].split()


def test_the_page_names_what_there_is():
    for word in (
        VARIABLE,
        FILE,
        "--sdm apptainer",
        "docker build -t react24 .",
        "--target package",
    ):
        assert word in PAGE, word
