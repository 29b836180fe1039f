"""Kill a run with SIGKILL at random moments, restart it each time, compare with an undisturbed run.

    python benchmarks/kill_and_resume.py [--kills 5] [--seed 0] [--all-sessions]

Runs a small project (or the whole demo corpus) twice in temporary folders: once undisturbed, once
killed. After every kill each file with a final name is read whole; in the end the two tables are
compared byte by byte. Every second kill takes the main process only and leaves its jobs running,
as a crash of Snakemake would.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.small_project import Project, clean_environment, copy_project, shrink  # noqa: E402


def start(project: Project) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def broken_files(folder: Path) -> list[str]:
    """Files with final names that cannot be read whole."""
    broken = []
    for path in [*folder.glob("results/**/*"), *folder.glob("resources/demo/**/*")]:
        unfinished = ".tmp-" in path.name or any(p.startswith(".making-") for p in path.parts)
        if unfinished or "tensorboard" in path.parts or not path.is_file():
            continue
        try:
            if path.suffix == ".h5":
                with h5py.File(path) as file:
                    assert "schema" in file.attrs
                    file.visititems(lambda _, o: o[()] if isinstance(o, h5py.Dataset) else None)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".safetensors":
                from safetensors.numpy import load_file

                load_file(path)
            elif path.suffix == ".mp4":
                import av

                with av.open(str(path)) as container:
                    assert sum(1 for _ in container.decode(video=0)) > 0
            else:
                assert path.stat().st_size > 0
        except Exception as error:
            broken.append(f"{path.relative_to(folder)}: {type(error).__name__}: {error}")
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all-sessions", action="store_true")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        undisturbed, killed = copy_project(Path(one)), copy_project(Path(two))
        if not arguments.all_sessions:
            shrink(undisturbed), shrink(killed)
        began = time.monotonic()
        undisturbed.snakemake()
        length = time.monotonic() - began
        print(f"undisturbed run: {length:.0f} s")
        found = 0
        for number in range(arguments.kills):
            moment = chance.uniform(5, 1.5 * length / arguments.kills)
            process = start(killed)
            time.sleep(moment)
            whole_group = number % 2 == 0
            if process.poll() is None:
                if whole_group:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    os.kill(process.pid, signal.SIGKILL)
                process.wait()
            broken = broken_files(killed.folder)
            found += len(broken)
            what = "all processes" if whole_group else "the main process"
            print(f"kill {number + 1}, {what}, after {moment:.0f} s: {len(broken)} broken files")
            for line in broken:
                print(f"  {line}")
            killed.snakemake("--unlock")
        killed.snakemake()
        same = killed.table() == undisturbed.table()
        print(f"final table identical: {same}; incomplete files seen: {found}")
        sys.exit(0 if same and not found else 1)


if __name__ == "__main__":
    main()
