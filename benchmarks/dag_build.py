"""How long Snakemake needs to plan a large run: 120 sessions, all streams, 4 models, 3 seeds.

    python benchmarks/dag_build.py

Makes a project with empty stand-ins for the videos in a temporary folder and times
``snakemake -n --quiet all`` (the sample sheet's files are looked at, as in a real run).
Target: under 10 s.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.small_project import clean_environment, copy_project  # noqa: E402


def make_project(folder: Path, sessions: int, models: int) -> None:
    """A project of many sessions that all show the same short video."""
    import av
    import numpy as np

    copy_project(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    video = corpus / "short.mp4"
    with av.open(str(video), "w") as container:
        pictures = container.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(25):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        samples = np.zeros((1, 16000), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(sound.encode(frame))
        container.mux(pictures.encode())
        container.mux(sound.encode())
    header = ["session", "split", "video_a", "video_b", "subject_a", "subject_b"]
    rows = ["\t".join(header)]
    for number in range(sessions):
        name = f"s{number:03d}"
        for role in "ab":
            (corpus / name).mkdir(exist_ok=True)
            shutil.copy(video, corpus / name / f"{role}.mp4")
        split = ("train", "train", "train", "val", "test")[number % 5]
        rows.append(
            "\t".join([name, split, f"{name}/a.mp4", f"{name}/b.mp4", f"{name}-a", f"{name}-b"])
        )
    (folder / "config/sessions.tsv").write_text("\n".join(rows) + "\n")
    path = folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["corpus"] |= {"root": "corpus", "name": "large"}
    config["demo"]["enabled"] = False
    model = config["models"]["belfusion"]
    config["models"] = {f"belfusion{number}": model for number in range(models)}
    config["sampling"]["split"] = ["val", "test"]
    path.write_text(yaml.safe_dump(config))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=120)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, arguments.sessions, arguments.models)
        command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2"]
        counted = subprocess.run(
            command, cwd=folder, env=clean_environment(), text=True, capture_output=True, check=True
        )
        jobs = next(line for line in counted.stdout.splitlines() if line.startswith("total"))
        print(f"{arguments.sessions} sessions, {arguments.models} models: {jobs.split()[1]} jobs")
        for _ in range(arguments.repeats):
            began = time.perf_counter()
            subprocess.run(
                [*command, "--quiet", "all"],
                cwd=folder,
                env=clean_environment(),
                check=True,
                capture_output=True,
            )
            print(f"snakemake -n --quiet all: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
