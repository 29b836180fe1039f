"""What the training loop asks of a model: one task is one stage of one model.

The loop (``react24.training.loop.fit``) knows nothing of losses, clips or optimisers. A task
brings them together: the module that is trained, its optimiser, the batches of an epoch and the
loss of a batch. Everything random is drawn from generators that the loop hands in; they are keyed
by what they are for, so a run can continue at any step without replaying the steps before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""Named tensors of one step, clips along the first dimension."""

Losses = dict[str, Tensor]
"""Loss terms by name, 0-dimensional; the one called ``loss`` is minimised."""


@runtime_checkable
class Task(Protocol):
    """One stage of training.

    Attributes:
        stage: Name of the stage, e.g. ``vae``; part of the key of every random stream.
        module: What is trained; its ``state_dict`` is what a checkpoint holds. Networks that are
            used but not trained in this stage belong to the task, not to the module.
        steps_per_epoch: Batches of one pass over the training clips, at least 1.
        validation_steps: Batches of one pass over the validation clips; 0 where there are none.
    """

    stage: str
    module: nn.Module
    steps_per_epoch: int
    validation_steps: int

    def to(self, device: torch.device) -> None:
        """Move what the task needs besides ``module`` (frozen networks, statistics)."""
        ...

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """The optimiser over ``module``'s trainable parameters."""
        ...

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """The training batch of one step; a pure function of its arguments.

        Args:
            epoch: 0-based.
            step: 0-based within the epoch, below ``steps_per_epoch``.
            order: CPU generator keyed by (seed, stage, epoch), at its start at every step: all
                steps of an epoch share one permutation of the clips.

        Returns:
            CPU tensors.
        """
        ...

    def make_validation_batch(self, step: int) -> Batch:
        """The validation batch of one step, in a fixed order; CPU tensors."""
        ...

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """The loss terms of one batch, means over its clips.

        Runs under the loop's precision, in train or eval mode as the loop set it.

        Args:
            batch: On the device of the module.
            noise: CPU generator keyed by (seed, stage, epoch, step) in training and by
                (seed, stage, step) alone in validation, so that validation curves are comparable.
                Noise is drawn on the CPU and moved: a seed means the same numbers on each device.

        Returns:
            The same names at every step, ``loss`` among them.
        """
        ...
