"""Naive baselines: reactions that no model made, written like those of a model (no torch here).

Semantics are those of the official baselines of REACT 2024 (``run_baselines.py``): every sample
of a direction is the same, except for Random.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.clips import windows
from react24.conventions import CLIP_FRAMES, EMOTION_DIM, LEARNED_BASELINES
from react24.errors import InputError
from react24.files import contract
from react24.files.samples import SamplesInfo, clip_key, create_samples
from react24.log import progress
from react24.seeding import stream_seed

logger = logging.getLogger(__name__)

BASELINES = {
    "GT": "the listener's own behaviour",
    "Random": "uniform on [0, 1), independent per frame and channel",
    "Mime": "the speaker's behaviour",
    "MeanSeq": "mean of all training clips, both roles, frame by frame, where they are valid",
    "MeanFr": "mean of MeanSeq over time, at every frame",
}
"""Name -> what the reaction is."""

STREAMS = {"graphau": "emotion", "faceverse": "coefficients"}
"""Stream -> dataset of the samples file."""


def sample_baseline(
    name: str,
    clips_split: Mapping[str, Path],
    clips_train: Mapping[str, Path] | None = None,
    *,
    output: Path,
    samples: int = 5,
    seed: int = 0,
) -> None:
    """Write the samples file of a baseline.

    ``coefficients`` are written where clips of ``faceverse`` are given, except for Random, which
    officially has the 25-D behaviour only.

    Args:
        name: A key of ``BASELINES``.
        clips_split: Stream -> clips file of the split that is sampled; needs ``graphau``.
        clips_train: The same for training; needed by MeanSeq and MeanFr.
        output: Samples file.
        samples: Reactions per direction, S.
        seed: Matters for Random alone: the stream of a direction is keyed by seed, session, role
            and clip, so it depends neither on the other clips nor on S.

    Raises:
        InputError: Unknown baseline, a stream is missing, or S is below 1.
        StoreError: Files that are not clips or do not belong together.
    """
    streams = _check(name, clips_split, clips_train, samples)
    inputs = {f"split_{s}": Path(clips_split[s]) for s in streams}
    means = {}
    if name in LEARNED_BASELINES:
        inputs |= {f"train_{s}": Path(clips_train[s]) for s in streams}
        means = {s: mean_sequence(Path(clips_train[s])) for s in streams}
    with ExitStack() as stack:
        clips = {s: stack.enter_context(windows.open_clips(clips_split[s])) for s in streams}
        first = clips["graphau"]
        for other in clips.values():
            windows.check_same_index(first.index, other.index, (str(first.path), str(other.path)))
        pretrained = all(part.pretrained for part in (*clips.values(), *means.values()))
        writer = stack.enter_context(
            create_samples(
                output,
                SamplesInfo(name, seed, first.split, samples, pretrained, "baseline"),
                index=first.index,
                datasets=tuple(STREAMS[s] for s in streams),
                created_by="sample_baseline",
                config={"baseline": name, "samples": samples, "seed": seed},
                inputs=contract.digest_inputs(**inputs),
            )
        )
        for row in progress(range(first.rows), what=f"writing {name}", unit="clip"):
            if name == "Random":
                writer.write(row, emotion=random_reactions(seed, first.index[row], samples))
                continue
            ones = {STREAMS[s]: _one(name, row, clips[s], means.get(s)) for s in streams}
            writer.write(
                row, **{k: np.broadcast_to(v, (samples, *v.shape)) for k, v in ones.items()}
            )


def _one(name: str, row: int, clips: windows.Clips, mean: TrainingMean | None) -> np.ndarray:
    """The reaction (750, D) that all samples of a direction repeat."""
    if name == "GT":
        return clips.native[windows.listener_rows(clips.rows)[row]]
    if name == "Mime":
        return clips.native[row]
    sequence = mean.sequence
    if name == "MeanFr":
        sequence = np.broadcast_to(sequence.mean(0), sequence.shape)
    return sequence.astype(np.float32)


def _check(
    name: str,
    clips_split: Mapping[str, Path],
    clips_train: Mapping[str, Path] | None,
    samples: int,
) -> tuple[str, ...]:
    """The streams that will be written, ``graphau`` first."""
    if name not in BASELINES:
        raise InputError(f"unknown baseline {name!r}; known: {', '.join(BASELINES)}")
    if samples < 1:
        raise InputError(f"samples must be at least 1, found {samples}")
    needed = {"the split": clips_split}
    if name in LEARNED_BASELINES:
        needed["the training split"] = clips_train or {}
    for what, files in needed.items():
        if "graphau" not in files:
            raise InputError(f"baseline {name} needs the graphau clips of {what}")
    if name == "Random":
        return ("graphau",)
    return tuple(s for s in STREAMS if all(s in files for files in needed.values()))


@dataclass(frozen=True)
class TrainingMean:
    """Mean over all clips of the training split and both roles.

    Attributes:
        sequence: float64 (750, D), native units.
        pretrained: Whether the clips are marked pretrained.
    """

    sequence: np.ndarray
    pretrained: bool


def mean_sequence(path: Path, rows_at_once: int = 64) -> TrainingMean:
    """Mean over all clips of a file, frame by frame, in bounded memory.

    Frames that are not valid are left out. A frame of the clip that is valid nowhere has the mean
    over all other frames.

    Raises:
        InputError: The stream has no native values, or no frame is valid.
    """
    with windows.open_clips(path) as clips:
        if clips.native is None:
            raise InputError(f"{path}: stream {clips.stream} has no native values")
        total = np.zeros(clips.native.shape[1:])
        count = clips.valid[:].sum(axis=0)[:, None]  # (750, 1)
        if not count.any():
            raise InputError(f"{path}: no frame of split {clips.split} is valid; check the tracks")
        for start in range(0, clips.rows, rows_at_once):
            part = slice(start, start + rows_at_once)
            known = np.where(clips.valid[part][..., None], clips.native[part], 0)
            total += known.sum(0, dtype=np.float64)
        mean = total / np.maximum(count, 1)
        mean[count[:, 0] == 0] = mean[count[:, 0] > 0].mean(axis=0)
        return TrainingMean(mean, clips.pretrained)


def random_reactions(seed: int, index_row: np.void, samples: int) -> np.ndarray:
    """Uniform float32 on [0, 1), (S, 750, 25); the first samples are the same for every S."""
    rng = np.random.default_rng(stream_seed(seed, "Random", *clip_key(index_row)))
    return rng.random((samples, CLIP_FRAMES, EMOTION_DIM), dtype=np.float32)
