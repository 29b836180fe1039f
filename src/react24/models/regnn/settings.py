"""Settings of REGNN: the network, its training, sampling, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. Source of the
values: the REGNN baseline of REACT 2024 (its published training script, the arguments it leaves
alone, and the code); see ``docs/models/regnn.md``.
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
from react24.contracts.model_settings import Dropout, ModelSettings, Space, by_variant
from react24.contracts.settings import SettingsModel
from react24.conventions import CLIP_FRAMES

VARIANTS = by_variant(
    {
        "speaker_space": ("native", "zscored"),  # a voice from 0 to 255 dwarfs its position code
        "network": {
            "zero_padding": (True, False),  # no frame is padding; quantised VGGish has true zeros
            "edge_mask": ("union", "own"),  # mends a loop over the wrong index
        },
        "generator": {
            "batches_per_epoch": (101, 0),  # the official loop breaks off
            "mask_invalid": (False, True),  # held values are no reaction
        },
        "sampling": {
            "noise_limit": ("clip", "element"),  # officially reactions hardly differ
            "iterations": (5, 100),  # nothing guarantees five to be enough
            "tolerance": (1e-3, 1e-5),
        },
    }
)
"""Switch: (official, fixed), and why; one that is given explicitly wins over the variant."""


class NetworkConfig(SettingsModel):
    """Sizes of the three processors, and which of the official quirks they keep."""

    nodes: PositiveInt = 25
    """Channels of a behaviour (15 AUs, valence, arousal, 8 expressions), the nodes of the graph."""
    window: PositiveInt = 50
    """Frames of a window; the features of a node."""
    stride: PositiveInt = 25
    """Frames between two windows."""
    width: PositiveInt = 128
    """Of the transformers. A sound stream of this width is used as it is, another one is projected
    to it."""
    heads: PositiveInt = 4
    """Of each attention."""
    feedforward: PositiveInt = 512
    """Hidden units of each transformer layer."""
    layers: PositiveInt = 5
    """Of each of the two transformers."""
    dropout_embedding: Dropout = 0.25
    """On their inputs."""
    dropout: Dropout = 0.1
    """In their layers."""
    fused: int = Field(64, ge=2)
    """Features of a frame after the perceptual processor."""
    components: NonNegativeInt = 6
    """Distributions that official files hold and nothing uses."""
    edge_channels: PositiveInt = 8
    """Kinds of edges."""
    edge_neighbours: PositiveInt = 5
    """Edges that each node keeps."""
    motor_layers: PositiveInt = 2
    """Reversible layers."""
    zero_padding: bool | None = None
    """A frame whose first channel is exactly 0 gets no position code."""
    edge_mask: Literal["union", "own"] | None = None
    """``union``: every node keeps the columns that any node chose; ``own``: each its own."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width must be even and a multiple of heads, found {self.width}")
        if self.edge_neighbours > self.nodes:
            raise ValueError(
                f"edge_neighbours must be 1 to {self.nodes} (nodes), found {self.edge_neighbours}"
            )
        if self.stride > self.window or (CLIP_FRAMES - self.window) % self.stride:
            raise ValueError(
                f"windows of {self.window} frames every {self.stride} do not cover a clip of "
                f"{CLIP_FRAMES} frames: stride must divide {CLIP_FRAMES} - window and be at most "
                "window"
            )
        return self


class GeneratorConfig(SettingsModel):
    """Training."""

    epochs: PositiveInt = 100
    """Passes over the windows of the training clips."""
    batch_size: PositiveInt = 128
    """Windows per step."""
    batches_per_epoch: NonNegativeInt | None = None
    """An epoch ends after so many batches; 0 for all."""
    learning_rate: PositiveFloat = 1e-4
    """Of Adam."""
    decay_epochs: tuple[NonNegativeInt, ...] = (9,)
    """Epochs (0-based) from which the rate is multiplied by ``decay``."""
    decay: PositiveFloat = 0.1
    """Once for each of them."""
    weight_decay: NonNegativeFloat = 5e-4
    """L2, added to the gradient."""
    neighbours: PositiveInt = 10
    """Appropriate reactions per window and step, drawn anew each time."""
    distance: Literal["nearest", "all"] = "nearest"
    """``nearest``: to the nearest of them; ``all``: mean over them."""
    spread: Literal["L2", "L1"] = "L2"
    """How far they lie from their mean: ``L2`` or ``L1``."""
    weight_spread: NonNegativeFloat = 1.0
    """Of that term."""
    threshold_divisor: NonNegativeFloat = 3.0
    """Distances below the last epoch's mean distance / this count as 0; 0 for no threshold."""
    mask_invalid: bool | None = None
    """Leave out reactions whose window is mostly invalid."""


class SamplingConfig(SettingsModel):
    """Drawing reactions."""

    noise: NonNegativeFloat = 0.06
    """Threshold of the noise; its square root limits every number of it."""
    noise_limit: Literal["clip", "element", "none"] | None = None
    """``clip``: all noise of a clip's reaction is scaled by the limit over its largest number;
    ``element``: numbers beyond the limit are set to it; ``none``."""
    iterations: PositiveInt | None = None
    """Most steps of the fixed point iteration per layer."""
    tolerance: PositiveFloat | None = None
    """It stops, and is accepted, when no number is off by more."""
    binarise: Literal["none", "units", "frames"] = "none"
    """Set values of at least 1 to 1 and others to 0: ``none``, ``units`` (the AUs) or ``frames``
    (the first 15 frames of every window, as the official option does)."""


class RegnnSettings(ModelSettings):
    """Settings of REGNN: the network, its training, sampling."""

    VARIANTS: ClassVar = VARIANTS

    type: Literal["regnn"] = "regnn"
    """Its name in the table of models."""
    visual: Literal["swin", "graphau", "faceverse"] = "swin"
    """Stream of the speaker's face."""
    sound: Literal["vggish", "wav2vec2"] = "vggish"
    """Stream of the speaker's voice."""
    speaker_space: Space | None = None
    """``native``, or ``zscored`` per session and role: of both."""
    network: NetworkConfig = NetworkConfig()
    """Sizes."""
    generator: GeneratorConfig = GeneratorConfig()
    """Training."""
    sampling: SamplingConfig = SamplingConfig()
    """Sampling."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training loop, which checks them itself."""

    @property
    def visual_width(self) -> int:
        """Channels of the visual stream."""
        return streams.get(self.visual).width

    @property
    def sound_width(self) -> int:
        """Channels of the sound stream."""
        return streams.get(self.sound).width


read_settings = RegnnSettings.read


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """What training, or sampling, reads."""
    space = settings["speaker_space"]
    speaker = {"visual": (settings["visual"], space), "sound": (settings["sound"], space)}
    if part == SAMPLING:
        return StageInputs(speaker)
    return StageInputs({**speaker, "emotion": ("graphau", "native")}, appropriate=True)


def official_problem(settings: Mapping[str, Any]) -> str | None:
    """What keeps official weights from being used with these settings."""
    wanted = {"visual": "swin", "sound": "vggish", "speaker_space": "native"}
    found = {name: (settings[name], value) for name, value in wanted.items()}
    for name, value in VARIANTS["official"]["network"].items():
        found[f"network.{name}"] = (settings["network"][name], value)
    wrong = [f"{n} is {is_!r} (official: {v!r})" for n, (is_, v) in found.items() if is_ != v]
    if not wrong:
        return None
    return f"official weights do not go with these settings: {', '.join(wrong)}"


MODEL = ModelType(
    name="regnn",
    title="REGNN",
    stages=(
        Stage(
            name="generator",
            title="reversible graph network",
            task="react24.models.regnn.tasks:generator_task",
            sections=("visual", "sound", "speaker_space", "network", "generator", "training"),
        ),
    ),
    outputs=("emotion",),
    settings="react24.models.regnn.settings:RegnnSettings",
    inputs="react24.models.regnn.settings:stage_inputs",
    load="react24.models.regnn.network:load",
    convert=Conversion(
        function="react24.models.regnn.official:convert",
        files={"generator": "the whole pickled network, officially mhp-epoch95-seed1.pth"},
        check="react24.models.regnn.settings:official_problem",
    ),
    card="docs/models/regnn.md",
    presets={
        # Fewer epochs of smaller batches at a higher rate, and another stream of the face: swin
        # takes eight times the length of a session on a CPU, and needs weights of its own.
        "quick": {
            "visual": "graphau",
            "generator": {
                "epochs": 16,
                "batch_size": 16,
                "learning_rate": 1e-3,
                "decay_epochs": [12],
            },
        },
    },
)
