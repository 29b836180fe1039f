"""Settings of TranVAE: both stages, the emotion head, sampling, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. TranVAE is the
method of Learning2Listen (Ng et al., CVPR 2022) on the streams of REACT 2024; the values are those
of its official code. See ``docs/models/tranvae.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from react24 import streams
from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.contracts.model_settings import ModelSettings, Share, Space, by_variant
from react24.contracts.settings import SettingsModel

_BOTH_STAGES = {
    "statistics": ("sequences", "plain"),  # the official unit is no standard deviation of the data
    "sequences": ("fixed_batches", "anywhere"),  # more windows from the same clips
    "schedule": ("steps", "share"),  # a small corpus never sees 100,000 steps
    "mask_invalid": (False, True),  # held values are no motion
}
VARIANTS = by_variant(
    {
        "codebook": {
            "tokens": ("channel_blocks", "time_steps"),  # mends a transposed array
            "restart": (False, True),  # a code that is never chosen is never trained
            **_BOTH_STAGES,
        },
        "predictor": {
            "past_layers": (1, 0),  # they never run
            "mask": ("rows", "keys"),  # the official one hides along the wrong axis
            "mask_draw": ("batch", "item"),  # mends a loop that reuses its first draw
            "start": ("zeros", "hidden"),  # else all begin with a second of the mean face
            **_BOTH_STAGES,
        },
        "sampling": {
            "sound_offset": ("frame_number", "aligned"),  # else four rows a frame run slowly
            "reencode": (True, False),  # codes drift from what was drawn
        },
    }
)
"""Switch: (official, fixed), and why; one that is given explicitly wins over the variant."""


class _StageConfig(SettingsModel):
    """What both stages have: transformers of a width, and how they are trained."""

    hidden: PositiveInt
    heads: PositiveInt
    statistics: Literal["sequences", "plain"] | None = None
    """Unit of a column of what is read: ``sequences``, the standard deviation over sequences of the
    standard deviation within a sequence; ``plain``, the standard deviation."""
    sequences: Literal["fixed_batches", "anywhere"] | None = None
    """Where the 64-frame sequences lie that training cuts: ``fixed_batches``, one after the other
    from frame 0, in batches that stay together; ``anywhere``."""
    schedule: Literal["steps", "share"] | None = None
    """``steps``: ``learning_rate * hidden**-0.5 * min(n**-0.5, n * warmup_steps**-1.5)`` at step n;
    ``share``: the same curve with its peak ``peak_rate`` after ``warmup_share`` of all steps."""
    warmup_steps: PositiveInt = 100_000
    """Of ``steps``."""
    peak_rate: PositiveFloat = 4e-4
    """Of ``share``."""
    warmup_share: Share = 0.1
    """Of ``share``."""
    epochs: PositiveInt = 100
    """Passes over the training windows, or sequences."""
    batch_size: PositiveInt = 32
    """Windows, or sequences, per step."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}")
        return self


class CodebookConfig(_StageConfig):
    """Stage 1, the VQ-VAE of 32-frame windows of listener motion."""

    parts: tuple[PositiveInt, ...] = Field((52, 3, 3), min_length=1)
    """Columns of a frame, in groups that weigh the same in the loss: expression, rotation,
    translation of the 3DMM (official: 50 expression, 3 rotation, 3 jaw)."""
    window: PositiveInt = 32
    """Frames of a window."""
    squeeze: PositiveInt = 3
    """Halvings in time; a window becomes ``window / 2**squeeze`` tokens."""
    hidden: PositiveInt = 256
    """Width of both transformers and of a code."""
    layers: PositiveInt = 12
    """Blocks of each."""
    heads: PositiveInt = 8
    """Attention heads."""
    mlp: PositiveInt = 384
    """Hidden size of the blocks' MLPs."""
    codes: PositiveInt = 200
    """Codes of the codebook."""
    commitment: NonNegativeFloat = 0.25
    """Weight of the encoder's part of the quantiser's loss."""
    tokens: Literal["channel_blocks", "time_steps"] | None = None
    """``channel_blocks``: a token is a block of channels over the whole window, as in the official
    code; ``time_steps``: a token is a time step of ``2**squeeze`` frames. None follows the variant,
    as in the other settings that can be None."""
    restart: bool | None = None
    """Place codes that an epoch did not use on encoded windows."""
    mask_invalid: bool | None = None
    """Leave frames that are invalid out of the loss and the units, and windows that are mostly so
    out of everything, the emotion head's training as well."""
    learning_rate: PositiveFloat = 2.0
    """Factor of ``steps``; not a learning rate itself."""
    weight_decay: NonNegativeFloat = 0.01
    """Of AdamW."""

    @model_validator(mode="after")
    def _tokens_fit(self) -> Self:
        if self.window % 2**self.squeeze:
            raise ValueError(f"a window of {self.window} cannot be halved {self.squeeze} times")
        if self.tokens == "channel_blocks" and self.hidden % self.tokens_per_window:
            raise ValueError(
                f"tokens: channel_blocks cuts hidden {self.hidden} into {self.tokens_per_window} "
                "blocks; make it a multiple of that"
            )
        return self

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


class PredictorConfig(_StageConfig):
    """Stage 2, the classifier of the listener's next codes."""

    hidden: PositiveInt = 200
    """Width of the listener's side; the speaker's side has twice that."""
    layers: PositiveInt = 5
    """Blocks over listener and speaker together."""
    cross_layers: PositiveInt = 2
    """Cross-modal blocks over the speaker's sound and motion."""
    past_layers: NonNegativeInt | None = None
    """Blocks over the listener's past alone. They are part of official checkpoints and take no part
    in any result; 0 leaves them out."""
    heads: PositiveInt = 10
    """Attention heads."""
    mlp: PositiveInt = 128
    """Hidden size of the blocks' MLPs."""
    mask: Literal["rows", "keys"] | None = None
    """What hides listener codes: ``rows`` cuts the rows of the hidden codes out of the attention
    among listener codes, as in the official code; ``keys`` lets nothing attend to hidden codes."""
    mask_draw: Literal["batch", "item"] | None = None
    """How many codes are hidden is drawn once per ``batch`` or per ``item``."""
    start: Literal["zeros", "hidden"] | None = None
    """What comes before the first prediction: ``zeros``: one window of the mean face, which is also
    what the reaction begins with; ``hidden``: nothing, the first prediction is for frame 0 (the
    speaker's first frame stands in for what came before it)."""
    mask_invalid: bool | None = None
    """Leave windows of the listener that are mostly invalid out of the loss, and invalid frames out
    of the units of the speaker's motion and sound."""
    learning_rate: PositiveFloat = 0.01
    """Factor of ``steps``; not a learning rate itself."""


class EmotionConfig(SettingsModel):
    """The head that reads the 25-D behaviour off 3DMM motion; no part of the official method."""

    hidden: PositiveInt = 128
    """Size of its two hidden layers."""
    context: NonNegativeInt = 2
    """Frames before and after a frame that it sees."""
    decoded: float = Field(0.5, ge=0, le=1)
    """Share of its training windows that are taken as the codebook writes them, which is what it
    sees in sampling; the rest is real motion."""
    steps: PositiveInt = 1000
    """Steps of its training, after that of the codebook."""
    batch_size: PositiveInt = 32
    """Windows per step."""
    learning_rate: PositiveFloat = 2e-3
    """Of AdamW at the start; falls to 0 along a cosine."""
    weight_decay: NonNegativeFloat = 1e-3
    """Of AdamW."""


class SamplingConfig(SettingsModel):
    """How codes are drawn."""

    temperature: PositiveFloat = 0.7
    """Divides the logits."""
    top_p: Share = 0.9
    """Codes are left out once those more probable than they sum to more than this."""
    sound_offset: Literal["frame_number", "aligned"] | None = None
    """Where the sound of a step begins: ``frame_number``, at the row that has the number of the
    video frame, as in the official code (right only for one row per frame); ``aligned``, at the row
    of that frame."""
    reencode: bool | None = None
    """Decode and encode the last codes again before each step."""


class TranvaeSettings(ModelSettings):
    """Settings of TranVAE: both stages, the emotion head, sampling."""

    VARIANTS: ClassVar = VARIANTS

    type: Literal["tranvae"] = "tranvae"
    """Its name in the table of models."""
    sound: Literal["vggish", "wav2vec2", "logmel"] = "vggish"
    """Stream of the speaker's sound."""
    sound_dim: PositiveInt | None = None
    """Numbers in a row of it; follows ``sound``."""
    sound_rate: PositiveInt | None = None
    """Rows of it per video frame; follows ``sound``."""
    speaker_space: Space = "native"
    """``native``, or ``zscored`` per session and role: of the speaker's motion and sound. Sound of
    wav2vec2 is z-scored always; its native values are not kept."""
    smooth: bool = True
    """Whether motion is smoothed over 5 frames first, as the official loader does."""
    codebook: CodebookConfig = CodebookConfig()
    """Stage 1."""
    predictor: PredictorConfig = PredictorConfig()
    """Stage 2."""
    emotion: EmotionConfig = EmotionConfig()
    """The emotion head, which is trained with stage 1."""
    sampling: SamplingConfig = SamplingConfig()
    """How codes are drawn."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training loop, which checks them itself."""

    @classmethod
    def follow(cls, values: dict[str, Any]) -> None:
        """The stream of the sound says how its rows look."""
        if stream := streams.STREAMS.get(str(values.get("sound", "vggish"))):
            values.setdefault("sound_dim", stream.width // stream.rows)
            values.setdefault("sound_rate", stream.rows)


read_settings = TranvaeSettings.read


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """What a stage, or sampling, reads."""
    listener = ("faceverse", "native")
    if part == "codebook":
        return StageInputs({"motion": listener, "emotion": ("graphau", "native")})
    space, sound = settings["speaker_space"], settings["sound"]
    speaker = {
        "speaker": ("faceverse", space),
        "sound": (sound, space if streams.get(sound).keep_native else "zscored"),
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
    settings="react24.models.learning2listen.settings:TranvaeSettings",
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
    presets={
        "official": {"training": {"validate_every": 1, "keep_best": "loss"}},
        # Smaller networks, fewer epochs at higher rates, smaller batches; the last weights are
        # kept, whatever the validation says.
        "quick": {
            "codebook": {
                "codes": 64, "hidden": 128, "layers": 2, "mlp": 256,
                "epochs": 40, "batch_size": 16, "peak_rate": 1e-3,
            },
            "emotion": {"steps": 400, "decoded": 0.0},
            "predictor": {
                "hidden": 100, "layers": 2, "cross_layers": 1,
                "epochs": 60, "batch_size": 16, "peak_rate": 1e-3,
            },
            "training": {"keep_best": None},
        },
    },
)  # fmt: skip
