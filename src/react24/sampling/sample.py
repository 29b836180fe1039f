"""Drawing reactions from a trained model.

Official samplers run over batches and draw one noise tensor per batch, so a reaction depends on the
batch size and on the clips beside it. Here the noise of a direction comes from a generator keyed by
the seed and the session, role and clip of its speaker, sample after sample: what is drawn depends
neither on the other clips nor on how many samples follow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.model import SAMPLING, ModelType, StageInputs
from react24.contracts.reactions import ReactionModel, Reactions
from react24.conventions import CLIP_FRAMES
from react24.devices import ROOM_TO_MAKE, FittingBatches, choose_device
from react24.errors import InputError
from react24.files import contract
from react24.files.samples import SamplesInfo, SamplesWriter, clip_key, create_samples
from react24.log import progress
from react24.seeding import generator
from react24.training import export
from react24.training.dataset import ClipDataset, FaceFiles, name_files, stored_arrays
from react24.training.engine import prepare_processor
from react24.training.stage import differences, read_stage

logger = logging.getLogger(__name__)

CLIPS_AT_ONCE = 8
"""Directions that a model is given together, as far as a GPU's memory holds so many."""


@dataclass(frozen=True)
class Sampling:
    """What is drawn.

    Attributes:
        model: Name in tables.
        split: Of the clips.
        samples: S, reactions to each speaker.
        seed: Of the noise.
    """

    model: str
    split: str
    samples: int
    seed: int


def sample_reactions(
    task: Sampling,
    settings: Mapping[str, Any],
    weights: Mapping[str, Path],
    clips: Mapping[str, Path],
    output: Path,
    *,
    sessions: Mapping[str, FaceFiles] | None = None,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Draw S reactions to each of the 2L speakers of a split and write the samples file.

    Args:
        task: What is drawn.
        settings: Merged settings of the model, ``type`` among them; must be those it was trained
            with.
        weights: Stage -> folder of the trained stage.
        clips: Stream -> clips file of the split; the streams that the model is conditioned on.
        output: Samples file.
        sessions: Session -> media file and face track, for models that look at pictures.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch.

    Raises:
        InputError: Weights, settings, streams or device cannot be used.
        StoreError: Files that are not clips or do not belong together, or a reaction that is not
            finite.
    """
    if task.samples < 1:
        raise InputError(f"samples must be at least 1, found {task.samples}")
    prepare_processor(threads)
    kind = registry.get(settings["type"])
    trained = _load(kind, settings, weights)
    target = choose_device(device)
    trained.model.to(target)
    reads = kind.stage_inputs(trained.settings, SAMPLING)
    inputs = {name: Path(clips[name]) for name in reads.streams if name in clips}
    inputs |= {stage: Path(folder) / export.WEIGHTS for stage, folder in weights.items()}
    if reads.frames and sessions:
        inputs |= name_files(sessions)
    with ExitStack() as stack:
        opened = stack.enter_context(_open(reads, clips, task.split, sessions))
        writer = stack.enter_context(
            create_samples(
                output,
                SamplesInfo(
                    model=task.model,
                    seed=task.seed,
                    split=task.split,
                    samples=task.samples,
                    pretrained=bool(trained.pretrained and opened.pretrained),
                    variant=str(trained.settings.get("variant", "official")),
                ),
                index=opened.index,
                datasets=kind.outputs,
                created_by="sample_reactions",
                config={
                    "settings": trained.settings,
                    "samples": task.samples,
                    "seed": task.seed,
                },
                inputs=contract.digest_inputs(**inputs),
            )
        )
        fitting = FittingBatches(
            CLIPS_AT_ONCE,
            what=f"sampling {task.model} seed {task.seed}",
            unit=f"clips of {task.samples} reactions",
            advice=f"ask for fewer samples, {ROOM_TO_MAKE}",
        )
        for rows in _batches(opened.rows, f"{task.model} seed {task.seed}, {task.split}"):
            drawn = fitting.run(
                lambda part: draw_reactions(part, opened, trained.model, task, target), rows
            )
            _write(rows, drawn, writer)


def _batches(rows: int, model: str) -> Iterator[Tensor]:
    """Row numbers, ``CLIPS_AT_ONCE`` at a time, with progress in clips."""
    batch: list[int] = []
    for row in progress(range(rows), what=f"sampling {model}", unit="clip"):
        batch.append(row)
        if len(batch) == CLIPS_AT_ONCE or row == rows - 1:
            yield torch.tensor(batch)
            batch = []


@torch.no_grad()
def draw_reactions(
    rows: Tensor,
    clips: ClipDataset,
    model: ReactionModel,
    task: Sampling,
    device: torch.device,
) -> dict[str, np.ndarray]:
    """Reactions to some speakers, drawn together.

    Args:
        rows: int64 (n,), rows of the clips.
        clips: What the model reads of the speakers.
        model: On ``device``.
        task: What is drawn.
        device: Of the model.

    Returns:
        Name of an output -> float32 (n, S, 750, D).

    Raises:
        InputError: The model returns something else than reactions.
    """
    speaker = {name: clips.take(name, rows) for name in clips.sources}
    if clips.frames is not None:
        starts = torch.zeros_like(rows)
        speaker["frames"] = clips.frames.read(rows, starts, CLIP_FRAMES)
    moved = {name: part.to(device) for name, part in speaker.items()}
    keys = [clip_key(clips.index[row]) for row in rows.tolist()]
    noise = [generator(task.seed, "sampling", *key) for key in keys]
    reactions = model.react(moved, task.samples, noise)
    if not isinstance(reactions, Reactions):
        raise InputError(
            f"react of {type(model).__name__} returned {type(reactions).__name__}; accepted is "
            "react24.contracts.reactions.Reactions"
        )
    made = {"emotion": reactions.emotion, "coefficients": reactions.coefficients}
    return {n: part.float().cpu().numpy() for n, part in made.items() if part is not None}


def _write(rows: Tensor, drawn: list[dict[str, np.ndarray]], writer: SamplesWriter) -> None:
    """Write the reactions to some speakers, in as many parts as they were drawn in."""
    parts = (
        {n: a[i] for n, a in part.items()} for part in drawn for i in range(len(part["emotion"]))
    )
    for row, reactions in zip(rows.tolist(), parts, strict=True):
        writer.write(row, **reactions)


@dataclass(frozen=True)
class _Trained:
    """A loaded model, its settings, and whether all streams it was trained on are pretrained."""

    model: ReactionModel
    settings: Mapping[str, Any]
    pretrained: bool


def _load(kind: ModelType, settings: Mapping[str, Any], weights: Mapping[str, Path]) -> _Trained:
    """The model from its stages, after checking that they are of one training."""
    missing = [name for name in kind.stage_names if name not in weights]
    if missing:
        raise InputError(f"model {kind.name}: weights of stage {', '.join(missing)} are missing")
    asked = kind.read_settings(settings, kind.name)
    descriptions, tensors = {}, {}
    for stage in kind.stage_names:
        folder = Path(weights[stage])
        descriptions[stage] = read_stage(kind, stage, folder)
        tensors[stage] = export.read_weights(folder)
        changed = differences(descriptions[stage]["config"], asked)
        if changed:
            raise InputError(
                f"{folder}: was trained with other settings than those asked for "
                f"({'; '.join(changed)}); train it again with these settings"
            )
    for stage in kind.stages:
        for name in stage.needs:
            _check_needed(stage.name, name, descriptions, weights)
    model = entry_points.resolve(kind.load)(asked, tensors)
    return _Trained(model, asked, all(d["pretrained"] for d in descriptions.values()))


def _check_needed(
    stage: str, needed: str, descriptions: Mapping[str, Any], weights: Mapping[str, Path]
) -> None:
    """Refuse a stage that was trained on other weights of the stage before it."""
    trained_on = descriptions[stage]["inputs"].get(needed)
    given = descriptions[needed]["weights_sha256"]
    if trained_on != given:
        raise InputError(
            f"{weights[stage]}: stage {stage} was trained on a stage {needed} with SHA-256 "
            f"{trained_on}, but {weights[needed]} has {given}; train stage {stage} again"
        )


def _open(
    reads: StageInputs,
    clips: Mapping[str, Path],
    split: str,
    sessions: Mapping[str, FaceFiles] | None,
) -> ClipDataset:
    """The speaker's arrays, read clip by clip."""
    for stream in reads.streams:
        if stream not in clips:
            raise InputError(f"split {split}: the model needs the clips of stream {stream}")
    opened = ClipDataset(
        stored_arrays(clips, reads.clips),
        max_memory_mb=0,
        sessions=(sessions or {}) if reads.frames else None,
        frame_size=reads.frame_size,
    )
    if opened.split != split:
        opened.close()
        raise InputError(f"{opened.where}: holds split {opened.split}, not {split}")
    return opened
