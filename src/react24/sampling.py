"""Drawing reactions from a trained model.

Officially, sampling runs over batches and draws one noise tensor per batch, so a reaction depends
on the batch size and on the clips beside it. Here the noise of a direction comes from a generator
keyed by (seed, session, role and clip of its speaker), samples one after the other, and each
direction is a batch of its own: a reaction depends neither on the other clips nor on how many
samples are drawn after it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from react24 import store, windows
from react24.errors import InputError
from react24.log import progress
from react24.models import registry
from react24.models.reactions import ReactionModel
from react24.samples import SamplesInfo, SamplesWriter, clip_key, create_samples
from react24.training import export
from react24.training.engine import resolve_device
from react24.training.seeding import generator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Trained:
    """A loaded model, its settings, and whether all streams it was trained on are pretrained."""

    model: ReactionModel
    settings: Mapping[str, Any]
    pretrained: bool


def sample_reactions(
    *,
    model: str,
    settings: Mapping[str, Any],
    weights: Mapping[str, Path],
    clips: Mapping[str, Path],
    output: Path,
    samples: int = 5,
    seed: int,
    split: str,
    device: str = "auto",
    threads: int = 1,
    created_by: str = "sample_reactions",
) -> None:
    """Draw S reactions to each of the 2L speakers of a split and write the samples file.

    Args:
        model: Name in tables.
        settings: Merged settings of the model, ``type`` among them; must be those it was trained
            with.
        weights: Stage -> folder of the trained stage.
        clips: Stream -> clips file of the split; the streams that the model is conditioned on.
        output: Samples file.
        samples: S.
        seed: Of the noise.
        split: Of the clips.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch.
        created_by: Rule or command.

    Raises:
        InputError: Weights, settings, streams or device cannot be used.
        StoreError: Files that are not clips or do not belong together, or a reaction that is not
            finite.
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, found {samples}")
    torch.set_num_threads(threads)
    target = torch.device(resolve_device(device))
    trained = _load(settings, weights)
    trained.model.to(target)
    kind = registry.get(settings["type"])
    conditions = kind.condition_streams(trained.settings)
    inputs = {name: Path(path) for name, path in clips.items() if name in conditions}
    inputs |= {stage: Path(folder) / export.WEIGHTS for stage, folder in weights.items()}
    with ExitStack() as stack:
        opened = _open(stack, conditions, clips, split)
        first = next(iter(opened.values()))
        pretrained = trained.pretrained and all(c.pretrained for c in opened.values())
        variant = str(trained.settings.get("variant", "official"))
        info = SamplesInfo(model, seed, split, samples, bool(pretrained), variant)
        writer = stack.enter_context(
            create_samples(
                output,
                info,
                index=first.index,
                datasets=kind.outputs,
                created_by=created_by,
                config={"settings": trained.settings, "samples": samples, "seed": seed},
                inputs=store.digest_inputs(**inputs),
            )
        )
        arrays = {name: getattr(opened[name], space) for name, space in conditions.items()}
        for row in progress(range(first.rows), what=f"sampling {model}", unit="clip"):
            parts = {name: torch.from_numpy(array[row : row + 1]) for name, array in arrays.items()}
            speaker = {name: part.to(target) for name, part in parts.items()}
            noise = generator(seed, "sampling", *clip_key(first.index[row]))
            _write(writer, row, trained.model, speaker, samples, noise)


@torch.no_grad()
def _write(
    writer: SamplesWriter,
    row: int,
    model: ReactionModel,
    speaker: Mapping[str, Tensor],
    samples: int,
    noise: torch.Generator,
) -> None:
    reactions = model.react(speaker, samples, noise)
    parts: dict[str, np.ndarray] = {"emotion": reactions.emotion[0].float().cpu().numpy()}
    if reactions.coefficients is not None:
        parts["coefficients"] = reactions.coefficients[0].float().cpu().numpy()
    writer.write(row, **parts)


def _load(settings: Mapping[str, Any], weights: Mapping[str, Path]) -> _Trained:
    """The model from its stages, after checking that they are of one training."""
    kind = registry.get(settings["type"])
    missing = [name for name in kind.stage_names if name not in weights]
    if missing:
        raise InputError(f"model {kind.name}: weights of stage {', '.join(missing)} are missing")
    asked = _plain(registry.resolve(kind.settings)(settings, kind.name).as_dict())
    descriptions, tensors = {}, {}
    for stage in kind.stage_names:
        folder = Path(weights[stage])
        descriptions[stage] = export.read_description(folder)
        found = (descriptions[stage]["model"], descriptions[stage]["stage"])
        if found != (kind.name, stage):
            raise InputError(
                f"{folder}: expected stage {stage} of {kind.name}, found stage {found[1]} of "
                f"{found[0]}"
            )
        tensors[stage] = export.read_weights(folder)
    for stage in kind.stages:
        for name in stage.needs:
            _check_needed(stage.name, name, descriptions, weights)
    last = kind.stage_names[-1]
    config = descriptions[last]["config"]
    changed = [k for k, v in asked.items() if k != "training" and config.get(k) != v]
    if changed:
        raise InputError(
            f"{weights[last]}: was trained with other settings (they differ in "
            f"{', '.join(changed)}); train it again with these settings"
        )
    model = registry.resolve(kind.load)(asked, tensors)
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


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples become lists."""
    return json.loads(json.dumps(values))


def _open(
    stack: ExitStack, conditions: Mapping[str, str], clips: Mapping[str, Path], split: str
) -> dict[str, windows.Clips]:
    opened: dict[str, windows.Clips] = {}
    for name, space in conditions.items():
        if name not in clips:
            raise InputError(f"split {split}: the model needs the clips of stream {name}")
        opened[name] = stack.enter_context(windows.open_clips(clips[name]))
        first = next(iter(opened.values()))
        names = (str(first.path), str(opened[name].path))
        windows.check_same_index(first.index, opened[name].index, names)
        if opened[name].split != split:
            raise InputError(f"{clips[name]}: holds split {opened[name].split}, not {split}")
        if getattr(opened[name], space) is None:
            raise InputError(f"{clips[name]}: stream {name} has no {space} values")
    return opened
