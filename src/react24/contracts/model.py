"""What a model says of itself: its stages, what each reads and makes, and where its code lies.

Nothing heavy is imported: the workflow asks a model how to wire its rules. Code is named by entry
points, ``package.module:function``, and imported when it is used. The built-in models are listed in
``react24.models``; ``docs/add_a_model.md`` adds one in a file of your own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from react24.contracts.entry_points import resolve
from react24.errors import InputError, nearest

OUTPUTS = ("emotion", "coefficients")
"""Streams that reactions can have: 25-D behaviour and 58-D 3DMM coefficients."""

SAMPLING = "sampling"
"""The part of a model's work that is no stage of training."""

Space = Literal["native", "zscored"]


@dataclass(frozen=True)
class StageInputs:
    """What a stage of training, or sampling, reads besides the weights of earlier stages.

    Attributes:
        clips: The model's own name for an array -> (stream, ``native`` or ``zscored``).
        appropriate: Whether it needs the matrix of appropriate reactions.
        frames: Whether it needs the pictures of the faces.
        frame_size: Their height and width, pixels.
    """

    clips: Mapping[str, tuple[str, Space]]
    appropriate: bool = False
    frames: bool = False
    frame_size: int = 224

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams whose clips are read, once each, in order."""
        return tuple(dict.fromkeys(stream for stream, _ in self.clips.values()))


@dataclass(frozen=True)
class Stage:
    """One stage of training: one job, one ``model.safetensors``.

    Attributes:
        name: Its folder, e.g. ``vae``; the settings have a section of this name, with ``epochs``.
        title: For messages, e.g. ``VAE of 50-frame windows``.
        task: Entry point ``(StageContext) -> StageTask`` (``react24.contracts.task``).
        needs: Earlier stages whose weights it reads.
        sections: Keys of the settings that it depends on, ``training`` among them; a change of
            another one does not train it again. None: all.
    """

    name: str
    title: str
    task: str
    needs: tuple[str, ...] = ()
    sections: tuple[str, ...] | None = None

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a model's settings that this stage depends on."""
        wanted = settings if self.sections is None else ("type", "variant", *self.sections)
        return {key: settings[key] for key in wanted if key in settings}


@dataclass(frozen=True)
class Conversion:
    """How published weights become ours; see ``docs/checkpoints.md``.

    Attributes:
        function: Entry point ``(settings mapping, {name: OfficialFile}, ClipDataset or None) ->
            {stage: tensors}``, for every stage, tensors as ``ModelType.load`` takes them.
        files: Name of a file that is needed -> what it is.
        optional: Name of a file that may be given -> what it is.
        check: Entry point ``(settings mapping) -> str | None``: what in the settings keeps
            published weights from being used. Imports nothing heavy.
        fitted_on: Stage with a part that the files do not hold and ``function`` has to fit: it
            is given the arrays of this stage, of the training clips, or None where this stage
            has been converted before and its tensors do not count. None: nothing is fitted.
    """

    function: str
    files: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    check: str | None = None
    fitted_on: str | None = None

    def find_problems(self, given: Iterable[str], settings: Mapping[str, Any] | None) -> list[str]:
        """What is wrong with the names of the files given, and with the settings, if known."""
        given, known = set(given), [*self.files, *self.optional]
        accepted = "; ".join(f"{name}: {what}" for name, what in self.files.items())
        accepted += "".join(f"; {name} (optional): {w}" for name, w in self.optional.items())
        problems = [
            f"file {name!r} is unknown; "
            + (f"did you mean {near}? " if (near := nearest(name, known)) else "")
            + f"Accepted: {accepted}"
            for name in sorted(given - set(known))
        ]
        problems += [
            f"file {name!r} is missing ({what})"
            for name, what in self.files.items()
            if name not in given
        ]
        found = resolve(self.check)(settings) if self.check and settings is not None else None
        return problems + ([found] if found else [])

    def name_files(self, files: str | Mapping[str, str]) -> dict[str, str]:
        """Name -> path; a single path is that of the only file needed.

        Raises:
            InputError: A single path where several files are needed.
        """
        if not isinstance(files, str):
            return dict(files)
        if len(self.files) > 1:
            raise InputError(
                f"found the single path {files!r}; accepted is a path for each of "
                f"{', '.join(self.files)}"
            )
        return dict.fromkeys(self.files, files)


@dataclass(frozen=True)
class ModelType:
    """A kind of model; a configuration may hold several models of one type.

    Attributes:
        name: What weights files call it: for a built-in type the ``type`` of its settings.
        title: As tables and pages call it.
        stages: In the order of training; sampling loads all of them.
        outputs: What its reactions have, out of ``OUTPUTS``.
        settings: Entry point of a ``ModelSettings``, or of a function ``(mapping, where) ->
            settings`` with ``as_dict()``, a mapping that reads back to the same settings; checks
            the settings file with the overrides merged in, imports nothing heavy.
        inputs: Entry point ``(settings mapping, part) -> StageInputs``; ``part`` is the name of
            a stage, or ``sampling``, where all arrays are those of the speaker.
        load: Entry point ``(settings mapping, {stage: tensors}) -> ReactionModel``.
        convert: How official checkpoints are converted; None where there are none.
        card: Its model card, relative to the root of the repository.
        presets: Name -> settings that differ from the defaults of ``settings``. ``official``: how
            its authors ran the training loop; ``quick``: for first runs.
    """

    name: str
    title: str
    stages: tuple[Stage, ...]
    outputs: tuple[str, ...]
    settings: str
    inputs: str
    load: str
    convert: Conversion | None = None
    card: str | None = None
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for stage in self.stages:
            unknown = [name for name in stage.needs if name not in seen]
            if unknown:
                raise ValueError(f"{self.name}: stage {stage.name} needs {unknown}, not before it")
            seen.add(stage.name)
        if len(seen) != len(self.stages) or not seen:
            raise ValueError(f"{self.name}: needs stages with different names")
        if SAMPLING in seen:
            raise ValueError(f"{self.name}: {SAMPLING!r} cannot be the name of a stage")
        if not self.outputs or not set(self.outputs) <= set(OUTPUTS):
            raise ValueError(f"{self.name}: outputs must be out of {OUTPUTS}, not {self.outputs}")

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Names of the stages in order."""
        return tuple(stage.name for stage in self.stages)

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

    def read_settings(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Checked settings with all defaults, as JSON has them: tuples become lists.

        Raises:
            InputError: What is wrong with ``values``, called ``where``.
        """
        found = resolve(self.settings)
        read = getattr(found, "read", found)  # a settings class, or a function
        return json.loads(json.dumps(read(values, where).as_dict()))

    def inspect_settings(
        self, values: Mapping[str, Any], where: str
    ) -> tuple[dict[str, Any] | None, list[str], set[str]]:
        """As ``read_settings``, but tells all that is wrong beside what could be made of it.

        Returns:
            The settings, with defaults for what is wrong, or None; what is wrong; its keys, dotted.
        """
        try:
            return self.read_settings(values, where), [], set()
        except InputError as error:
            problems = list(getattr(error, "problems", [str(error)]))
        from react24.contracts.rounds import find_mistakes
        from react24.contracts.settings import SettingsModel

        kind = resolve(self.settings)
        if not (isinstance(kind, type) and issubclass(kind, SettingsModel)):
            return None, problems, set()
        found = find_mistakes(values, lambda *_: kind, where=where)
        problems += [text for text in found.problems if text not in problems]
        if found.model is None:
            return None, problems, found.wrong
        return json.loads(json.dumps(found.model.as_dict())), problems, found.wrong

    def stage_inputs(self, settings: Mapping[str, Any], part: str) -> StageInputs:
        """What a stage, or ``sampling``, reads under these settings.

        Raises:
            InputError: It is not said by ``StageInputs``, or in a space that there is not.
        """
        found = resolve(self.inputs)(settings, part)
        if not isinstance(found, StageInputs):
            raise InputError(
                f"model type {self.name}: {self.inputs} returned {type(found).__name__} for "
                f"{part}; accepted is StageInputs"
            )
        for array, (stream, space) in found.clips.items():
            if space not in get_args(Space):
                raise InputError(
                    f"model type {self.name}: {part} reads {array!r} from {stream} in the space "
                    f"{space!r}; accepted is one of {', '.join(get_args(Space))}"
                )
        return found

    def streams(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Every stream that training or sampling reads, once, in order."""
        parts = (*self.stage_names, SAMPLING)
        found = (stream for p in parts for stream in self.stage_inputs(settings, p).streams)
        return tuple(dict.fromkeys(found))

    def conversion_streams(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Streams whose training clips the conversion of published weights reads, if any."""
        if self.convert is None or self.convert.fitted_on is None:
            return ()
        return self.stage_inputs(settings, self.convert.fitted_on).streams

    def modules(self, *stages: str) -> tuple[str, ...]:
        """Modules behind the named stages and behind sampling, for digests of the source."""
        points = [self.settings, self.inputs, self.load, *(self.stage(s).task for s in stages)]
        return tuple(dict.fromkeys(point.partition(":")[0] for point in points))
