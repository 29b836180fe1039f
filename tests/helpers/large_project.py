"""A project of many short recordings, to be planned and never run."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml
from helpers.small_project import Project, copy_project

SPLITS = ("train", "train", "train", "val", "test")
COLUMNS = ("session", "split", "video_a", "video_b", "subject_a", "subject_b")
OPTIONAL_STREAMS = ("vggish", "wav2vec2", "swin", "mfcc", "logmel")


def make_large_project(folder: Path, sessions: int, seeds: int = 3) -> Project:
    """Sessions of two persons each, all built-in streams, the four models of the demo.

    The first two sessions share a person, so that one neutral face is sought in both.
    """
    project = copy_project(folder)
    video = folder / "short.mp4"
    write_video(video)
    rows = [COLUMNS]
    for number in range(sessions):
        name = f"s{number:03d}"
        (folder / "corpus" / name).mkdir(parents=True)
        for role in "ab":
            shutil.copy(video, folder / "corpus" / name / f"{role}.mp4")
        split = SPLITS[number % len(SPLITS)]
        first = "s000-a" if number == 1 else f"{name}-a"
        rows.append((name, split, f"{name}/a.mp4", f"{name}/b.mp4", first, f"{name}-b"))
    sheet = "".join("\t".join(row) + "\n" for row in rows)
    (folder / "config/sessions.tsv").write_text(sheet)
    path = folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["corpus"] = {"root": "corpus", "name": "large"}
    config["demo"]["enabled"] = False
    for stream in OPTIONAL_STREAMS:
        config["streams"].setdefault(stream, {})["enabled"] = True
    config["sampling"]["seeds"] = list(range(seeds))
    path.write_text(yaml.safe_dump(config))
    return project


def write_video(path: Path) -> None:
    """Half a minute of black picture and silence: one clip."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(31 * 25):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 31 * 16000), np.float32), "fltp", "mono")
        silence.sample_rate = 16000
        container.mux(sound.encode(silence))
        container.mux(pictures.encode())
        container.mux(sound.encode())
