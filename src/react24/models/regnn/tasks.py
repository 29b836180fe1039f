"""REGNN, training: its only stage as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from react24.contracts.task import Batch, Losses, StageContext, StageTask
from react24.conventions import CLIP_FRAMES
from react24.errors import InputErrors
from react24.models.regnn.network import RegnnNetwork, training_losses
from react24.models.regnn.settings import GeneratorConfig, RegnnSettings, read_settings
from react24.seeding import generator
from react24.training.dataset import ClipDataset, count_batches
from react24.training.validity import usable

STAGE = "generator"


@dataclass(frozen=True)
class NeighbourTable:
    """The listener rows of the appropriate reactions to each speaker row, one after the other.

    Attributes:
        rows: int64 (2L, most), filled up with row 0.
        counts: int64 (2L,), how many there are, at least 1.
    """

    rows: Tensor
    counts: Tensor

    @classmethod
    def of(cls, clips: ClipDataset) -> NeighbourTable:
        """From the matrix of the split.

        Raises:
            InputErrors: A clip has no appropriate reaction.
        """
        matrix = clips.appropriate
        counts = matrix.sum(1)
        alone = torch.nonzero(counts == 0).flatten().tolist()
        if alone:
            names = [
                f"session {clips.index[i]['session'].decode()}, role "
                f"{clips.index[i]['role'].decode()}, clip {int(clips.index[i]['clip'])}"
                for i in alone
            ]
            raise InputErrors(
                f"split {clips.split}: REGNN learns from the appropriate reactions of every clip, "
                "but the matrix names none for these; leave them out of the split or use "
                "appropriate.source: dtw",
                names,
            )
        most = int(counts.max())
        order = matrix.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
        listeners = (order + clips.pairs) % clips.rows
        there = torch.arange(most) < counts.unsqueeze(1)
        return cls(torch.where(there, listeners, 0), counts)

    def draw(self, speakers: Tensor, most: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Appropriate reactions to speakers, rows int64 (B,), without replacement.

        At most ``most`` to each, drawn by the CPU generator ``chance``.

        Returns:
            Listener rows int64 (B, K) and which of them count, bool (B, K); K is ``most`` or
            less, the same for every batch.
        """
        rows, counts = self.rows[speakers], self.counts[speakers]
        keys = torch.rand(rows.shape, generator=chance)
        keys.masked_fill_(torch.arange(rows.shape[1]) >= counts.unsqueeze(1), -1.0)
        size = min(most, rows.shape[1])
        drawn = rows.gather(1, keys.topk(size, dim=1).indices)
        return drawn, torch.arange(size) < counts.unsqueeze(1)


class RegnnTask(StageTask):
    """Windows of every clip of both roles, each with some of its appropriate reactions."""

    stage = STAGE

    def __init__(self, network: RegnnNetwork, settings: RegnnSettings, context: StageContext):
        """Args: the network; clips ``visual``, ``sound``, ``emotion``; appropriate reactions."""
        self.module, self.config = network, settings.generator
        self.window, self.stride = settings.network.window, settings.network.stride
        self.train, self.val, self.seed = context.train, context.val, context.seed
        self.neighbours = NeighbourTable.of(self.train)
        self.slow_batches = not self.train.in_memory
        whole = count_batches(self._windows(self.train), self.config.batch_size)
        limit = self.config.batches_per_epoch
        self.steps_per_epoch = min(whole, limit) if limit else whole
        self.validation_steps = 0
        if self.val is not None:
            self.val_neighbours = NeighbourTable.of(self.val)
            windows = self._windows(self.val)
            self.validation_steps = count_batches(windows, self.config.batch_size)

    @property
    def _per_clip(self) -> int:
        return (CLIP_FRAMES - self.window) // self.stride + 1

    def _windows(self, clips: ClipDataset) -> int:
        return clips.rows * self._per_clip

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """Adam, weight decay as L2 in the gradient."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        config = self.config
        return torch.optim.Adam(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )

    def learning_rate(self, step: int) -> float:
        """That of its epoch."""
        return learning_rate(self.config, step // self.steps_per_epoch)

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """Windows in the order of the epoch, each with reactions drawn for this step."""
        permutation = torch.randperm(self._windows(self.train), generator=order)
        # One seed a step, so that what is drawn does not depend on the other steps.
        seeds = torch.randint(2**62, (self.steps_per_epoch,), generator=order)
        chance = torch.Generator().manual_seed(int(seeds[step]))
        size = self.config.batch_size
        chosen = permutation[step * size : (step + 1) * size]
        return self._read(self.train, self.neighbours, chosen, chance)

    def make_validation_batch(self, step: int) -> Batch:
        """Windows in order; their reactions are the same at every validation."""
        size, windows = self.config.batch_size, self._windows(self.val)
        chosen = torch.arange(step * size, min((step + 1) * size, windows))
        chance = generator(self.seed, STAGE, "neighbours", step)
        return self._read(self.val, self.val_neighbours, chosen, chance)

    def _read(
        self, clips: ClipDataset, table: NeighbourTable, windows: Tensor, chance: torch.Generator
    ) -> Batch:
        """The streams of windows, int64 (B,), and reactions drawn by ``chance``.

        Window w of clip row r is r * windows per clip + w.
        """
        speakers = windows // self._per_clip
        starts = windows % self._per_clip * self.stride
        batch = {
            name: clips.take_windows(name, speakers, starts, self.window)
            for name in ("visual", "sound")
        }
        listeners, present = table.draw(speakers, self.config.neighbours, chance)
        starts = starts.unsqueeze(1).expand_as(listeners)
        chosen = listeners.flatten(), starts.flatten(), self.window
        reactions = clips.take_windows("emotion", *chosen)
        if self.config.mask_invalid:
            valid = clips.take_valid_windows("emotion", *chosen)
            if valid is not None:
                present = present & usable(valid).unflatten(0, listeners.shape)
        return {**batch, "reactions": reactions.unflatten(0, listeners.shape), "present": present}

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``distance``, ``spread``."""
        losses = training_losses(
            self.module,
            batch["visual"],
            batch["sound"],
            batch["reactions"],
            batch["present"],
            self.config,
        )
        return {name: getattr(losses, name) for name in losses.__dataclass_fields__}

    def end_epoch(self, epoch: int, means: Mapping[str, float]) -> None:
        """The threshold of the next epoch, from this one's mean distance.

        Distances that counted as 0 are part of the mean, so it falls from epoch to epoch. An
        epoch of ``batches_per_epoch`` sets it only if the corpus has so many batches: the official
        loop sets it where it breaks off.
        """
        limit, divisor = self.config.batches_per_epoch, self.config.threshold_divisor
        if divisor and (not limit or self.steps_per_epoch == limit):
            self.module.threshold.fill_(means["distance"] / divisor)


def learning_rate(config: GeneratorConfig, epoch: int) -> float:
    """Constant, times ``decay`` from each of the ``decay_epochs`` on; ``epoch`` is 0-based."""
    passed = sum(epoch >= milestone for milestone in config.decay_epochs)
    return config.learning_rate * config.decay**passed


def generator_task(context: StageContext) -> RegnnTask:
    """The network with its ActNorms set from the first batch of the first epoch."""
    settings = read_settings(context.settings)
    network = context.initialise(lambda: RegnnNetwork.of(settings))
    task = RegnnTask(network, settings, context)
    context.initialise(lambda: _initialise_motor(task))
    return task


@torch.no_grad()
def _initialise_motor(task: RegnnTask) -> RegnnNetwork:
    """As the first training step would do it, but before the loop copies the weights."""
    order = generator(task.seed, STAGE, "order", 0)
    batch = task.make_batch(0, 0, order)
    task.module.train()
    training_losses(task.module, *(batch[n] for n in _NAMES), task.config)
    return task.module


_NAMES = ("visual", "sound", "reactions", "present")
