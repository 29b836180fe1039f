"""The wheel holds all that the commands need: built, installed alone, run in an empty folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import h5py
import pytest

import react24

ROOT = Path(__file__).resolve().parents[2]
MADE_HERE = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.nbi", "*.nbc")
pytestmark = pytest.mark.slow


def run(*command, folder):
    """Run a command in a folder, without a path of the caller's; returns what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def pip(*arguments):
    options = ("--disable-pip-version-check", "--quiet")
    run(sys.executable, "-m", "pip", *options, *arguments, folder=ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built in a copy, so that the repository holds nothing of it."""
    copy = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "src", copy / "src", ignore=MADE_HERE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", copy / "dist", copy)
    (built,) = (copy / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel, which borrows the packages of this one.

    They are found by a line in a ``.pth`` file. Python reads no such file in a folder that it
    found that way, so that a react24 which is installed there for editing stays out.
    """
    place = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", place, folder=ROOT)
    pip("--python", place, "install", "--no-deps", "--no-index", wheel)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


@pytest.fixture
def command(installed, tmp_path):
    """Run ``react24`` of the wheel in an empty folder."""
    where = "import react24; print(react24.__file__)"
    python = installed / "bin/python"
    assert Path(run(python, "-c", where, folder=tmp_path).strip()).is_relative_to(installed)
    return lambda text: run(installed / "bin/react24", *text.split(), folder=tmp_path)


def test_the_wheel_holds_the_package_and_nothing_else(wheel, tmp_path):
    shutil.copytree(ROOT / "src/react24", tmp_path / "react24", ignore=MADE_HERE)
    ours = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    with zipfile.ZipFile(wheel) as file:
        inside = {name for name in file.namelist() if ".dist-info/" not in name}
    assert {Path(name).suffix for name in inside} >= {".py", ".npz", ".flac", ".tsv", ".yaml"}
    assert inside == ours
    assert wheel.name.startswith(f"react24-{react24.__version__}-")


def test_commands_run_in_an_empty_folder(command, tmp_path):
    assert command("--version") == f"react24 {react24.__version__}\n"
    assert "demo-session" in command("--help")
    assert "face-landmarker" in command("fetch-weights")
    command("demo-session demo01 --folder demo --seconds 3")
    command("probe demo/a.mp4 demo/b.mp4 --session demo01 -o media.h5")
    command("track media.h5 -o faces.h5")
    command("extract graphau faces.h5 -o graphau.h5")
    command("extract mfcc media.h5 -o mfcc.h5")
    assert "a/features: float32 (75, 25)" in command("show graphau.h5")
    with h5py.File(tmp_path / "mfcc.h5") as file:
        assert file["b/features"].shape == (75, 78)


def test_a_configuration_alone_is_enough(command, tmp_path):
    """The settings of the built-in models come with the package."""
    (tmp_path / "config").mkdir()
    for name in ("config.yaml", "sessions.tsv"):
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    assert "No problems found." in command("check --quick")
    command("demo-session demo01 --seconds 1")
    assert (tmp_path / "resources/demo/demo01/truth.h5").is_file()
