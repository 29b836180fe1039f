"""Published checkpoints in place of training: converted once, then used as trained weights are.

What each model takes is said by its ``Conversion`` in the registry. Files are read by
``react24.models.official_files``, which runs nothing that is in them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from react24 import store
from react24.errors import InputError, InputErrors
from react24.models import registry
from react24.models.official_files import OfficialFile, read_official
from react24.models.registry import Conversion, ModelType
from react24.training import export
from react24.training.data import Source, SplitClips

logger = logging.getLogger(__name__)


def convert_checkpoint(
    settings: Mapping[str, Any],
    files: Mapping[str, Path],
    output: Mapping[str, Path],
    *,
    clips: Mapping[str, Path] | None = None,
    seed: int = 0,
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
        seed: Whose folder this is; conversion itself draws nothing.
        created_by: Rule or command.

    Raises:
        InputError: Files, settings or clips cannot be used.
        StoreError: The clips do not belong together.
    """
    kind = registry.get(settings["type"])
    checked = json.loads(json.dumps(kind.read_settings(settings, kind.name)))
    conversion = find_conversion(kind)
    problems = conversion.find_problems(files, checked)
    if problems:
        raise InputErrors(f"published weights of {kind.title}", problems)
    what = {**conversion.files, **conversion.optional}
    read = {name: read_official(path, what[name]) for name, path in files.items()}
    streams = kind.conversion_streams(checked)
    with ExitStack() as stack:
        opened = _open_clips(stack, kind, checked, clips or {})
        tensors = registry.resolve(conversion.function)(checked, read, opened)
        pretrained = opened is None or bool(opened.pretrained)
    _check(kind, checked, tensors, read.values())
    digests = store.digest_inputs(**{f"train_{name}": (clips or {})[name] for name in streams})
    sources = {
        name: {"file": Path(path).name, "sha256": store.sha256_file(path)}
        for name, path in files.items()
    }
    written = {}
    for stage in kind.stages:
        inputs = digests | {name: written[name] for name in stage.needs}
        written[stage.name] = export.digest_tensors(tensors[stage.name])
        if stage.name not in output:
            continue
        logger.info("writing stage %s of %s to %s", stage.name, kind.title, output[stage.name])
        export.write_model(
            output[stage.name],
            tensors[stage.name],
            model=kind.name,
            stage=stage.name,
            seed=seed,
            pretrained=pretrained,
            config=stage.settings(checked),
            inputs=inputs,
            created_by=created_by,
            converted_from=sources,
        )


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


def _open_clips(
    stack: ExitStack,
    kind: ModelType,
    settings: Mapping[str, Any],
    clips: Mapping[str, Path],
) -> SplitClips | None:
    """The training clips that something is fitted to, under the names of that stage."""
    streams = kind.conversion_streams(settings)
    if not streams:
        return None
    missing = [name for name in streams if name not in clips]
    if missing:
        raise InputError(
            f"{kind.title}: the published weights lack a part that is fitted here, which needs "
            f"the training clips of stream {', '.join(missing)}"
        )
    inputs = kind.stage_inputs(settings, kind.convert.fitted_on)
    sources = {name: Source(Path(clips[s]), space) for name, (s, space) in inputs.clips.items()}
    opened = stack.enter_context(SplitClips(sources))
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
    registry.resolve(kind.load)(settings, tensors)
