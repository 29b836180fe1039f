"""Which models there are: their stages, what each reads and makes, and where its code lies.

Nothing heavy is imported: the workflow asks the registry how to wire its rules. Code is named by
entry points, ``package.module:function``, and imported when it is used. A model from outside the
package joins by ``register``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from react24.errors import InputError

OUTPUTS = ("emotion", "coefficients")
"""Streams that reactions can have: 25-D behaviour and 58-D 3DMM coefficients."""


def resolve(entry_point: str) -> Callable[..., Any]:
    """The function an entry point names.

    Raises:
        InputError: Not of the form ``package.module:function``, or there is none.
    """
    module, _, name = entry_point.partition(":")
    if not (module and name):
        raise InputError(f"entry point {entry_point!r}: expected package.module:function")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"entry point {entry_point!r}: {error}") from error


@dataclass(frozen=True)
class Stage:
    """One stage of training: one job, one ``model.safetensors``.

    Attributes:
        name: Its folder, e.g. ``vae``.
        title: For messages, e.g. ``VAE of 50-frame windows``.
        streams: Streams whose clips it reads in training.
        train: Entry point ``(train, val, *, settings, output_dir, checkpoint_dir, seed, device,
            threads, <stage>_dir...)``; ``train`` and ``val`` map streams to clips files and there
            is one ``<stage>_dir`` for each stage in ``needs``.
        needs: Earlier stages whose weights it reads.
    """

    name: str
    title: str
    streams: tuple[str, ...]
    train: str
    needs: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Module of the training code, for digests of the source."""
        return self.train.partition(":")[0]


@dataclass(frozen=True)
class ModelType:
    """A kind of model; a configuration may hold several models of one type.

    Attributes:
        name: The ``type`` of its settings file.
        title: As tables and pages call it.
        stages: In the order of training; sampling loads all of them.
        outputs: What its reactions have, out of ``OUTPUTS``.
        settings: Entry point ``(mapping, where) -> settings`` with ``as_dict()``; checks the
            settings file with the overrides merged in, imports nothing heavy.
        conditions: Entry point ``(settings mapping) -> {stream: "native" | "zscored"}``: what
            sampling reads of the speaker.
        load: Entry point ``(settings mapping, {stage: tensors}) -> ReactionModel``.
        card: Its model card, relative to the root of the repository.
    """

    name: str
    title: str
    stages: tuple[Stage, ...]
    outputs: tuple[str, ...]
    settings: str
    conditions: str
    load: str
    card: str | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for stage in self.stages:
            unknown = [name for name in stage.needs if name not in seen]
            if unknown:
                raise ValueError(f"{self.name}: stage {stage.name} needs {unknown}, not before it")
            seen.add(stage.name)
        if len(seen) != len(self.stages) or not seen:
            raise ValueError(f"{self.name}: needs stages with different names")
        if not self.outputs or not set(self.outputs) <= set(OUTPUTS):
            raise ValueError(f"{self.name}: outputs must be out of {OUTPUTS}, not {self.outputs}")

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Names of the stages in order."""
        return tuple(stage.name for stage in self.stages)

    @property
    def training_streams(self) -> tuple[str, ...]:
        """Every stream that any stage reads, once, in order."""
        return tuple(dict.fromkeys(name for stage in self.stages for name in stage.streams))

    def stage(self, name: str) -> Stage:
        """A stage by name.

        Raises:
            InputError: There is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise InputError(
            f"model {self.name} has no stage {name!r}; it has {', '.join(self.stage_names)}"
        )

    def condition_streams(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """What sampling reads of the speaker: stream -> ``native`` or ``zscored``."""
        return resolve(self.conditions)(settings)


_TYPES: dict[str, ModelType] = {}


def register(model: ModelType) -> ModelType:
    """Make a model type known.

    Raises:
        ValueError: Another one has this name.
    """
    if _TYPES.get(model.name, model) != model:
        raise ValueError(f"a model type {model.name!r} is registered already")
    _TYPES[model.name] = model
    return model


def names() -> tuple[str, ...]:
    """Names of all model types."""
    return tuple(sorted(_TYPES))


def get(name: str) -> ModelType:
    """A model type by name.

    Raises:
        InputError: There is none.
    """
    if name not in _TYPES:
        raise InputError(f"there is no model type {name!r}; known: {', '.join(names())}")
    return _TYPES[name]


register(
    ModelType(
        name="belfusion",
        title="BeLFusion",
        stages=(
            Stage(
                name="vae",
                title="VAE of 50-frame windows",
                streams=("graphau", "faceverse"),
                train="react24.training.belfusion_tasks:train_vae",
            ),
            Stage(
                name="ldm",
                title="latent diffusion",
                streams=("graphau",),
                train="react24.training.belfusion_tasks:train_ldm",
                needs=("vae",),
            ),
        ),
        outputs=("emotion", "coefficients"),
        settings="react24.models.belfusion_settings:read_settings",
        conditions="react24.models.belfusion_settings:condition_streams",
        load="react24.models.belfusion:load",
        card="docs/models/belfusion.md",
    )
)
