"""Tasks whose epoch is one pass over the pairs of clips, with the roles drawn by chance."""

from __future__ import annotations

import torch

from react24.contracts.task import Batch, StageContext, StageTask
from react24.training.dataset import (
    ClipDataset,
    Directions,
    count_batches,
    epoch_order,
    every_direction,
)


class PairTask(StageTask):
    """A stage that trains on whole clips of speaker and listener.

    An epoch has each pair once, shuffled, who is the speaker drawn anew; validation has all
    directions in order. Subclasses write ``read`` and ``loss`` and set ``module``.

    Attributes:
        train: Training clips.
        val: Validation clips, or None.
        batch_size: Pairs per step.
    """

    def __init__(self, stage: str, context: StageContext, *, batch_size: int):
        self.stage, self.train, self.val = stage, context.train, context.val
        self.batch_size = batch_size
        self.steps_per_epoch = count_batches(self.train.pairs, batch_size)
        self.validation_steps = count_batches(self.val.rows, batch_size) if self.val else 0
        self.slow_batches = not self.train.in_memory or self.train.frames is not None

    def read(self, clips: ClipDataset, directions: Directions) -> Batch:
        """The named tensors of some directions, one item each."""
        raise NotImplementedError

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """A batch of an epoch in which each pair comes once, roles swapped by chance."""
        directions = epoch_order(self.train.pairs, order)
        return self.read(self.train, directions.batch(step, self.batch_size))

    def make_validation_batch(self, step: int) -> Batch:
        """A batch of all directions of the validation split, in order."""
        directions = every_direction(self.val.pairs)
        return self.read(self.val, directions.batch(step, self.batch_size))
