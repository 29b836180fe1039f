"""A model of one's own in one file: the speaker's behaviour, filtered, plus coloured noise.

``docs/add_a_model.md`` walks through it. It is small on purpose; every part is one that any model
has: settings, what it reads, the network, its loss, drawing reactions, and ``MODEL``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from react24.contracts.model import SAMPLING, ModelType, Stage, StageInputs
from react24.contracts.model_settings import ModelSettings
from react24.contracts.reactions import Reactions
from react24.contracts.settings import SettingsModel
from react24.contracts.task import Batch, Losses, StageContext
from react24.training.dataset import ClipDataset, Directions
from react24.training.pair_task import PairTask


class FilterConfig(SettingsModel):
    """Stage ``filter``, the only one."""

    taps: PositiveInt = 51
    """Frames that the filter spans, odd."""
    smoothing: PositiveInt = 25
    """Frames over which the noise is smoothed."""
    epochs: PositiveInt = 50
    """Passes over the training pairs."""
    batch_size: PositiveInt = 16
    """Pairs per step."""
    learning_rate: PositiveFloat = 1e-3
    """Of Adam."""

    @model_validator(mode="after")
    def _has_a_middle(self) -> Self:
        if self.taps % 2 == 0:
            raise ValueError(f"taps must be odd, found {self.taps}")
        return self


class EchoSettings(ModelSettings):
    """Everything that shapes a run: the YAML file with the overrides merged in."""

    type: str = "examples/echo.py"
    filter: FilterConfig = FilterConfig()
    training: dict[str, Any] = Field(default_factory=dict)


def stage_inputs(settings: Mapping[str, Any], part: str) -> StageInputs:
    """The speaker's and, in training, the listener's 25-D behaviour, native units."""
    speaker = {"speaker": ("graphau", "native")}
    if part == SAMPLING:
        return StageInputs(speaker)
    return StageInputs({**speaker, "listener": ("graphau", "native")})


class Echo(nn.Module):
    """A linear filter over time from 25 to 25 channels, and the size of what it misses."""

    def __init__(self, config: FilterConfig):
        super().__init__()
        self.config = config
        self.filter = nn.Conv1d(25, 25, config.taps, padding=config.taps // 2)
        self.register_buffer("residual", torch.zeros(25))

    def forward(self, speaker: Tensor) -> Tensor:
        """(B, T, 25) -> the mean reaction (B, T, 25)."""
        return self.filter(speaker.transpose(1, 2)).transpose(1, 2)

    def to(self, device: torch.device | str) -> Echo:
        """Move it; returns itself."""
        return super().to(device)

    @torch.no_grad()
    def react(
        self,
        speaker: Mapping[str, Tensor],
        n_samples: int,
        generators: Sequence[torch.Generator],
    ) -> Reactions:
        """The mean reaction plus smoothed noise of the size of the residual: (B, S, T, 25)."""
        mean = self(speaker["speaker"]).unsqueeze(1)  # (B, 1, T, 25)
        frames, width = mean.shape[-2], self.config.smoothing
        shape = (n_samples, frames + width - 1, 25)
        white = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(mean)
        smooth = white.unfold(2, width, 1).sum(-1) / width**0.5  # (B, S, T, 25), variance 1
        return Reactions(mean + self.residual * smooth)


class EchoTask(PairTask):
    """Least squares on pairs of clips."""

    def __init__(self, module: Echo, context: StageContext):
        super().__init__("filter", context, batch_size=module.config.batch_size)
        self.module = module

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """Adam, constant learning rate."""
        return torch.optim.Adam(self.module.parameters(), lr=self.module.config.learning_rate)

    def read(self, clips: ClipDataset, directions: Directions) -> Batch:
        """Both behaviours, (B, 750, 25) each."""
        return {
            "speaker": clips.take("speaker", directions.speaker),
            "listener": clips.take("listener", directions.listener),
        }

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """Mean squared error."""
        return {"loss": (self.module(batch["speaker"]) - batch["listener"]).square().mean()}

    @torch.no_grad()
    def finish(self) -> None:
        """Measure what the filter misses, per channel, on the training clips."""
        device = self.module.residual.device
        rows = torch.arange(self.train.rows)
        partners = (rows + self.train.pairs) % self.train.rows
        total = torch.zeros(25, dtype=torch.float64)
        for part in rows.split(64):
            made = self.module(self.train.take("speaker", part).to(device)).cpu()
            missed = made - self.train.take("listener", partners[part])
            total += missed.double().square().mean(1).sum(0)
        self.module.residual.copy_((total / self.train.rows).sqrt())


def make_task(context: StageContext) -> EchoTask:
    """The task of stage ``filter``."""
    config = EchoSettings.read(context.settings).filter
    return EchoTask(context.initialise(lambda: Echo(config)), context)


def load(settings: Mapping[str, Any], weights: Mapping[str, Mapping[str, Tensor]]) -> Echo:
    """The trained model, ready to sample."""
    model = Echo(EchoSettings.read(settings).filter)
    model.load_state_dict(dict(weights["filter"]))
    return model.eval()


MODEL = ModelType(
    name="echo",
    title="Echo (example)",
    stages=(Stage(name="filter", title="linear filter", task="echo:make_task"),),
    outputs=("emotion",),
    settings="echo:EchoSettings",
    inputs="echo:stage_inputs",
    load="echo:load",
)
