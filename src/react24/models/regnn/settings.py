"""Settings of REGNN: the network, its training, sampling, and what ``variant`` means.

Light on purpose (no torch): the workflow checks settings before any job runs. Source of the
values: the REGNN baseline of REACT 2024 (its published training script, the arguments it leaves
alone, and the code); see ``docs/models/regnn.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from react24.contracts import settings as reading
from react24.contracts.model import SAMPLING, Conversion, ModelType, Stage, StageInputs
from react24.conventions import CLIP_FRAMES

VISUAL_WIDTHS = {"swin": 768, "graphau": 25, "faceverse": 58}
"""Streams of the speaker's face that the network can look at, and their channels."""

SOUND_WIDTHS = {"vggish": 128, "wav2vec2": 768}
"""Streams of the speaker's voice that it can listen to, and their channels."""

SPACES = ("native", "zscored")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the three processors, and which of the official quirks they keep.

    Attributes:
        nodes: Channels of a behaviour (15 AUs, valence, arousal, 8 expressions), the nodes of the
            graph.
        window: Frames of a window; the features of a node.
        stride: Frames between two windows.
        width: Of the transformers. A sound stream of this width is used as it is, another one is
            projected to it.
        heads: Of each attention.
        feedforward: Hidden units of each transformer layer.
        layers: Of each of the two transformers.
        dropout_embedding: On their inputs.
        dropout: In their layers.
        fused: Features of a frame after the perceptual processor.
        components: Distributions that official files hold and nothing uses.
        edge_channels: Kinds of edges.
        edge_neighbours: Edges that each node keeps.
        motor_layers: Reversible layers.
        zero_padding: A frame whose first channel is exactly 0 gets no position code; None follows
            the variant.
        edge_mask: ``union``: every node keeps the columns that any node chose; ``own``: each its
            own; None follows the variant.
    """

    nodes: int = 25
    window: int = 50
    stride: int = 25
    width: int = 128
    heads: int = 4
    feedforward: int = 512
    layers: int = 5
    dropout_embedding: float = 0.25
    dropout: float = 0.1
    fused: int = 64
    components: int = 6
    edge_channels: int = 8
    edge_neighbours: int = 5
    motor_layers: int = 2
    zero_padding: bool | None = None
    edge_mask: Literal["union", "own"] | None = None

    def __post_init__(self) -> None:
        reading.require_positive(self, "nodes", "window", "stride", "width", "heads", "layers")
        reading.require_positive(self, "feedforward", "edge_channels", "motor_layers")
        reading.require_not_negative(self, "components")
        for name in ("dropout_embedding", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1")
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width must be even and a multiple of heads, found {self.width}")
        if self.fused < 2:
            raise ValueError(f"fused must be at least 2, found {self.fused}")
        if not 1 <= self.edge_neighbours <= self.nodes:
            raise ValueError(f"edge_neighbours must be 1 to {self.nodes} (nodes)")
        if self.stride > self.window or (CLIP_FRAMES - self.window) % self.stride:
            raise ValueError(
                f"windows of {self.window} frames every {self.stride} do not cover a clip of "
                f"{CLIP_FRAMES} frames: stride must divide {CLIP_FRAMES} - window and be at most "
                "window"
            )


@dataclass(frozen=True)
class GeneratorConfig:
    """Training.

    Attributes:
        epochs: Passes over the windows of the training clips.
        batch_size: Windows per step.
        batches_per_epoch: An epoch ends after so many batches; 0 for all. None follows the variant.
        learning_rate: Of Adam.
        decay_epochs: Epochs (0-based) from which the rate is multiplied by ``decay``.
        decay: Once for each of them.
        weight_decay: L2, added to the gradient.
        neighbours: Appropriate reactions per window and step, drawn anew each time.
        distance: ``nearest``: to the nearest of them; ``all``: mean over them.
        spread: How far they lie from their mean: ``L2`` or ``L1``.
        weight_spread: Of that term.
        threshold_divisor: Distances below the last epoch's mean distance / this count as 0; 0 for
            no threshold.
        mask_invalid: Leave out reactions whose window is mostly invalid; None follows the variant.
    """

    epochs: int = 100
    batch_size: int = 128
    batches_per_epoch: int | None = None
    learning_rate: float = 1e-4
    decay_epochs: tuple[int, ...] = (9,)
    decay: float = 0.1
    weight_decay: float = 5e-4
    neighbours: int = 10
    distance: Literal["nearest", "all"] = "nearest"
    spread: Literal["L2", "L1"] = "L2"
    weight_spread: float = 1.0
    threshold_divisor: float = 3.0
    mask_invalid: bool | None = None

    def __post_init__(self) -> None:
        reading.require_positive(self, "epochs", "batch_size", "learning_rate", "decay")
        reading.require_positive(self, "neighbours")
        reading.require_not_negative(self, "weight_decay", "weight_spread", "threshold_divisor")
        if self.batches_per_epoch is not None:
            reading.require_not_negative(self, "batches_per_epoch")


@dataclass(frozen=True)
class SamplingConfig:
    """Drawing reactions.

    Attributes:
        noise: Threshold of the noise; its square root limits every number of it.
        noise_limit: ``clip``: all noise of a clip's reaction is scaled by the limit over its
            largest number; ``element``: numbers beyond the limit are set to it; ``none``. None
            follows the variant.
        iterations: Most steps of the fixed point iteration per layer; None follows the variant.
        tolerance: It stops, and is accepted, when no number is off by more; None follows the
            variant.
        binarise: Set values of at least 1 to 1 and others to 0: ``none``, ``units`` (the AUs) or
            ``frames`` (the first 15 frames of every window, as the official option does).
    """

    noise: float = 0.06
    noise_limit: Literal["clip", "element", "none"] | None = None
    iterations: int | None = None
    tolerance: float | None = None
    binarise: Literal["none", "units", "frames"] = "none"

    def __post_init__(self) -> None:
        reading.require_not_negative(self, "noise")
        for name in ("iterations", "tolerance"):
            if getattr(self, name) is not None:
                reading.require_positive(self, name)


@dataclass(frozen=True)
class RegnnSettings:
    """Everything that shapes a REGNN run, with nothing left open.

    Attributes:
        variant: ``official`` or ``fixed``.
        visual: Stream of the speaker's face.
        sound: Stream of the speaker's voice.
        speaker_space: ``native``, or ``zscored`` per session and role.
        network: Sizes.
        generator: Training.
        sampling: Sampling.
        training: Settings of the training loop, which checks them itself.
    """

    variant: Literal["official", "fixed"]
    visual: str
    sound: str
    speaker_space: Literal["native", "zscored"]
    network: NetworkConfig
    generator: GeneratorConfig
    sampling: SamplingConfig
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def visual_width(self) -> int:
        """Channels of the visual stream."""
        return VISUAL_WIDTHS[self.visual]

    @property
    def sound_width(self) -> int:
        """Channels of the sound stream."""
        return SOUND_WIDTHS[self.sound]

    def as_dict(self) -> dict[str, Any]:
        """A mapping that ``read_settings`` turns back into the same settings (JSON-able)."""
        return {"type": "regnn", **asdict(self)}


VARIANTS: dict[str, dict[str, Any]] = {
    "official": {
        "speaker_space": "native",
        "network": {"zero_padding": True, "edge_mask": "union"},
        "generator": {"batches_per_epoch": 101, "mask_invalid": False},
        "sampling": {"noise_limit": "clip", "iterations": 5, "tolerance": 1e-3},
    },
    "fixed": {
        "speaker_space": "zscored",
        "network": {"zero_padding": False, "edge_mask": "own"},
        "generator": {"batches_per_epoch": 0, "mask_invalid": True},
        "sampling": {"noise_limit": "element", "iterations": 100, "tolerance": 1e-5},
    },
}
"""What a variant means, setting by setting; a setting given explicitly wins over the variant."""

_SECTIONS = {"network": NetworkConfig, "generator": GeneratorConfig, "sampling": SamplingConfig}


def read_settings(values: Mapping[str, Any], where: str = "regnn") -> RegnnSettings:
    """Settings of REGNN from a mapping: its settings file with overrides merged in.

    Args:
        values: ``variant``, ``visual``, ``sound``, ``speaker_space``, ``network``, ``generator``,
            ``sampling``, ``training``; whatever is left out has its official value, whatever is
            None follows the variant.
        where: How the user finds these values, for errors.

    Raises:
        InputError: Unknown key, wrong type or value.
    """
    known = ("type", "variant", "visual", "sound", "speaker_space", *_SECTIONS, "training")
    reading.check_keys(values, known, where)
    reading.choose(values, "type", ("regnn",), where)
    variant = reading.choose(values, "variant", VARIANTS, where)
    defaults = VARIANTS[variant]
    sections = {
        name: reading.build(
            kind, reading.follow_variant(values.get(name), defaults[name]), f"{where}.{name}"
        )
        for name, kind in _SECTIONS.items()
    }
    return RegnnSettings(
        variant=variant,
        visual=reading.choose(values, "visual", VISUAL_WIDTHS, where),
        sound=reading.choose(values, "sound", SOUND_WIDTHS, where),
        speaker_space=reading.choose(
            values, "speaker_space", SPACES, where, defaults["speaker_space"]
        ),
        training=reading.loop_section(values, where),
        **sections,
    )


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
    settings="react24.models.regnn.settings:read_settings",
    inputs="react24.models.regnn.settings:stage_inputs",
    load="react24.models.regnn.network:load",
    convert=Conversion(
        function="react24.models.regnn.official:convert",
        files={"generator": "the whole pickled network, officially mhp-epoch95-seed1.pth"},
        check="react24.models.regnn.settings:official_problem",
    ),
    card="docs/models/regnn.md",
)
