"""Settings of TranVAE: both stages, the emotion head, sampling, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. TranVAE is the
method of Learning2Listen (Ng et al., CVPR 2022) on the streams of REACT 2024; the values are those
of its official code. See ``docs/models/tranvae.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from react24.contracts import settings as reading
from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.errors import InputError

Sound = Literal["vggish", "wav2vec2", "logmel"]
Space = Literal["native", "zscored"]
Tokens = Literal["channel_blocks", "time_steps"]
Statistics = Literal["sequences", "plain"]
Sequences = Literal["fixed_batches", "anywhere"]
Schedule = Literal["steps", "share"]

SOUND_SHAPES: dict[str, tuple[int, int]] = {"vggish": (128, 1), "wav2vec2": (768, 1)}
SOUND_SHAPES["logmel"] = (128, 4)
"""Sound stream -> numbers in a row and rows per video frame; a frame's rows stand side by side."""


@dataclass(frozen=True)
class CodebookConfig:
    """Stage 1, the VQ-VAE of 32-frame windows of listener motion.

    Attributes:
        parts: Columns of a frame, in groups that weigh the same in the loss: expression, rotation,
            translation of the 3DMM (official: 50 expression, 3 rotation, 3 jaw).
        window: Frames of a window.
        squeeze: Halvings in time; a window becomes ``window / 2**squeeze`` tokens.
        hidden: Width of both transformers and of a code.
        layers: Blocks of each.
        heads: Attention heads.
        mlp: Hidden size of the blocks' MLPs.
        codes: Codes of the codebook.
        commitment: Weight of the encoder's part of the quantiser's loss.
        tokens: ``channel_blocks``: a token is a block of channels over the whole window, as in the
            official code; ``time_steps``: a token is a time step of ``2**squeeze`` frames. None
            follows the variant, as in the other settings that can be None.
        statistics: Unit of a column: ``sequences``, the standard deviation over sequences of the
            standard deviation within a sequence; ``plain``, the standard deviation.
        sequences: Where the 64-frame sequences lie that training cuts in two: ``fixed_batches``,
            one after the other from frame 0, in batches that stay together; ``anywhere``.
        restart: Place codes that an epoch did not use on encoded windows.
        schedule: ``steps``: ``learning_rate * hidden**-0.5 * min(n**-0.5, n * warmup_steps**-1.5)``
            at step n; ``share``: the same curve with its peak ``peak_rate`` after ``warmup_share``
            of all steps.
        mask_invalid: Leave frames that are invalid out of the loss and the units, and windows that
            are mostly so out of everything, the emotion head's training as well.
        learning_rate: Factor of ``steps``; not a learning rate itself.
        warmup_steps: Of ``steps``.
        peak_rate: Of ``share``.
        warmup_share: Of ``share``.
        weight_decay: Of AdamW.
        epochs: Passes over the training windows.
        batch_size: Windows per step.
    """

    parts: tuple[int, ...] = (52, 3, 3)
    window: int = 32
    squeeze: int = 3
    hidden: int = 256
    layers: int = 12
    heads: int = 8
    mlp: int = 384
    codes: int = 200
    commitment: float = 0.25
    tokens: Tokens | None = None
    statistics: Statistics | None = None
    sequences: Sequences | None = None
    restart: bool | None = None
    schedule: Schedule | None = None
    mask_invalid: bool | None = None
    learning_rate: float = 2.0
    warmup_steps: int = 100_000
    peak_rate: float = 4e-4
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    epochs: int = 100
    batch_size: int = 32

    def __post_init__(self) -> None:
        positive = ("window", "squeeze", "hidden", "layers", "heads", "mlp", "codes")
        reading.require_positive(self, *positive, "epochs", "batch_size", "learning_rate")
        reading.require_not_negative(self, "commitment", "weight_decay")
        _check_schedule(self)
        if not self.parts or min(self.parts) < 1:
            raise ValueError(f"parts must be positive sizes, found {self.parts}")
        if self.window % 2**self.squeeze:
            raise ValueError(f"a window of {self.window} cannot be halved {self.squeeze} times")
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}")
        if self.tokens == "channel_blocks" and self.hidden % self.tokens_per_window:
            raise ValueError(
                f"tokens: channel_blocks cuts hidden {self.hidden} into {self.tokens_per_window} "
                "blocks; make it a multiple of that"
            )

    @property
    def channels(self) -> int:
        """Columns of a frame."""
        return sum(self.parts)

    @property
    def patch(self) -> int:
        """Frames per token."""
        return 2**self.squeeze

    @property
    def tokens_per_window(self) -> int:
        """Tokens of a window."""
        return self.window // self.patch


@dataclass(frozen=True)
class PredictorConfig:
    """Stage 2, the classifier of the listener's next codes.

    Attributes:
        hidden: Width of the listener's side; the speaker's side has twice that.
        layers: Blocks over listener and speaker together.
        cross_layers: Cross-modal blocks over the speaker's sound and motion.
        past_layers: Blocks over the listener's past alone. They are part of official checkpoints
            and take no part in any result; 0 leaves them out.
        heads: Attention heads.
        mlp: Hidden size of the blocks' MLPs.
        mask: What hides listener codes: ``rows`` cuts the rows of the hidden codes out of the
            attention among listener codes, as in the official code; ``keys`` lets nothing attend
            to hidden codes.
        mask_draw: How many codes are hidden is drawn once per ``batch`` or per ``item``.
        start: What comes before the first prediction: ``zeros``: one window of the mean face, which
            is also what the reaction begins with; ``hidden``: nothing, the first prediction is for
            frame 0 (the speaker's first frame stands in for what came before it).
        statistics: Units of the speaker's motion and sound; see ``CodebookConfig``.
        sequences: See ``CodebookConfig``.
        schedule: See ``CodebookConfig``.
        mask_invalid: Leave windows of the listener that are mostly invalid out of the loss, and
            invalid frames out of the units of the speaker's motion and sound.
        learning_rate: Factor of ``steps``.
        warmup_steps: Of ``steps``.
        peak_rate: Of ``share``.
        warmup_share: Of ``share``.
        epochs: Passes over the training sequences.
        batch_size: Sequences per step.
    """

    hidden: int = 200
    layers: int = 5
    cross_layers: int = 2
    past_layers: int | None = None
    heads: int = 10
    mlp: int = 128
    mask: Literal["rows", "keys"] | None = None
    mask_draw: Literal["batch", "item"] | None = None
    start: Literal["zeros", "hidden"] | None = None
    statistics: Statistics | None = None
    sequences: Sequences | None = None
    schedule: Schedule | None = None
    mask_invalid: bool | None = None
    learning_rate: float = 0.01
    warmup_steps: int = 100_000
    peak_rate: float = 4e-4
    warmup_share: float = 0.1
    epochs: int = 100
    batch_size: int = 32

    def __post_init__(self) -> None:
        reading.require_positive(self, "hidden", "layers", "cross_layers", "heads", "mlp")
        reading.require_positive(self, "epochs", "batch_size", "learning_rate")
        reading.require_not_negative(
            self, *(["past_layers"] if self.past_layers is not None else [])
        )
        _check_schedule(self)
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}")


@dataclass(frozen=True)
class EmotionConfig:
    """The head that reads the 25-D behaviour off 3DMM motion; no part of the official method.

    Attributes:
        hidden: Size of its two hidden layers.
        context: Frames before and after a frame that it sees.
        decoded: Share of its training windows that are taken as the codebook writes them, which is
            what it sees in sampling; the rest is real motion.
        steps: Steps of its training, after that of the codebook.
        batch_size: Windows per step.
        learning_rate: Of AdamW at the start; falls to 0 along a cosine.
        weight_decay: Of AdamW.
    """

    hidden: int = 128
    context: int = 2
    decoded: float = 0.5
    steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        reading.require_positive(self, "hidden", "steps", "batch_size", "learning_rate")
        reading.require_not_negative(self, "context", "decoded", "weight_decay")
        if self.decoded > 1:
            raise ValueError(f"decoded must be a share, at most 1, found {self.decoded}")


@dataclass(frozen=True)
class SamplingConfig:
    """How codes are drawn.

    Attributes:
        temperature: Divides the logits.
        top_p: Codes are left out once those more probable than they sum to more than this.
        sound_offset: Where the sound of a step begins: ``frame_number``, at the row that has the
            number of the video frame, as in the official code (right only for one row per frame);
            ``aligned``, at the row of that frame.
        reencode: Decode and encode the last codes again before each step.
    """

    temperature: float = 0.7
    top_p: float = 0.9
    sound_offset: Literal["frame_number", "aligned"] | None = None
    reencode: bool | None = None

    def __post_init__(self) -> None:
        reading.require_positive(self, "temperature")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], found {self.top_p}")


@dataclass(frozen=True)
class TranvaeSettings:
    """Everything that shapes a TranVAE run, with nothing left open.

    Attributes:
        variant: ``official`` or ``fixed``.
        sound: Stream of the speaker's sound.
        sound_dim: Numbers in a row of it.
        sound_rate: Rows of it per video frame.
        speaker_space: ``native``, or ``zscored`` per session and role: of the speaker's motion and
            sound. Sound of wav2vec2 is z-scored always; its native values are not kept.
        smooth: Whether motion is smoothed over 5 frames first, as the official loader does.
        codebook: Stage 1.
        predictor: Stage 2.
        emotion: The emotion head, which is trained with stage 1.
        sampling: How codes are drawn.
        training: Settings of the training loop, which checks them itself.
    """

    variant: Literal["official", "fixed"]
    sound: Sound
    sound_dim: int
    sound_rate: int
    speaker_space: Space
    smooth: bool
    codebook: CodebookConfig
    predictor: PredictorConfig
    emotion: EmotionConfig
    sampling: SamplingConfig
    training: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """A mapping that ``read_settings`` turns back into the same settings (JSON-able)."""
        return {"type": "tranvae", **asdict(self)}


VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "official": {
        "codebook": {
            "tokens": "channel_blocks",
            "statistics": "sequences",
            "sequences": "fixed_batches",
            "restart": False,
            "schedule": "steps",
            "mask_invalid": False,
        },
        "predictor": {
            "past_layers": 1,
            "mask": "rows",
            "mask_draw": "batch",
            "start": "zeros",
            "statistics": "sequences",
            "sequences": "fixed_batches",
            "schedule": "steps",
            "mask_invalid": False,
        },
        "sampling": {"sound_offset": "frame_number", "reencode": True},
    },
    "fixed": {
        "codebook": {
            "tokens": "time_steps",
            "statistics": "plain",
            "sequences": "anywhere",
            "restart": True,
            "schedule": "share",
            "mask_invalid": True,
        },
        "predictor": {
            "past_layers": 0,
            "mask": "keys",
            "mask_draw": "item",
            "start": "hidden",
            "statistics": "plain",
            "sequences": "anywhere",
            "schedule": "share",
            "mask_invalid": True,
        },
        "sampling": {"sound_offset": "aligned", "reencode": False},
    },
}
"""What a variant means, setting by setting; a setting given explicitly wins over the variant."""

_SECTIONS = {
    "codebook": CodebookConfig,
    "predictor": PredictorConfig,
    "emotion": EmotionConfig,
    "sampling": SamplingConfig,
}


def read_settings(values: Mapping[str, Any], where: str = "tranvae") -> TranvaeSettings:
    """Settings of TranVAE from a mapping: its settings file with overrides merged in.

    Args:
        values: ``variant``, ``sound``, ``sound_dim``, ``sound_rate``, ``speaker_space``,
            ``smooth``, ``codebook``, ``predictor``, ``emotion``, ``sampling``, ``training``;
            whatever is left out has its official value, whatever is None follows the variant
            (or, of the sound, the stream).
        where: How the user finds these values, for errors.

    Raises:
        InputError: Unknown key, wrong type or value.
    """
    plain = ("type", "variant", "sound", "sound_dim", "sound_rate", "speaker_space", "smooth")
    reading.check_keys(values, (*plain, *_SECTIONS, "training"), where)
    variant = reading.choose(values, "variant", VARIANTS, where)
    reading.choose(values, "type", ("tranvae",), where)
    sound = reading.choose(values, "sound", get_args(Sound), where)
    sections = {
        name: reading.build(
            kind,
            reading.follow_variant(values.get(name), VARIANTS[variant].get(name, {})),
            f"{where}.{name}",
        )
        for name, kind in _SECTIONS.items()
    }
    return TranvaeSettings(
        variant=variant,
        sound=sound,
        sound_dim=_count(values, "sound_dim", SOUND_SHAPES[sound][0], where),
        sound_rate=_count(values, "sound_rate", SOUND_SHAPES[sound][1], where),
        speaker_space=reading.choose(values, "speaker_space", get_args(Space), where),
        smooth=_flag(values, "smooth", where),
        **sections,
        training=reading.loop_section(values, where),
    )


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """What a stage, or sampling, reads."""
    listener = ("faceverse", "native")
    if part == "codebook":
        return StageInputs({"motion": listener, "emotion": ("graphau", "native")})
    space, sound = settings["speaker_space"], settings["sound"]
    speaker = {
        "speaker": ("faceverse", space),
        "sound": (sound, "zscored" if sound == "wav2vec2" else space),
    }
    by_part = {"predictor": {"motion": listener, **speaker}, SAMPLING: speaker}
    return StageInputs(by_part[part])


def official_problem(settings: Mapping[str, Any]) -> str | None:
    """What keeps official weights from being used with these settings."""
    wanted = {("codebook", "tokens"), ("predictor", "past_layers")}
    wrong = [
        f"{section}.{name} is {settings[section][name]!r} (official: {official!r})"
        for section, name in sorted(wanted)
        if settings[section][name] != (official := VARIANTS["official"][section][name])
    ]
    if not wrong:
        return None
    return f"official weights do not go with these settings: {', '.join(wrong)}"


def _count(values: Mapping[str, Any], key: str, default: int, where: str) -> int:
    value = default if values.get(key) is None else values[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{where}.{key}: expected a positive whole number, found {value!r}")
    return value


def _flag(values: Mapping[str, Any], key: str, where: str) -> bool:
    value = True if values.get(key) is None else values[key]
    if not isinstance(value, bool):
        raise InputError(f"{where}.{key}: expected true or false, found {value!r}")
    return value


def _check_schedule(config: CodebookConfig | PredictorConfig) -> None:
    reading.require_positive(config, "warmup_steps", "peak_rate")
    if not 0 < config.warmup_share <= 1:
        raise ValueError(f"warmup_share must lie in (0, 1], found {config.warmup_share}")


MODEL = ModelType(
    name="tranvae",
    title="TranVAE",
    stages=(
        Stage(
            name="codebook",
            title="codebook of listener motion",
            task="react24.models.learning2listen.tasks:codebook_task",
            sections=("codebook", "emotion", "smooth", "training"),
        ),
        Stage(
            name="predictor",
            title="predictor of codes",
            task="react24.models.learning2listen.tasks:predictor_task",
            needs=("codebook",),
            sections=(
                "codebook", "predictor", "emotion", "sound", "sound_dim", "sound_rate",
                "speaker_space", "smooth", "training",
            ),
        ),
    ),
    outputs=("emotion", "coefficients"),
    settings="react24.models.learning2listen.settings:read_settings",
    inputs="react24.models.learning2listen.settings:stage_inputs",
    load="react24.models.learning2listen.sampling:load",
    convert=Conversion(
        function="react24.models.learning2listen.official:convert",
        files={
            "codebook": "checkpoint of stage 1, officially l2_32_smoothSS_er2er_best.pth",
            "predictor": "checkpoint of stage 2, officially delta_v6_er2er_best.pth",
            "codebook_statistics": "l2_32_smoothSS_er2er_preprocess_core.npz, of stage 1",
            "predictor_statistics": "delta_v6_er2er_preprocess_core.npz, of stage 2",
        },
        check="react24.models.learning2listen.settings:official_problem",
        fitted_on="codebook",
    ),
    card="docs/models/tranvae.md",
)  # fmt: skip
