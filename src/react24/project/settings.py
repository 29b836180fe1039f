"""The keys of ``config/config.yaml``: types, defaults, ranges and, below each key, its text.

The table of ``config/README.md`` and the schema for editors are made from these texts
(``react24.project.reference``). The sections of ``streams`` are those of the table of streams.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, create_model

from react24 import streams
from react24.contracts.paths import expand
from react24.contracts.settings import PathText, SettingsModel, show
from react24.contracts.stream import Stream
from react24.project.sheet_columns import NAME


def _refuse_repetitions(values: tuple) -> tuple:
    if len(set(values)) < len(values):
        raise ValueError(f"found {show(values)}; accepted is a list without repetitions")
    return values


Unique = AfterValidator(_refuse_repetitions)
RootText = Annotated[str, Field(min_length=1), AfterValidator(expand)]
ModelName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
SplitName = Literal["train", "val", "test"]
Baseline = Literal["GT", "Random", "Mime", "MeanSeq", "MeanFr"]


class ModelEntry(SettingsModel):
    """One model."""

    settings: PathText | None = Field(default=None, examples=["config/models/belfusion.yaml"])
    """File with the model's hyperparameters, or a type (belfusion, regnn, tranvae, transvae) for
    the official ones that it brings along; `null` means `config/models/<name>.yaml`, or, without
    that file, the type of that name."""

    variant: Literal["official", "fixed"] = Field(default="fixed", examples=["official"])
    """`official` repeats the published code, mistakes included; `fixed` mends what the model
    card lists."""

    preset: Literal["official", "quick"] = Field(default="official", examples=["quick"])
    """`official` trains as long as its authors did, with networks of their size; `quick` has
    smaller networks or shorter training, for a first run and for computers without a GPU. What it
    changes is said by the type, or by a file `NAME.quick.yaml` beside the settings file
    `NAME.yaml`."""

    overrides: dict[str, Any] = Field(default={}, examples=[{"vae": {"epochs": 400}}])
    """Hyperparameters that differ from the settings file and the preset, in the same nesting; a
    name that the file lacks is an error."""

    checkpoint: PathText | dict[str, PathText] | None = Field(
        default=None,
        examples=[{"vae": "weights/checkpoint_999.pth", "ldm": "weights/checkpoint_99.pth"}],
    )
    """Published weights to use instead of training: the path of the file, or, where a model
    takes several, a mapping of their names to paths (docs/checkpoints.md). `null` trains."""


class Corpus(SettingsModel):
    """The recordings."""

    root: RootText = Field(default="resources/demo", examples=["/data/my_corpus"])
    """Folder that the paths of the sample sheet start from; relative to the folder in which
    Snakemake is started, or absolute; `~` and `$NAME` are filled in."""

    name: str = Field(default="demo", pattern=f"^{NAME}$", examples=["noxi"])
    """Name of the corpus, used in titles of tables and plots."""

    skip_broken: bool = Field(default=False, examples=[True])
    """What to do with sessions whose recordings cannot be used (missing, cut off, unreadable, or
    refused by a job of an earlier run). `false` stops the run before it starts; `true` leaves
    these sessions out and lists them in the log, below the tables and in the report. Splits are
    decided as if they were there, so that leaving one out moves no other."""


class Demo(SettingsModel):
    """The demo corpus, synthetic faces and speech with known truth."""

    enabled: bool = Field(default=True, examples=[False])
    """Make the files of demo sessions under `resources/demo` when they are missing. Needs
    `corpus.root` to be `resources/demo`; switch it off for your own videos."""

    seed: int = Field(default=24, ge=0, examples=[24])
    """Seed of the demo corpus."""


class Split(SettingsModel):
    """Shares of the sessions whose `split` is `auto`; they add up to 1."""

    train: float = Field(default=0.6, ge=0, le=1, examples=[0.8])
    """Share that models are trained on."""

    val: float = Field(default=0.2, ge=0, le=1, examples=[0.1])
    """Share that training curves are watched on."""

    test: float = Field(default=0.2, ge=0, le=1, examples=[0.1])
    """Share that is kept for the final figures."""


class Media(SettingsModel):
    """Reading video and sound."""

    tolerate_damage: bool = Field(default=False, examples=[True])
    """What to do with a file that becomes unreadable part-way. `false` fails the session and
    names file and second; `true` cuts the session there and marks it."""


class Faces(SettingsModel):
    """The face track."""

    max_gap: int = Field(default=12, ge=0, examples=[25])
    """Longest run of frames (at 25 per second) without a face that is bridged by
    interpolation."""

    max_missing: float = Field(default=0.2, ge=0, le=1, examples=[0.05])
    """Share of frames without the person's face above which a session fails."""

    model: str = Field(default="mediapipe", examples=["face-landmarker"])
    """The networks that find faces and landmarks. `mediapipe` takes those inside mediapipe
    0.10.14; `face-landmarker` fetches MediaPipe's newer bundle (4 MB, docs/weights.md); the
    path of a `.task` file takes that one. A bundle needs no mediapipe."""

    share_neutral: bool = Field(default=True, examples=[False])
    """Look for a person's face at rest in all sessions he is in, for `graphau` and `faceverse`.
    His sessions then wait for each other's face tracks, and a session without one holds up the
    others until it is out of the sample sheet, or left out (`corpus.skip_broken`). `false` looks in
    each session alone."""


class Storage(SettingsModel):
    """What stays on disk."""

    keep_normalized: bool = Field(default=True, examples=[False])
    """Keep the normalised features of a session beside the clips cut from them (15 GB for wav2vec2
    on the full corpus), so that one session more is one to normalise. `false` writes none, and
    deletes those of a split when its clips are cut the next time; the clips are the same."""


class ClipSettings(SettingsModel):
    """Cutting sessions into clips of 30 s."""

    min_valid: float = Field(default=0.5, ge=0, le=1, examples=[0.8])
    """A clip is left out, in all streams and both directions, where the face of either person
    is known (the face track is valid) in a smaller share of its frames than this; how many is
    told in the log and below the tables. `0` keeps all."""


class AppropriateSettings(SettingsModel):
    """Which reactions count as appropriate to a clip."""

    source: Literal["dtw", "official"] = Field(default="dtw", examples=["official"])
    """`dtw` is our stand-in: the reactions to the speaker clips that are nearest in behaviour.
    `official` reads the matrix of the REACT challenge."""

    matrix: PathText | None = Field(
        default=None, examples=["data/Approprirate_facial_reaction.npy"]
    )
    """Path of the official matrix (`.npy`); needed with `source: official`."""

    index: PathText | None = Field(default=None, examples=["data/data_indices.csv"])
    """Path of `data_indices.csv`, which names the rows of the matrix; needed with `source:
    official`."""

    k: int = Field(default=3, ge=1, examples=[10])
    """Appropriate reactions per clip with `source: dtw`, the clip's own included."""


class SamplingSettings(SettingsModel):
    """Drawing reactions."""

    samples: int = Field(default=5, ge=1, examples=[10])
    """Reactions per clip. The published table states 5; the official code draws 10."""

    seeds: Annotated[tuple[NonNegativeInt, ...], Unique] = Field(
        default=(0, 1, 2), min_length=1, examples=[[0]]
    )
    """Seeds; every model is trained and sampled once per seed, and tables give mean and
    deviation over them."""

    split: Annotated[tuple[SplitName, ...], Unique] = Field(
        default=("test",), min_length=1, examples=[["val", "test"]]
    )
    """Splits that are sampled, scored and tabulated."""


class Metrics(SettingsModel):
    """Scoring."""

    space: Literal["native", "session_zscore"] = Field(
        default="native", examples=["session_zscore"]
    )
    """Space in which reactions are scored: `native` values, or z-scores with the statistics of
    the listener's session."""

    own: Annotated[tuple[PathText, ...], Unique] = Field(
        default=(), examples=[["examples/smoothness.py"]]
    )
    """Metrics of your own, computed and tabulated beside the official ones: Python files that
    define `METRIC` (docs/add_a_metric.md)."""


class Streams(SettingsModel):
    """The features at 25 per second that are extracted, and what makes them."""


class Configuration(SettingsModel):
    """Science only: what is computed.

    Cores, memory and cluster settings live in profiles/. A key that is left out takes its default.
    """

    sessions: PathText = Field(
        default="config/sessions.tsv", examples=["config/my_sessions.tsv"], validate_default=True
    )
    """Sample sheet, one row per session; tab-separated."""

    seed: int = Field(default=0, ge=0, examples=[7])
    """Seed of everything random that is not a model, such as the assignment of `auto`
    splits."""

    corpus: Corpus = Corpus()
    demo: Demo = Demo()
    split: Split = Split()
    media: Media = Media()
    faces: Faces = Faces()
    streams: Streams = Streams()
    storage: Storage = Storage()
    clips: ClipSettings = ClipSettings()
    appropriate: AppropriateSettings = AppropriateSettings()
    models: dict[ModelName, ModelEntry] = Field(default={"belfusion": ModelEntry()}, examples=[{}])
    """The models that are trained, sampled and scored: one entry per model, named as its file
    in config/models, or freely with `settings`. `{}` runs the baselines only."""

    baselines: Annotated[tuple[Baseline, ...], Unique] = Field(
        default=("GT", "Random", "Mime", "MeanSeq", "MeanFr"), examples=[["GT", "Mime"]]
    )
    """Naive baselines that are scored beside the models: the true reaction, noise, the speaker
    mirrored, the mean training sequence, the mean training frame."""

    sampling: SamplingSettings = SamplingSettings()
    metrics: Metrics = Metrics()


def configuration_of(own: tuple[Stream, ...] = ()) -> type[Configuration]:
    """The model of a configuration, with a section for every stream.

    Args:
        own: Streams of the user's own, whose sections have a ``type`` too.
    """
    sections: dict[str, Any] = {}
    for stream in (*streams.STREAMS.values(), *own):
        section = stream.settings_model()
        if stream in own:
            section = create_model(section.__name__, __base__=section, type=(PathText, ...))
            sections[stream.name] = (section, ...)
        else:
            sections[stream.name] = (section, section())
    chosen = create_model("Streams", __base__=Streams, __doc__=Streams.__doc__, **sections)
    return create_model(
        "Configuration",
        __base__=Configuration,
        __doc__=Configuration.__doc__,
        streams=(chosen, chosen() if not own else ...),
    )
