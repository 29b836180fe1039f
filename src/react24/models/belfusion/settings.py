"""Settings of BeLFusion: both stages, the official values, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. Source of the
values: the BeLFusion baseline of REACT 2024 (its two configuration files and the defaults of its
code); see ``docs/models/belfusion.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from react24.contracts import settings as reading
from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.conventions import COEFFICIENT_DIM, EMOTION_DIM
from react24.errors import InputError

Code = Literal["state", "mean"]
Targets = Literal["zero", "standardised"]
WindowStart = Literal["first_window", "whole_clip"]
SpeakerSpace = Literal["native", "zscored"]


@dataclass(frozen=True)
class VAEConfig:
    """Stage 1, the recurrent VAE of 50-frame windows.

    Attributes:
        emotion_dim: Channels of a behaviour (15 AUs, valence, arousal, 8 expressions).
        coefficient_dim: 3DMM coefficients predicted beside it.
        window: Frames of a window.
        hidden: State of both GRUs. The code of ``variant: official`` is an encoder state fed to
            the decoder's input layer, so ``hidden`` and ``latent`` must agree.
        latent: Size of the code.
        read_out: Hidden sizes of the decoder's output layers.
        coefficient_hidden: Hidden size of the 3DMM head.
        weight_emotion: Weight of the mean squared error of the behaviour.
        weight_kld: Weight of the KL divergence (summed over windows and dimensions, per clip).
        weight_coefficients: Weight of the mean squared error of the 3DMM coefficients.
        coefficient_target: ``zero`` (as the official run, whose loader gave zeros) or
            ``standardised``; None follows the variant.
        code: What stage 2 works on: ``state``, the encoder's last state, or ``mean``, the
            posterior mean, which is what the decoder was trained for; None follows the variant.
        mask_invalid: Leave frames whose target is invalid out of the loss, and windows that are
            mostly invalid out of everything; None follows the variant.
        epochs: Passes over the training clips.
        batch_size: Clips per step.
        learning_rate: Of AdamW, constant.
        weight_decay: Of AdamW.
    """

    emotion_dim: int = EMOTION_DIM
    coefficient_dim: int = COEFFICIENT_DIM
    window: int = 50
    hidden: int = 128
    latent: int = 128
    read_out: tuple[int, ...] = (64, 64)
    coefficient_hidden: int = 128
    weight_emotion: float = 1.0
    weight_kld: float = 1e-5
    weight_coefficients: float = 1.0
    coefficient_target: Targets | None = None
    code: Code | None = None
    mask_invalid: bool | None = None
    epochs: int = 1000
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        reading.require_positive(
            self, "emotion_dim", "coefficient_dim", "window", "hidden", "latent"
        )
        reading.require_positive(
            self, "coefficient_hidden", "epochs", "batch_size", "learning_rate"
        )
        reading.require_not_negative(
            self, "weight_emotion", "weight_kld", "weight_coefficients", "weight_decay"
        )
        if not self.read_out or min(self.read_out) < 1:
            raise ValueError(f"read_out must be positive sizes, found {self.read_out}")
        if self.code != "mean" and self.hidden != self.latent:
            raise ValueError(
                f"code: state feeds the encoder state ({self.hidden}) to a decoder that takes "
                f"{self.latent}; make hidden and latent equal or choose code: mean"
            )


@dataclass(frozen=True)
class LDMConfig:
    """Stage 2, the latent diffusion of listener codes given speaker codes.

    Attributes:
        latent: Size of a code; that of stage 1.
        window: Frames of a window; that of stage 1.
        steps: Diffusion steps, in training and in sampling.
        draws: Noise draws per clip and step of training (k); the best one counts.
        hidden: Width of the MLP.
        layers: Layers of the MLP, the last one included.
        time_channels: Sines and cosines of the time step.
        online: The condition is the speaker window before the one that is predicted.
        window_start: ``first_window``: one start per batch, from the clip's first ``window``
            frames; ``whole_clip``: a start per clip, anywhere; None follows the variant.
        weight_code: Weight of the absolute error of the code.
        weight_emotion: Weight of the squared error of the decoded behaviour.
        discard_draws: Draw (and throw away) a noise tensor at every sampling step, as the
            official sampler does with eta = 0, so that its random stream is followed; None
            follows the variant.
        mask_invalid: Leave out listener windows that are mostly invalid; None follows the variant.
        epochs: Passes over the training clips.
        batch_size: Clips per step.
        learning_rate: Of AdamW, constant.
        weight_decay: Of AdamW.
    """

    latent: int = 128
    window: int = 50
    steps: int = 10
    draws: int = 10
    hidden: int = 1024
    layers: int = 10
    time_channels: int = 64
    online: bool = False
    window_start: WindowStart | None = None
    weight_code: float = 10.0
    weight_emotion: float = 10.0
    discard_draws: bool | None = None
    mask_invalid: bool | None = None
    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        reading.require_positive(
            self, "latent", "window", "steps", "draws", "hidden", "epochs", "batch_size"
        )
        reading.require_positive(self, "learning_rate")
        reading.require_not_negative(self, "weight_code", "weight_emotion", "weight_decay")
        if self.layers < 2:
            raise ValueError(f"layers must be at least 2, found {self.layers}")
        if self.time_channels < 2 or self.time_channels % 2:
            raise ValueError(f"time_channels must be even and positive, not {self.time_channels}")


@dataclass(frozen=True)
class BelfusionSettings:
    """Everything that shapes a BeLFusion run, with nothing left open.

    Attributes:
        variant: ``official`` or ``fixed``.
        speaker_space: ``native``: the speaker's behaviour in its own units, as the encoder saw it
            in stage 1; ``zscored``: z-scored per session and role.
        vae: Stage 1.
        ldm: Stage 2.
        training: Settings of the training loop, which checks them itself.
    """

    variant: Literal["official", "fixed"]
    speaker_space: SpeakerSpace
    vae: VAEConfig
    ldm: LDMConfig
    training: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """A mapping that ``read_settings`` turns back into the same settings (JSON-able)."""
        return {"type": "belfusion", **asdict(self)}


VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "official": {
        "vae": {"coefficient_target": "zero", "code": "state", "mask_invalid": False},
        "ldm": {"window_start": "first_window", "discard_draws": True, "mask_invalid": False},
    },
    "fixed": {
        "vae": {"coefficient_target": "standardised", "code": "mean", "mask_invalid": True},
        "ldm": {"window_start": "whole_clip", "discard_draws": False, "mask_invalid": True},
    },
}
"""What a variant means, setting by setting; a setting given explicitly wins over the variant."""


def read_settings(values: Mapping[str, Any], where: str = "belfusion") -> BelfusionSettings:
    """Settings of BeLFusion from a mapping: its settings file with overrides merged in.

    Args:
        values: ``variant``, ``speaker_space``, ``vae``, ``ldm``, ``training``; whatever is left
            out has its official value, whatever is None follows the variant.
        where: How the user finds these values, for errors.

    Raises:
        InputError: Unknown key, wrong type or value, or the two stages do not fit together.
    """
    known = ("type", "variant", "speaker_space", "vae", "ldm", "training")
    reading.check_keys(values, known, where)
    reading.choose(values, "type", ("belfusion",), where)
    variant = reading.choose(values, "variant", VARIANTS, where)
    space = reading.choose(values, "speaker_space", ("native", "zscored"), where)
    training = reading.loop_section(values, where)
    vae_values = reading.follow_variant(values.get("vae"), VARIANTS[variant]["vae"])
    ldm_values = reading.follow_variant(values.get("ldm"), VARIANTS[variant]["ldm"])
    vae = reading.build(VAEConfig, vae_values, f"{where}.vae")
    ldm = reading.build(LDMConfig, ldm_values, f"{where}.ldm")
    for name in ("latent", "window"):
        if name not in ldm_values:
            ldm = replace(ldm, **{name: getattr(vae, name)})
        if getattr(vae, name) != getattr(ldm, name):
            raise InputError(
                f"{where}: vae.{name} is {getattr(vae, name)}, ldm.{name} is "
                f"{getattr(ldm, name)}; they must be equal"
            )
    return BelfusionSettings(
        variant=variant, speaker_space=space, vae=vae, ldm=ldm, training=training
    )


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
    settings="react24.models.belfusion.settings:read_settings",
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
)
