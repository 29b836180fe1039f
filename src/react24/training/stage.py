"""Training one stage of any model: open its clips, make its task, run the loop, write the weights.

What is particular to a model is its task (``Stage.task`` in the registry); everything around it is
the same for all and is here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.model import ModelType, Stage, StageInputs
from react24.contracts.task import StageContext
from react24.errors import InputError
from react24.files import contract
from react24.training import export
from react24.training.checkpoint import CheckpointFolder
from react24.training.dataset import ClipDataset, FaceFiles, name_files, stored_arrays
from react24.training.engine import prepare_processor, usable_devices
from react24.training.lease import Lease, hold
from react24.training.loop import fit
from react24.training.settings import LoopSettings, read_loop_settings
from react24.training.stopping import StopSignals

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitFiles:
    """What there is of one split for a stage.

    Attributes:
        clips: Stream -> clips file.
        appropriate: File of appropriate reactions, where the stage needs it.
        sessions: Session -> media file and face track, where it needs pictures.
    """

    clips: Mapping[str, Path]
    appropriate: Path | None = None
    sessions: Mapping[str, FaceFiles] = field(default_factory=dict)


@dataclass(frozen=True)
class StageOutput:
    """Where a stage is written, and by whom.

    Attributes:
        folder: Of ``model.safetensors``, ``model.json``, ``history.h5``, ``training.json``.
        checkpoints: Folder of this stage's and seed's checkpoints alone.
        created_by: Rule or command.
        model: Name of the model in the configuration, for progress; its type where empty.
    """

    folder: Path
    checkpoints: Path
    created_by: str = "train_stage"
    model: str = ""


def train_stage(
    stage: str,
    settings: Mapping[str, Any],
    train: SplitFiles,
    val: SplitFiles | None,
    output: StageOutput,
    *,
    seed: int,
    needed: Mapping[str, Path] | None = None,
    device: str = "auto",
    devices: int = 1,
    threads: int = 1,
    code: str = "",
) -> None:
    """Train one stage and write its weights, description and history.

    Its folder of checkpoints is held meanwhile. Once everything is written they are deleted, but
    for what is needed to write it again.

    Args:
        stage: Name of the stage.
        settings: Merged settings of the model, ``type`` among them; sections that the stage does
            not depend on may be missing.
        train: Files of the training split.
        val: Files of the validation split; None to train without.
        output: Where to.
        seed: Of weights, order and noise.
        needed: Earlier stage -> folder of its weights, for the stages that this one needs.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: GPUs to share the work, as far as there are so many.
        threads: CPU threads.
        code: Digest of the training code; a changed one discards checkpoints.

    Raises:
        InputError: Settings, streams, device or earlier stages cannot be used, or another training
            is at work in the folder of checkpoints.
        StoreError: The files do not belong together, or the disk is full.
    """
    kind = registry.get(settings["type"])
    job = kind.stage(stage)
    processes = usable_devices(device, devices)
    checked = kind.read_settings(settings, kind.name)
    config = job.settings(checked)
    loop = _loop_settings(checked, job)
    inputs = kind.stage_inputs(checked, stage)
    earlier = {name: _Earlier.read(kind, name, needed or {}, config) for name in job.needs}
    splits = {"train": train} | ({"val": val} if val else {})
    with (
        StopSignals() as stop,
        _hold(output.checkpoints) as lease,
        _open(splits, inputs, loop) as clips,
    ):
        context = StageContext(
            stage=stage,
            settings=checked,
            train=clips["train"],
            val=clips.get("val"),
            needed={name: part.tensors for name, part in earlier.items()},
            seed=seed,
        )
        prepare_processor(threads)  # what a task computes beforehand must not vary either
        task = entry_points.resolve(job.task)(context)
        digests = _digests(splits, inputs)
        digests |= {name: part.description["weights_sha256"] for name, part in earlier.items()}
        result = fit(
            task,
            loop,
            checkpoint_dir=output.checkpoints,
            output_dir=output.folder,
            seed=seed,
            device=device,
            devices=processes,
            threads=threads,
            created_by=output.created_by,
            inputs=digests,
            config={key: value for key, value in config.items() if key != "training"},
            code=code,
            lease=lease,
            stop=stop,
            what=f"training {output.model or kind.name} seed {seed}, {stage}",
        )
        if not result.is_first:
            return
        pretrained = [clips["train"].pretrained, *(e.pretrained for e in earlier.values())]
        export.write_timing(output.folder, result, threads, processes)
        export.write_model(
            output.folder,
            task.module,
            model=kind.name,
            stage=stage,
            seed=seed,
            pretrained=all(pretrained),
            config=config,
            inputs=digests,
            created_by=output.created_by,
        )
        if not loop.keep_checkpoints:
            CheckpointFolder(output.checkpoints, {}).keep_only_finished()


@contextmanager
def _hold(checkpoints: Path) -> Iterator[Lease | None]:
    """The lease of the folder, for the first of the processes that train together."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield None
        return
    with hold(checkpoints) as lease:
        yield lease


@dataclass(frozen=True)
class _Earlier:
    """A trained earlier stage: its ``model.json`` and its tensors."""

    description: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def pretrained(self) -> bool:
        """Whether everything it was trained on came from pretrained networks."""
        return bool(self.description["pretrained"])

    @classmethod
    def read(
        cls, kind: ModelType, name: str, folders: Mapping[str, Path], config: Mapping[str, Any]
    ) -> _Earlier:
        """Read a stage, after checking that it was trained with the settings of this run."""
        if name not in folders:
            raise InputError(f"model {kind.name}: the weights of stage {name} are missing")
        description = read_stage(kind, name, folders[name])
        old = description["config"]
        changed = differences({k: v for k, v in old.items() if k in config}, config)
        if changed:
            raise InputError(
                f"{folders[name]}: its stage {name} was trained with other settings "
                f"({'; '.join(changed)}); train it again with these settings"
            )
        return cls(description, export.read_weights(folders[name]))


def read_stage(kind: ModelType, stage: str, folder: Path) -> dict[str, Any]:
    """``model.json`` of a trained stage.

    Raises:
        InputError: The folder does not hold this stage of this kind of model.
    """
    description = export.read_description(folder)
    found = (description["model"], description["stage"])
    if found != (kind.name, stage):
        raise InputError(
            f"{folder}: expected stage {stage} of {kind.name}, found stage {found[1]} of {found[0]}"
        )
    return description


def differences(old: Mapping[str, Any], new: Mapping[str, Any], name: str = "") -> list[str]:
    """Settings in ``old`` that ``new`` has otherwise, how the loop runs left out.

    Returns:
        A sentence each, e.g. ``vae.hidden: 16 against 32``.
    """
    found = []
    for key, value in old.items():
        where = f"{name}.{key}" if name else key
        other = new.get(key)
        if where == "training":
            continue
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            found += differences(value, other, where)
        elif value != other:
            found.append(f"{where}: {value!r} against {other!r}")
    return found


def _loop_settings(settings: Mapping[str, Any], stage: Stage) -> LoopSettings:
    try:
        epochs = settings[stage.name]["epochs"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"the settings of the model have no {stage.name}.epochs: each stage has a section of "
            "its name that says how many passes over the training clips it makes"
        ) from error
    return read_loop_settings(settings.get("training"), epochs=epochs)


@contextmanager
def _open(
    splits: Mapping[str, SplitFiles], inputs: StageInputs, loop: LoopSettings
) -> Iterator[dict[str, ClipDataset]]:
    """The clips of every split, open together."""
    with ExitStack() as stack:
        opened = {}
        for split, files in splits.items():
            _check_streams(split, files, inputs)
            clips = ClipDataset(
                stored_arrays(files.clips, inputs.clips),
                max_memory_mb=loop.max_memory_mb,
                appropriate=files.appropriate if inputs.appropriate else None,
                sessions=files.sessions if inputs.frames else None,
                frame_size=inputs.frame_size,
            )
            opened[split] = stack.enter_context(clips)
        yield opened


def _check_streams(split: str, files: SplitFiles, inputs: StageInputs) -> None:
    missing = [name for name in inputs.streams if name not in files.clips]
    if missing:
        raise InputError(f"clips of split {split}: stream {', '.join(missing)} is missing")
    if inputs.appropriate and files.appropriate is None:
        raise InputError(f"split {split}: the file of appropriate reactions is missing")


def _digests(splits: Mapping[str, SplitFiles], inputs: StageInputs) -> dict[str, str]:
    """Name -> SHA-256 of every file that the stage is trained on."""
    files: dict[str, Path] = {}
    for split, part in splits.items():
        files |= {f"{split}_{name}": Path(part.clips[name]) for name in inputs.streams}
        if inputs.appropriate and part.appropriate is not None:
            files[f"{split}_appropriate"] = part.appropriate
        if inputs.frames:
            files |= name_files(part.sessions)
    return contract.digest_inputs(**files)
