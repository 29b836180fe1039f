"""Every built-in model in a small size, with clips, for tests that go through all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers import clips_factory

from react24 import models as registry
from react24.contracts.entry_points import resolve
from react24.contracts.model import SAMPLING, ModelType, StageInputs
from react24.contracts.reactions import ReactionModel
from react24.contracts.task import StageContext, StageTask
from react24.training.dataset import ClipDataset, stored_arrays

SMALL: dict[str, dict[str, Any]] = {
    "belfusion": {
        "vae": {
            "window": 10, "hidden": 16, "latent": 16, "read_out": [8], "coefficient_hidden": 8,
        },
        "ldm": {"hidden": 32, "layers": 3, "draws": 2},
    },
    "tranvae": {
        "sound": "vggish",
        "codebook": {
            "window": 128, "squeeze": 5, "codes": 16, "hidden": 32, "layers": 1, "heads": 4,
            "mlp": 32,
        },
        "emotion": {"hidden": 16, "steps": 2},
        "predictor": {"hidden": 20, "layers": 1, "cross_layers": 1, "heads": 4, "mlp": 32},
    },
    "regnn": {
        "visual": "graphau",
        "network": {
            "width": 8, "heads": 2, "feedforward": 8, "layers": 1, "fused": 4,
            "edge_channels": 2, "components": 1,
        },
        "generator": {"neighbours": 2},
    },
    "transvae": {
        "transvae": {
            "width": 16, "heads": 2, "feed_forward": 32, "window": 125, "evaluation_window": 250,
            "clip_length": 250, "frame_size": 16,
        },
    },
}  # fmt: skip
"""Type -> settings that make it small; whatever they leave out is as its variant has it."""

KINDS = [
    ("belfusion", "official", {}),
    ("belfusion", "fixed", {}),
    ("belfusion", "official", {"ldm": {"online": True}}),
    ("belfusion", "fixed", {"ldm": {"online": True}}),
    ("tranvae", "official", {}),
    ("tranvae", "fixed", {}),
    ("regnn", "official", {}),
    ("regnn", "fixed", {}),
    ("transvae", "official", {}),
    ("transvae", "fixed", {}),
    ("transvae", "official", {"transvae": {"online": True}}),
    ("transvae", "fixed", {"transvae": {"online": True}}),
]
"""Type, variant, settings on top of ``SMALL``."""

IDS = [f"{kind}-{v}{'-online' if 'online' in str(more) else ''}" for kind, v, more in KINDS]

BATCH = {"belfusion": 2, "tranvae": 16, "regnn": 1024, "transvae": 4}
"""One or two steps an epoch."""

WIDTHS = {"graphau": 25, "faceverse": 58, "vggish": 128, "mfcc": 78}


def settings_of(kind: str, variant: str, more: Mapping[str, Any], **training: Any) -> dict:
    """Checked settings of a small model; two epochs of every stage."""
    values: dict[str, Any] = {"type": kind, "variant": variant, **SMALL[kind]}
    for stage in registry.get(kind).stage_names:
        values[stage] = {"epochs": 2, "batch_size": BATCH[kind], **values.get(stage, {})}
    for section, part in more.items():
        values[section] = {**values[section], **part}
    return registry.get(kind).read_settings({**values, "training": training}, kind)


def write_clips(folder: Path, pairs: int = 2, *, split: str = "train") -> dict[str, Path]:
    """Clips of all streams that a small model reads, with some frames in which no face was seen."""
    valid = np.ones((2 * pairs, 750), bool)
    valid[0, 40:120] = valid[1, 300:310] = False
    return {
        stream: clips_factory.write_clips(
            folder / f"{stream}_{split}.h5",
            clips_factory.behaviour(pairs, width),
            stream=stream,
            split=split,
            valid=valid,
        )
        for stream, width in WIDTHS.items()
    }


class Pictures:
    """Stands in for the reader of faces: a few pictures of noise, over and over."""

    def __init__(self, size: int):
        chance = torch.Generator().manual_seed(0)
        self.pool = torch.randint(256, (32, 3, size, size), generator=chance, dtype=torch.uint8)

    def read(self, rows: torch.Tensor, starts: torch.Tensor, length: int) -> torch.Tensor:
        """uint8 (n, length, 3, size, size)."""
        frames = (7 * rows + starts).unsqueeze(1) + torch.arange(length)
        return self.pool[frames % len(self.pool)]


def open_clips(clips: Mapping[str, Path], reads: StageInputs) -> ClipDataset:
    """What a stage, or sampling, reads."""
    opened = ClipDataset(stored_arrays(clips, reads.clips))
    if reads.frames:
        opened.frames = Pictures(reads.frame_size)
    if reads.appropriate:
        opened.appropriate = torch.ones(opened.rows, opened.rows, dtype=torch.bool)
    return opened


def make_tasks(settings: Mapping[str, Any], clips: Mapping[str, Path]) -> dict[str, StageTask]:
    """Stage -> its task, untrained; a stage that needs another gets the untrained one."""
    kind, tasks, weights = registry.get(settings["type"]), {}, {}
    for stage in kind.stages:
        opened = open_clips(clips, kind.stage_inputs(settings, stage.name))
        needed = {name: weights[name] for name in stage.needs}
        context = StageContext(stage.name, settings, opened, opened, needed, seed=0)
        tasks[stage.name] = resolve(stage.task)(context)
        weights[stage.name] = copy_state(tasks[stage.name].module)
    return tasks


def copy_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Tensors of a module, as they are now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def make_model(settings: Mapping[str, Any], tasks: Mapping[str, StageTask]) -> ReactionModel:
    """The model as sampling loads it."""
    kind: ModelType = registry.get(settings["type"])
    weights = {stage: copy_state(task.module) for stage, task in tasks.items()}
    if "codebook" in weights:
        weights["codebook"]["emotion.fitted"] = torch.ones((), dtype=torch.bool)
    return resolve(kind.load)(settings, weights)


def read_speakers(settings: Mapping[str, Any], clips: Mapping[str, Path]) -> ClipDataset:
    """What sampling reads."""
    return open_clips(clips, registry.get(settings["type"]).stage_inputs(settings, SAMPLING))
