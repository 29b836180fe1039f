"""Settings of Trans-VAE: the official values, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. Source of the
values: the Trans-VAE baseline of REACT 2024 (the commands of its README and the defaults of its
code); see ``docs/models/transvae.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from react24.contracts import settings as reading
from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.conventions import COEFFICIENT_DIM, EMOTION_DIM, SHAPE_DIM

Space = Literal["native", "zscored"]
Statistics = Literal["prefix", "running"]
Units = Literal["centred", "standardised"]
Errors = Literal["native", "variance"]
Diversity = Literal["clip", "spread"]

AUDIO_DIM = 78
LONGEST = 5000
"""Frames for which there are position codes."""

SMALLEST_PICTURE = 5
"""Pixels; of a smaller picture nothing is left after the pooling."""


@dataclass(frozen=True)
class TransVAEConfig:
    """The one stage of Trans-VAE.

    Attributes:
        online: Write the reaction window by window, seeing the speaker up to the end of the
            window and one's own past; else all of a clip at once.
        window: Frames of a window in online training.
        evaluation_window: Frames of a window in validation and sampling; None follows the variant:
            8, or ``window``.
        clip_length: Frames of a training example, cut from a clip at a random place.
        frame_size: Pixels of the speaker's pictures, height and width.
        audio_dim: Channels of the speaker's sound.
        emotion_dim: Channels of the listener's behaviour (15 AUs, valence, arousal, 8
            expressions).
        coefficient_dim: The listener's 3DMM coefficients.
        width: Of all features.
        heads: Of each attention.
        feed_forward: Hidden size of the transformer layers.
        dropout: In the transformer layers.
        speaker_positions: Tell the latent encoder which frame is which; None follows the variant.
            Without it the order of the speaker's frames does not matter.
        norm_statistics: Online, what the picture features of a frame are normalised by:
            ``prefix``: all frames up to the end of the window that is being written, so that all
            features are computed anew for every window; ``running``: all frames up to the end of
            the window the frame lies in, so that each is computed once. None follows the variant.
        fill_last_window: Online, also write the frames after the last whole window, which are
            zeros otherwise; None follows the variant.
        coefficient_units: ``centred``: 3DMM coefficients minus their mean; ``standardised``: also
            divided by their standard deviation; None follows the variant.
        error_units: ``native``: squared errors as they are; ``variance``: as shares of the variance
            of what is predicted, over the training split. None follows the variant.
        weight_emotion: Weight of the mean squared error of the behaviour.
        weight_expression: Of the 52 expression coefficients.
        weight_pose: Of the 6 coefficients of the pose; None follows the variant.
        weight_kld: Weight of the KL divergence (mean over clips, windows and dimensions).
        weight_diversity: Weight of the diversity term.
        diversity: What two reactions to the same speaker are pushed to: ``clip``: to be apart at
            all, by exp(-squared distance over the clip / 100); ``spread``: to differ as much as
            two frames of the training split do, by what is missing from that. None follows the
            variant.
        validate_diversity: Whether the loss of the validation, by which weights are picked, has the
            diversity term too; None follows the variant.
        mask_invalid: Leave frames whose target is invalid out of the squared errors; None follows
            the variant.
        epochs: Passes over the training clips, each direction once a pass.
        batch_size: Training examples per step.
        learning_rate: Of AdamW, constant.
        weight_decay: Of AdamW.
    """

    online: bool = False
    window: int = 16
    evaluation_window: int | None = None
    clip_length: int = 256
    frame_size: int = 224
    audio_dim: int = AUDIO_DIM
    emotion_dim: int = EMOTION_DIM
    coefficient_dim: int = COEFFICIENT_DIM
    width: int = 128
    heads: int = 4
    feed_forward: int = 256
    dropout: float = 0.1
    speaker_positions: bool | None = None
    norm_statistics: Statistics | None = None
    fill_last_window: bool | None = None
    coefficient_units: Units | None = None
    error_units: Errors | None = None
    weight_emotion: float = 1.0
    weight_expression: float = 1.0
    weight_pose: float | None = None
    weight_kld: float = 1e-5
    weight_diversity: float = 10.0
    diversity: Diversity | None = None
    validate_diversity: bool | None = None
    mask_invalid: bool | None = None
    epochs: int = 50
    batch_size: int = 4
    learning_rate: float = 1e-5
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        reading.require_positive(
            self, "window", "clip_length", "audio_dim", "emotion_dim", "width", "heads",
            "feed_forward", "epochs", "batch_size", "learning_rate",
        )  # fmt: skip
        reading.require_not_negative(
            self,
            "weight_emotion",
            "weight_expression",
            "weight_kld",
            "weight_diversity",
            "weight_decay",
        )
        if self.weight_pose is not None:
            reading.require_not_negative(self, "weight_pose")
        if self.evaluation_window is not None:
            reading.require_positive(self, "evaluation_window")
        if self.coefficient_dim <= SHAPE_DIM:
            raise ValueError(
                f"coefficient_dim must be more than the {SHAPE_DIM} of the expression, found "
                f"{self.coefficient_dim}"
            )
        if self.width % 8 or self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of 8 and of heads ({self.heads}), found {self.width}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), found {self.dropout}")
        if self.frame_size < SMALLEST_PICTURE:
            raise ValueError(
                f"frame_size must be at least {SMALLEST_PICTURE}, found {self.frame_size}"
            )
        if self.clip_length > LONGEST:
            raise ValueError(f"clip_length must be at most {LONGEST}, found {self.clip_length}")
        longest = max(self.window, self.evaluation_window or 0)
        if self.online and longest > self.clip_length:
            raise ValueError(f"a window ({longest}) must fit into clip_length ({self.clip_length})")


@dataclass(frozen=True)
class TransVAESettings:
    """Everything that shapes a Trans-VAE run, with nothing left open.

    Attributes:
        variant: ``official`` or ``fixed``.
        speaker_space: ``native``: the speaker's cepstra as they are; ``zscored``: z-scored per
            session and role.
        transvae: The one stage.
        training: Settings of the training loop, which checks them itself.
    """

    variant: Literal["official", "fixed"]
    speaker_space: Space
    transvae: TransVAEConfig
    training: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """A mapping that ``read_settings`` turns back into the same settings (JSON-able)."""
        return {"type": "transvae", **asdict(self)}


VARIANTS: dict[str, dict[str, Any]] = {
    "official": {
        "evaluation_window": 8,
        "speaker_positions": False,
        "norm_statistics": "prefix",
        "fill_last_window": False,
        "coefficient_units": "centred",
        "error_units": "native",
        "weight_pose": 10.0,
        "diversity": "clip",
        "validate_diversity": False,
        "mask_invalid": False,
    },
    "fixed": {
        "speaker_positions": True,
        "norm_statistics": "running",
        "fill_last_window": True,
        "coefficient_units": "standardised",
        "error_units": "variance",
        "weight_pose": 1.0,
        "diversity": "spread",
        "validate_diversity": True,
        "mask_invalid": True,
    },
}
"""What a variant means, setting by setting; a setting given explicitly wins over the variant.

In ``fixed``, ``evaluation_window`` is ``window``.
"""


def read_settings(values: Mapping[str, Any], where: str = "transvae") -> TransVAESettings:
    """Settings of Trans-VAE from a mapping: its settings file with overrides merged in.

    Args:
        values: ``variant``, ``speaker_space``, ``transvae``, ``training``; whatever is left out has
            its official value, whatever is None follows the variant.
        where: How the user finds these values, for errors.

    Raises:
        InputError: Unknown key, wrong type or value.
    """
    known = ("type", "variant", "speaker_space", "transvae", "training")
    reading.check_keys(values, known, where)
    reading.choose(values, "type", ("transvae",), where)
    variant = reading.choose(values, "variant", VARIANTS, where)
    space = reading.choose(values, "speaker_space", ("native", "zscored"), where)
    training = reading.loop_section(values, where)
    section = values.get("transvae")
    given = reading.build(TransVAEConfig, section or {}, f"{where}.transvae")
    defaults = {"evaluation_window": given.window, **VARIANTS[variant]}
    config = reading.build(
        TransVAEConfig, reading.follow_variant(section, defaults), f"{where}.transvae"
    )
    return TransVAESettings(variant, space, config, training)


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """What the stage, or sampling, reads: the speaker's pictures and sound, the listener."""
    clips = {"mfcc": ("mfcc", settings["speaker_space"])}
    if part != SAMPLING:
        clips |= {"emotion": ("graphau", "native"), "face": ("faceverse", "native")}
    return StageInputs(clips, frames=True, frame_size=settings["transvae"]["frame_size"])


def official_problem(settings: Mapping[str, Any]) -> str | None:
    """What keeps official weights from being used with these settings."""
    config = settings["transvae"]
    names = ["speaker_positions", "coefficient_units"]
    names += ["norm_statistics"] if config["online"] else []
    wrong = [
        f"transvae.{name} is {config[name]!r}, not {VARIANTS['official'][name]!r}"
        for name in names
        if config[name] != VARIANTS["official"][name]
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
    settings="react24.models.transvae.settings:read_settings",
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
)
