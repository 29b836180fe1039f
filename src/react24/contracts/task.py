"""What the training loop asks of a model: one task is one stage of one model.

The loop (``react24.training.loop.fit``) knows nothing of losses, clips or optimisers. A task
brings them together: the module that is trained, its optimiser, the batches of an epoch and the
loss of a batch. Everything random is drawn from generators that the loop hands in; they are keyed
by what they are for, so a run can continue at any step without replaying the steps before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from react24.seeding import stream_seed

if TYPE_CHECKING:
    from react24.training.dataset import ClipDataset

Batch = dict[str, Tensor]
"""Named tensors of one step, items along the first dimension of each."""

Losses = dict[str, Tensor]
"""Loss terms by name, 0-dimensional; the one called ``loss`` is minimised."""


@dataclass(frozen=True)
class StageContext:
    """What a stage's task is made from.

    Attributes:
        stage: Name of the stage.
        settings: The model's checked settings, all defaults filled in. Sections of other stages
            hold their defaults, whatever the configuration says.
        train: Clips of the training split, under the names of ``StageInputs.clips``.
        val: The same of the validation split; None where there is none.
        needed: Earlier stage -> its tensors, as its module's ``state_dict`` gave them.
        seed: Training seed.
    """

    stage: str
    settings: Mapping[str, Any]
    train: ClipDataset
    val: ClipDataset | None
    needed: Mapping[str, Mapping[str, Tensor]]
    seed: int

    def initialise(self, make: Callable[[], nn.Module]) -> nn.Module:
        """A module with seeded weights; torch's global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, self.stage, "weights"))
            return make()


class StageTask:
    """One stage of training; subclasses set the attributes and write what is not given here.

    Attributes:
        stage: Name of the stage, e.g. ``vae``; part of the key of every random stream.
        module: What is trained; its ``state_dict`` is what a checkpoint holds and, in the end,
            the weights of the stage. Networks that are used but not trained in this stage belong
            to the task, not to the module.
        steps_per_epoch: Batches of one pass over the training clips, at least 1.
        validation_steps: Batches of one pass over the validation clips; 0 where there are none.
        slow_batches: Whether making a batch takes long (clips on disk, pictures): the loop then
            makes the next one while it works on the last.
    """

    stage: str
    module: nn.Module
    steps_per_epoch: int
    validation_steps: int = 0
    slow_batches: bool = False

    def to(self, device: torch.device) -> None:
        """Move what the task needs besides ``module`` (frozen networks, statistics)."""

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """The optimiser over ``module``'s trainable parameters."""
        raise NotImplementedError

    def learning_rate(self, step: int) -> float | None:
        """Learning rate of a step; None leaves the optimiser's own.

        Args:
            step: 0-based, counted over all epochs.
        """
        return None

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """The training batch of one step; a pure function of its arguments.

        Args:
            epoch: 0-based.
            step: 0-based within the epoch, below ``steps_per_epoch``.
            order: CPU generator keyed by (seed, stage, epoch), at its start at every step: all
                steps of an epoch share one permutation of the clips.

        Returns:
            CPU tensors; every one has the same first dimension, along which several GPUs share
            the batch.
        """
        raise NotImplementedError

    def make_validation_batch(self, step: int) -> Batch:
        """The validation batch of one step, in a fixed order; CPU tensors."""
        raise NotImplementedError

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """The loss terms of one batch, means over its items.

        Runs under the loop's precision, in train or eval mode as the loop set it.

        Args:
            batch: On the device of the module.
            noise: CPU generator keyed by (seed, stage, epoch, step) in training and by
                (seed, stage, step) alone in validation, so that validation curves are comparable.
                Noise is drawn on the CPU and moved: a seed means the same numbers on each device.

        Returns:
            The same names at every step, ``loss`` among them.
        """
        raise NotImplementedError

    def end_epoch(self, epoch: int, means: Mapping[str, float]) -> None:
        """Called after each whole training epoch with its mean losses.

        State that the next epoch depends on must be kept in buffers of ``module``, or a resumed
        run would lack it.
        """

    def finish(self) -> None:
        """Called after training, with the final weights in ``module`` (e.g. for statistics)."""
