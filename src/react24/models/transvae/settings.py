"""Settings of Trans-VAE: the official values, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. Source of the
values: the Trans-VAE baseline of REACT 2024 (the commands of its README and the defaults of its
code); see ``docs/models/transvae.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.contracts.model_settings import Dropout, ModelSettings, Space, by_variant
from react24.contracts.settings import SettingsModel
from react24.conventions import COEFFICIENT_DIM, EMOTION_DIM, SHAPE_DIM

AUDIO_DIM = 78
LONGEST = 5000
"""Frames for which there are position codes."""

SMALLEST_PICTURE = 5
"""Pixels; of a smaller picture nothing is left after the pooling."""

VARIANTS = by_variant(
    {
        "transvae": {
            "evaluation_window": (8, None),  # that of training
            "speaker_positions": (False, True),  # nothing else tells the frames apart
            "norm_statistics": ("prefix", "running"),  # work grows with the clip, not its square
            "fill_last_window": (False, True),  # officially the last frames are zeros
            "coefficient_units": ("centred", "standardised"),  # each counts the same
            "error_units": ("native", "variance"),  # weights mean the same on any corpus
            "weight_pose": (10.0, 1.0),  # in shares of the variance the pose needs no help
            "diversity": ("clip", "spread"),  # the official term vanishes with the clip's length
            "validate_diversity": (False, True),  # without it those are kept that vary least
            "mask_invalid": (False, True),  # held values are no targets
        }
    }
)
"""Switch: (official, fixed), and why; one that is given explicitly wins over the variant."""


class TransVAEConfig(SettingsModel):
    """The one stage of Trans-VAE."""

    online: bool = False
    """Write the reaction window by window, seeing the speaker up to the end of the window and one's
    own past; else all of a clip at once."""
    window: PositiveInt = 16
    """Frames of a window in online training."""
    evaluation_window: PositiveInt | None = None
    """Frames of a window in validation and sampling."""
    clip_length: int = Field(256, ge=1, le=LONGEST)
    """Frames of a training example, cut from a clip at a random place."""
    frame_size: int = Field(224, ge=SMALLEST_PICTURE)
    """Pixels of the speaker's pictures, height and width."""
    audio_dim: PositiveInt = AUDIO_DIM
    """Channels of the speaker's sound."""
    emotion_dim: PositiveInt = EMOTION_DIM
    """Channels of the listener's behaviour (15 AUs, valence, arousal, 8 expressions)."""
    coefficient_dim: int = Field(COEFFICIENT_DIM, gt=SHAPE_DIM)
    """The listener's 3DMM coefficients."""
    width: PositiveInt = 128
    """Of all features."""
    heads: PositiveInt = 4
    """Of each attention."""
    feed_forward: PositiveInt = 256
    """Hidden size of the transformer layers."""
    dropout: Dropout = 0.1
    """In the transformer layers."""
    speaker_positions: bool | None = None
    """Tell the latent encoder which frame is which; None follows the variant. Without it the order
    of the speaker's frames does not matter."""
    norm_statistics: Literal["prefix", "running"] | None = None
    """Online, what the picture features of a frame are normalised by: ``prefix``: all frames up to
    the end of the window that is being written, so that all features are computed anew for every
    window; ``running``: all frames up to the end of the window the frame lies in, so that each is
    computed once."""
    fill_last_window: bool | None = None
    """Online, also write the frames after the last whole window, which are zeros otherwise."""
    coefficient_units: Literal["centred", "standardised"] | None = None
    """``centred``: 3DMM coefficients minus their mean; ``standardised``: also divided by their
    standard deviation."""
    error_units: Literal["native", "variance"] | None = None
    """``native``: squared errors as they are; ``variance``: as shares of the variance of what is
    predicted, over the training split."""
    weight_emotion: NonNegativeFloat = 1.0
    """Weight of the mean squared error of the behaviour."""
    weight_expression: NonNegativeFloat = 1.0
    """Of the 52 expression coefficients."""
    weight_pose: NonNegativeFloat | None = None
    """Of the 6 coefficients of the pose."""
    weight_kld: NonNegativeFloat = 1e-5
    """Weight of the KL divergence (mean over clips, windows and dimensions)."""
    weight_diversity: NonNegativeFloat = 10.0
    """Weight of the diversity term."""
    diversity: Literal["clip", "spread"] | None = None
    """What two reactions to the same speaker are pushed to: ``clip``: to be apart at all, by
    exp(-squared distance over the clip / 100); ``spread``: to differ as much as two frames of the
    training split do, by what is missing from that."""
    validate_diversity: bool | None = None
    """Whether the loss of the validation, by which weights are picked, has this term too."""
    mask_invalid: bool | None = None
    """Leave frames whose target is invalid out of the squared errors."""
    epochs: PositiveInt = 50
    """Passes over the training clips, each direction once a pass."""
    batch_size: PositiveInt = 4
    """Training examples per step."""
    learning_rate: PositiveFloat = 1e-5
    """Of AdamW, constant."""
    weight_decay: NonNegativeFloat = 5e-4
    """Of AdamW."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.width % 8 or self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of 8 and of heads ({self.heads}), found {self.width}"
            )
        longest = max(self.window, self.evaluation_window or 0)
        if self.online and longest > self.clip_length:
            raise ValueError(f"a window ({longest}) must fit into clip_length ({self.clip_length})")
        return self


class TransVAESettings(ModelSettings):
    """Settings of Trans-VAE, which has one stage."""

    VARIANTS: ClassVar = VARIANTS

    type: Literal["transvae"] = "transvae"
    """Its name in the table of models."""
    speaker_space: Space = "native"
    """``native``: the speaker's cepstra as they are; ``zscored``: z-scored per session and role."""
    transvae: TransVAEConfig = TransVAEConfig()
    """The one stage."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training loop, which checks them itself."""

    @classmethod
    def follow(cls, values: dict[str, Any]) -> None:
        """Reactions are written in the windows of training."""
        window = TransVAEConfig.model_fields["window"].default
        values["transvae"].setdefault("evaluation_window", values["transvae"].get("window", window))


read_settings = TransVAESettings.read


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """What the stage, or sampling, reads: the speaker's pictures and sound, the listener."""
    clips = {"mfcc": ("mfcc", settings["speaker_space"])}
    if part != SAMPLING:
        clips |= {"emotion": ("graphau", "native"), "face": ("faceverse", "native")}
    return StageInputs(clips, frames=True, frame_size=settings["transvae"]["frame_size"])


def official_problem(settings: Mapping[str, Any]) -> str | None:
    """What keeps official weights from being used with these settings."""
    config, official = settings["transvae"], VARIANTS["official"]["transvae"]
    names = ["speaker_positions", "coefficient_units"]
    names += ["norm_statistics"] if config["online"] else []
    wrong = [
        f"transvae.{name} is {config[name]!r}, not {official[name]!r}"
        for name in names
        if config[name] != official[name]
    ]
    if not wrong:
        return None
    return f"{'; '.join(wrong)}, as official weights were trained; set variant: official"


MODEL = ModelType(
    name="transvae",
    title="Trans-VAE",
    stages=(
        Stage(
            name="transvae",
            title="transformer VAE of reactions",
            task="react24.models.transvae.tasks:transvae_task",
        ),
    ),
    outputs=("emotion", "coefficients"),
    settings="react24.models.transvae.settings:TransVAESettings",
    inputs="react24.models.transvae.settings:stage_inputs",
    load="react24.models.transvae.network:load",
    convert=Conversion(
        function="react24.models.transvae.official:convert",
        files={"transvae": "officially best_checkpoint.pth, offline or online as the settings are"},
        optional={
            "mean_face": "the 58 mean coefficients that official coefficients are relative to"
        },
        check="react24.models.transvae.settings:official_problem",
    ),
    card="docs/models/transvae.md",
    presets={
        "official": {"training": {"validate_every": 10, "keep_best": "loss"}},
        # It looks at the pictures in training, which is what takes the time: smaller ones, and
        # fewer epochs at a higher rate.
        "quick": {"transvae": {"frame_size": 64, "epochs": 10, "learning_rate": 1e-4}},
    },
)
