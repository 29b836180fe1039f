"""Published checkpoints in place of training: converted once, then used as trained weights are.

What each model takes is said by its ``Conversion`` in the registry. Files are read by
``react24.weights.official_files``, which runs nothing that is in them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.model import Conversion, ModelType
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.training import export
from react24.training.dataset import ClipDataset, stored_arrays
from react24.training.stage import read_stage
from react24.weights.official_files import OfficialFile, read_official

logger = logging.getLogger(__name__)


def convert_checkpoint(
    settings: Mapping[str, Any],
    files: Mapping[str, Path],
    output: Mapping[str, Path],
    *,
    clips: Mapping[str, Path] | None = None,
    converted: Mapping[str, Path] | None = None,
    seed: int = 0,
    threads: int = 1,
    created_by: str = "convert_checkpoint",
) -> None:
    """Write the weights of a model from published files.

    Args:
        settings: Merged settings of the model, ``type`` among them.
        files: Name of a file (``Conversion.files``) -> where it is.
        output: Stage -> folder that its weights and description are written to; stages that are
            left out are not written.
        clips: Stream -> clips of the training split, for models that fit something of their own
            beside the published weights (``Conversion.fitted_on``).
        converted: Stage -> its folder, for stages that have been converted from these files
            already; what is fitted there is not fitted again.
        seed: Whose folder this is; conversion itself draws nothing.
        threads: CPU threads, where something is fitted.
        created_by: Rule or command.

    Raises:
        InputError: Files, settings, clips or converted stages cannot be used.
        StoreError: The clips do not belong together.
    """
    torch.set_num_threads(threads)
    kind = registry.get(settings["type"])
    checked = kind.read_settings(settings, kind.name)
    conversion = find_conversion(kind)
    problems = conversion.find_problems(files, checked)
    if problems:
        raise InputErrors(f"published weights of {kind.title}", problems)
    what = {**conversion.files, **conversion.optional}
    read = {name: read_official(path, what[name]) for name, path in files.items()}
    sources = _digest_files(files)
    earlier = {n: _read_converted(kind, n, f, sources) for n, f in (converted or {}).items()}
    fits = conversion.fitted_on is not None and conversion.fitted_on not in earlier
    fitted = _choose_clips(kind, checked, clips or {}) if fits else {}
    with ExitStack() as stack:
        opened = _open_clips(stack, kind, checked, fitted) if fits else None
        tensors = dict(entry_points.resolve(conversion.function)(checked, read, opened))
        pretrained = opened is None or bool(opened.pretrained)
    for stage, description in earlier.items():
        tensors[stage] = export.read_weights((converted or {})[stage])
        pretrained &= description["pretrained"]
    _check(kind, checked, tensors, read.values())
    inputs = contract.digest_inputs(**{f"train_{name}": path for name, path in fitted.items()})
    for stage in kind.stages:
        if stage.name not in output:
            continue
        needed = {name: export.digest_tensors(tensors[name]) for name in stage.needs}
        logger.info("writing stage %s of %s to %s", stage.name, kind.title, output[stage.name])
        export.write_model(
            output[stage.name],
            tensors[stage.name],
            model=kind.name,
            stage=stage.name,
            seed=seed,
            pretrained=pretrained,
            config=stage.settings(checked),
            inputs=inputs | needed,
            created_by=created_by,
            converted_from=sources,
        )


def try_conversion(settings: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """See whether the published files of a model can be converted; nothing is written or fitted.

    Raises:
        InputError: Files or settings cannot be used.
    """
    kind = registry.get(settings["type"])
    checked = kind.read_settings(settings, kind.name)
    conversion = find_conversion(kind)
    what = {**conversion.files, **conversion.optional}
    read = {name: read_official(path, what[name]) for name, path in files.items()}
    tensors = dict(entry_points.resolve(conversion.function)(checked, read, None))
    _check(kind, checked, tensors, read.values())


def find_conversion(kind: ModelType) -> Conversion:
    """How published weights of a model are converted.

    Raises:
        InputError: There are none.
    """
    if kind.convert is None:
        raise InputError(
            f"{kind.title}: there are no published weights that could be converted; leave "
            "`checkpoint` out and train it"
        )
    return kind.convert


def _digest_files(files: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    return {
        name: {"file": Path(path).name, "sha256": contract.sha256_file(path)}
        for name, path in files.items()
    }


def _read_converted(
    kind: ModelType, stage: str, folder: Path, sources: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """``model.json`` of a stage that was converted from the same files."""
    description = read_stage(kind, stage, folder)
    if description.get("converted_from") != sources:
        raise InputError(f"{folder}: was not converted from these files; convert it again")
    return description


def _choose_clips(
    kind: ModelType, settings: Mapping[str, Any], clips: Mapping[str, Path]
) -> dict[str, Path]:
    """The clips that something is fitted to."""
    streams = kind.conversion_streams(settings)
    missing = [name for name in streams if name not in clips]
    if missing:
        raise InputError(
            f"{kind.title}: the published weights lack a part that is fitted here, which needs "
            f"the training clips of stream {', '.join(missing)}"
        )
    return {name: Path(clips[name]) for name in streams}


def _open_clips(
    stack: ExitStack,
    kind: ModelType,
    settings: Mapping[str, Any],
    clips: Mapping[str, Path],
) -> ClipDataset:
    """The training clips under the names of the stage that something is fitted in."""
    inputs = kind.stage_inputs(settings, kind.convert.fitted_on)
    opened = stack.enter_context(ClipDataset(stored_arrays(clips, inputs.clips)))
    if opened.split != "train":
        raise InputError(f"{opened.where}: holds split {opened.split}, not train")
    return opened


def _check(
    kind: ModelType,
    settings: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    files: Iterable[OfficialFile],
) -> None:
    """Refuse weights that are not finite, or that the model cannot load."""
    broken = [
        f"{stage}.{name}"
        for stage in kind.stage_names
        for name, value in tensors[stage].items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    if broken:
        raise InputError(
            f"{', '.join(str(file.path) for file in files)}: weights that are not finite numbers: "
            f"{', '.join(broken[:6])}"
        )
    entry_points.resolve(kind.load)(settings, tensors)
