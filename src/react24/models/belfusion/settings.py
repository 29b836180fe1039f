"""Settings of BeLFusion: both stages, the official values, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. Source of the
values: the BeLFusion baseline of REACT 2024 (its two configuration files and the defaults of its
code); see ``docs/models/belfusion.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.contracts.model_settings import ModelSettings, Space, by_variant
from react24.contracts.settings import SettingsModel
from react24.conventions import COEFFICIENT_DIM, EMOTION_DIM

VARIANTS = by_variant(
    {
        "vae": {
            "coefficient_target": ("zero", "standardised"),  # zeros teach the mean face
            "code": ("state", "mean"),  # the decoder was trained on draws around the mean
            "mask_invalid": (False, True),  # held values are no targets
        },
        "ldm": {
            "window_start": ("first_window", "whole_clip"),  # officially 99 of 750 frames are seen
            "discard_draws": (True, False),  # they have no effect
            "mask_invalid": (False, True),
        },
    }
)
"""Switch: (official, fixed), and why; one that is given explicitly wins over the variant."""


class VAEConfig(SettingsModel):
    """Stage 1, the recurrent VAE of 50-frame windows."""

    emotion_dim: PositiveInt = EMOTION_DIM
    """Channels of a behaviour (15 AUs, valence, arousal, 8 expressions)."""
    coefficient_dim: PositiveInt = COEFFICIENT_DIM
    """3DMM coefficients predicted beside it."""
    window: PositiveInt = 50
    """Frames of a window."""
    hidden: PositiveInt = 128
    """State of both GRUs. The code of ``variant: official`` is an encoder state fed to the
    decoder's input layer, so ``hidden`` and ``latent`` must agree."""
    latent: PositiveInt = 128
    """Size of the code."""
    read_out: tuple[PositiveInt, ...] = Field((64, 64), min_length=1)
    """Hidden sizes of the decoder's output layers."""
    coefficient_hidden: PositiveInt = 128
    """Hidden size of the 3DMM head."""
    weight_emotion: NonNegativeFloat = 1.0
    """Weight of the mean squared error of the behaviour."""
    weight_kld: NonNegativeFloat = 1e-5
    """Weight of the KL divergence (summed over windows and dimensions, per clip)."""
    weight_coefficients: NonNegativeFloat = 1.0
    """Weight of the mean squared error of the 3DMM coefficients."""
    coefficient_target: Literal["zero", "standardised"] | None = None
    """``zero`` (as the official run, whose loader gave zeros) or ``standardised``."""
    code: Literal["state", "mean"] | None = None
    """What stage 2 works on: ``state``, the encoder's last state, or ``mean``, the posterior mean,
    which is what the decoder was trained for."""
    mask_invalid: bool | None = None
    """Leave frames whose target is invalid out of the loss, and windows that are mostly invalid out
    of everything."""
    epochs: PositiveInt = 1000
    """Passes over the training clips."""
    batch_size: PositiveInt = 32
    """Clips per step."""
    learning_rate: PositiveFloat = 1e-3
    """Of AdamW, constant."""
    weight_decay: NonNegativeFloat = 5e-4
    """Of AdamW."""

    @model_validator(mode="after")
    def _code_fits_the_decoder(self) -> Self:
        if self.code != "mean" and self.hidden != self.latent:
            raise ValueError(
                f"code: state feeds the encoder state ({self.hidden}) to a decoder that takes "
                f"{self.latent}; make hidden and latent equal or choose code: mean"
            )
        return self


class LDMConfig(SettingsModel):
    """Stage 2, the latent diffusion of listener codes given speaker codes."""

    latent: PositiveInt = 128
    """Size of a code; that of stage 1."""
    window: PositiveInt = 50
    """Frames of a window; that of stage 1."""
    steps: PositiveInt = 10
    """Diffusion steps, in training and in sampling."""
    draws: PositiveInt = 10
    """Noise draws per clip and step of training (k); the best one counts."""
    hidden: PositiveInt = 1024
    """Width of the MLP."""
    layers: int = Field(10, ge=2)
    """Layers of the MLP, the last one included."""
    time_channels: int = Field(64, ge=2, multiple_of=2)
    """Sines and cosines of the time step."""
    online: bool = False
    """The condition is the speaker window before the one that is predicted."""
    window_start: Literal["first_window", "whole_clip"] | None = None
    """``first_window``: one start per batch, from the clip's first ``window`` frames;
    ``whole_clip``: a start per clip, anywhere."""
    weight_code: NonNegativeFloat = 10.0
    """Weight of the absolute error of the code."""
    weight_emotion: NonNegativeFloat = 10.0
    """Weight of the squared error of the decoded behaviour."""
    discard_draws: bool | None = None
    """Draw (and throw away) a noise tensor at every sampling step, as the official sampler does
    with eta = 0, so that its random stream is followed."""
    mask_invalid: bool | None = None
    """Leave out listener windows that are mostly invalid."""
    epochs: PositiveInt = 100
    """Passes over the training clips."""
    batch_size: PositiveInt = 32
    """Clips per step."""
    learning_rate: PositiveFloat = 1e-4
    """Of AdamW, constant."""
    weight_decay: NonNegativeFloat = 5e-4
    """Of AdamW."""


class BelfusionSettings(ModelSettings):
    """Settings of BeLFusion: both stages."""

    VARIANTS: ClassVar = VARIANTS

    type: Literal["belfusion"] = "belfusion"
    """Its name in the table of models."""
    speaker_space: Space = "native"
    """``native``: the speaker's behaviour in its own units, as the encoder saw it in stage 1;
    ``zscored``: z-scored per session and role."""
    vae: VAEConfig = VAEConfig()
    """Stage 1."""
    ldm: LDMConfig = LDMConfig()
    """Stage 2."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training loop, which checks them itself."""

    @classmethod
    def follow(cls, values: dict[str, Any]) -> None:
        """Stage 2 has the codes and windows of stage 1."""
        for name in {"latent", "window"} & values["vae"].keys():
            values["ldm"].setdefault(name, values["vae"][name])

    @model_validator(mode="after")
    def _stages_fit(self) -> Self:
        for name in ("latent", "window"):
            one, two = getattr(self.vae, name), getattr(self.ldm, name)
            if one != two:
                raise ValueError(f"vae.{name} is {one}, ldm.{name} is {two}; they must be equal")
        return self


read_settings = BelfusionSettings.read


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """What a stage, or sampling, reads."""
    speaker = ("graphau", settings["speaker_space"])
    listener = ("graphau", "native")
    by_part = {
        "vae": {"emotion": listener, "face": ("faceverse", "native")},
        "ldm": {"emotion": listener, "speaker": speaker},
        SAMPLING: {"speaker": speaker},
    }
    return StageInputs(by_part[part])


def official_problem(settings: Mapping[str, Any]) -> str | None:
    """What keeps official weights from being used with these settings."""
    code = settings["vae"]["code"]
    if code == "state":
        return None
    return (
        f"vae.code is {code!r}, but official weights of both stages work on the encoder's state; "
        "set variant: official"
    )


MODEL = ModelType(
    name="belfusion",
    title="BeLFusion",
    stages=(
        Stage(
            name="vae",
            title="VAE of 50-frame windows",
            task="react24.models.belfusion.tasks:vae_task",
            sections=("vae", "training"),
        ),
        Stage(
            name="ldm",
            title="latent diffusion",
            task="react24.models.belfusion.tasks:ldm_task",
            needs=("vae",),
        ),
    ),
    outputs=("emotion", "coefficients"),
    settings="react24.models.belfusion.settings:BelfusionSettings",
    inputs="react24.models.belfusion.settings:stage_inputs",
    load="react24.models.belfusion.diffusion:load",
    convert=Conversion(
        function="react24.models.belfusion.official:convert",
        files={
            "vae": "checkpoint of stage 1, officially checkpoint_999.pth, with its statistics",
            "ldm": "checkpoint of stage 2, officially checkpoint_99.pth",
        },
        optional={
            "statistics": "min, max, mean and std of the codes, where stage 1 lacks them",
            "mean_face": "the 58 mean coefficients that official coefficients are relative to",
        },
        check="react24.models.belfusion.settings:official_problem",
    ),
    card="docs/models/belfusion.md",
    presets={
        # Fewer epochs at higher rates, the official networks.
        "quick": {
            "vae": {"epochs": 200, "learning_rate": 3e-3},
            "ldm": {"epochs": 120, "learning_rate": 5e-4},
        },
    },
)
