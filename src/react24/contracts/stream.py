"""What a stream says of itself: its columns, the backends that make it, what each of them needs.

Nothing heavy is imported: the workflow, the configuration and the models ask. An extractor is named
by an entry point, ``package.module:Class``, and imported in the job that runs it. The built-in
streams are listed in ``react24.streams``; ``docs/add_a_stream.md`` adds one in a file of your own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from react24.contracts.entry_points import resolve
from react24.errors import InputError, nearest

if TYPE_CHECKING:
    from react24.files.contract import Features

Reads = Literal["faces", "pictures", "sound"]
"""What an extractor is given (``react24.streams.sources``): the face track of one person, pictures
of the face at every frame, or the sound."""

READERS = {
    "faces": "react24.faces.track:read_track",
    "pictures": "react24.faces.crop:face_views",
    "sound": "react24.media.sound:read_sound",
}
"""What opens them; by name, so that a stream of sound does not depend on the code of faces."""

RANDOM = "random"
"""Name of weights that are drawn from a seed; what is made with them is marked not pretrained."""

OUR_SETTINGS = ("type", "enabled", "backend")
"""Settings of a stream that its extractor never sees."""


class Extractor(Protocol):
    """Makes a stream of one person at a time; what ``Backend.extractor`` names is such a class.

    Its arguments are the settings of the stream by name, and ``device`` (``auto``, ``cpu``,
    ``cuda``) where the backend has ``gpu``. A reader of sound has an attribute ``sample_rate`` (Hz,
    a multiple of 25), a reader of pictures ``picture_size`` (pixels). A method
    ``find_doubts(features, role)`` may return notices (``react24.files.notices``) on what it found.
    """

    def extract(self, source: Any) -> Features:
        """Values float32 (T, D) at 25 per second, and the frames at which they are real.

        Args:
            source: ``FaceSource``, ``PictureSource`` or ``SoundSource`` of
                ``react24.streams.sources``.
        """


@dataclass(frozen=True)
class Backend:
    """One way to make a stream.

    Attributes:
        reads: What its extractor is given.
        extractor: Entry point of its class. Several: each makes some of the columns, and they
            stand side by side in this order (action units of one network, affect of another).
        environment: Conda environment of the rule: ``torch`` for ``envs/torch.yaml``, or, in a
            file of your own, the path of such a file from its folder.
        title: What it does, after its name, for the text of the setting ``backend``.
        settings: The stream's settings that its extractor takes; None: all of them.
        weights: What the setting ``weights`` may name beside a path: names of the weights
            registry, ``random``. None: the backend has no weights to choose.
        gpu: Whether a torch network runs in it: the rule asks for a GPU and the extractor for a
            ``device``.
        shares_neutral: Whether it looks for a person's face at rest in all of his sessions.
        mem_mb: Memory of a job, MB.
        runtime: Longest time of a job, minutes.
    """

    reads: Reads
    extractor: str | tuple[str, ...]
    environment: str
    title: str = ""
    settings: tuple[str, ...] | None = None
    weights: tuple[str, ...] | None = None
    gpu: bool = False
    shares_neutral: bool = False
    mem_mb: int = 1500
    runtime: int = 60

    def __post_init__(self) -> None:
        if self.reads not in get_args(Reads):
            raise ValueError(f"reads must be one of {get_args(Reads)}, not {self.reads!r}")

    @property
    def extractors(self) -> tuple[str, ...]:
        """Entry points of the classes, one or more."""
        return (self.extractor,) if isinstance(self.extractor, str) else self.extractor

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules of the extractors and of what they read, for digests of the source."""
        points = (*self.extractors, READERS[self.reads])
        return tuple(dict.fromkeys(point.partition(":")[0] for point in points))


@dataclass(frozen=True)
class Stream:
    """A kind of feature at 25 frames per second.

    Attributes:
        name: As in the configuration, in rules and in paths.
        columns: Names of its D columns, or D alone.
        backends: Name -> backend; the first is the default.
        title: What its columns are.
        settings: Entry point of its settings (a ``SettingsModel``) less those of
            ``OUR_SETTINGS``; None: it has no others.
        keep_native: Whether clips keep its own values beside z-scored ones (models of targets and
            metrics need them, others may; it doubles the file).
        always: Extracted even where no model reads it.
        rows: Rows of a video frame that stand side by side in its columns.
    """

    name: str
    columns: tuple[str, ...] | int
    backends: Mapping[str, Backend]
    title: str
    settings: str | None = None
    keep_native: bool = True
    always: bool = False
    rows: int = 1

    def __post_init__(self) -> None:
        if not self.backends:
            raise ValueError(f"stream {self.name}: needs a backend")
        if self.width < 1 or self.width % self.rows:
            raise ValueError(f"stream {self.name}: {self.width} columns in {self.rows} rows")

    @property
    def width(self) -> int:
        """D, the number of columns."""
        return self.columns if isinstance(self.columns, int) else len(self.columns)

    def backend(self, section: Mapping[str, Any]) -> Backend:
        """The backend that a section of the configuration chooses.

        Raises:
            InputError: There is none of that name.
        """
        chosen = section.get("backend", next(iter(self.backends)))
        if chosen not in self.backends:
            near = nearest(str(chosen), self.backends)
            raise InputError(
                f"streams.{self.name}.backend: {chosen!r} is not known; "
                f"{f'did you mean {near}? ' if near else ''}known: {', '.join(self.backends)}"
            )
        return self.backends[chosen]

    def options(self, section: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the extractor that a section of the configuration gives."""
        taken = self.backend(section).settings
        return {
            key: value
            for key, value in section.items()
            if (key not in OUR_SETTINGS if taken is None else key in taken)
        }

    def settings_model(self) -> type[Any]:
        """The settings of the stream, a ``SettingsModel``: its own, and what every stream has.

        That is ``enabled`` where it is not ``always`` extracted, and ``backend`` where there is a
        choice.
        """
        from pydantic import Field, create_model

        fields: dict[str, Any] = {}
        if not self.always:
            fields["enabled"] = (
                bool | None,
                Field(None, description=ENABLED, examples=[True]),
            )
        if len(self.backends) > 1:
            names = tuple(self.backends)
            about = "; ".join(f"`{name}` {b.title}" for name, b in self.backends.items())
            fields["backend"] = (
                Literal[names],
                Field(names[0], description=f"{about}.", examples=[names[-1]]),
            )
        # By name: what a stream is made of does not depend on how its settings are checked.
        base = resolve(self.settings or "react24.contracts.settings:SettingsModel")
        return create_model(
            f"{self.name.title()}Stream",
            __base__=base,
            __doc__=f"{self.width} columns: {self.title}.",
            **fields,
        )


ENABLED = (
    "`true` extracts this stream; `false` leaves it out, and no model may then need it; `null` "
    "extracts it where a configured model needs it."
)
