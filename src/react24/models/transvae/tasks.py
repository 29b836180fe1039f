"""Trans-VAE's one stage as a task of the training loop."""

from __future__ import annotations

import torch

from react24.contracts.task import Batch, Losses, StageContext, StageTask
from react24.conventions import CLIP_FRAMES
from react24.devices import send
from react24.errors import InputError
from react24.models.transvae.network import TransVAE, transvae_losses
from react24.models.transvae.settings import read_settings
from react24.training.dataset import (
    ClipDataset,
    Directions,
    channel_statistics,
    count_batches,
    every_direction,
    valid_frames,
)


class TransVAETask(StageTask):
    """The network learns to write the listener's reaction, two of which are to differ.

    An epoch is as many examples as there are directions. As in the official loader, which lists
    every pair in both directions and then draws the roles anew, each pair comes twice, each time
    with the roles drawn by chance. The second reaction of a step, which the first is to differ
    from, is written from the same features of the speaker, with another latent and dropout and
    without a gradient.
    """

    stage = "transvae"
    slow_batches = True

    def __init__(self, module: TransVAE, context: StageContext):
        """Take an untrained network, and clips ``mfcc``, ``emotion``, ``face`` with pictures."""
        self.module, self.config = module, module.config
        self.train, self.val = context.train, context.val
        if self.config.clip_length > CLIP_FRAMES:
            raise InputError(
                f"transvae.clip_length must be at most the {CLIP_FRAMES} frames of a clip, found "
                f"{self.config.clip_length}"
            )
        size = self.config.batch_size
        self.steps_per_epoch = count_batches(self.train.rows, size)
        self.validation_steps = count_batches(self.val.rows, size) if self.val else 0

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """AdamW, constant learning rate, betas (0.9, 0.999)."""
        config = self.config
        return torch.optim.AdamW(
            self.module.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """Examples of an epoch, each from a random place of its clip."""
        rows, pairs = self.train.rows, self.train.pairs
        pair = torch.randperm(rows, generator=order) % pairs
        speaker = pair + pairs * (torch.rand(rows, generator=order) < 0.5)
        starts = self._starts(rows, order)
        directions = Directions(speaker, (speaker + pairs) % rows)
        return self._read(self.train, directions, starts, step)

    def make_validation_batch(self, step: int) -> Batch:
        """All directions in order; the places are random, but the same at each validation."""
        directions = every_direction(self.val.pairs)
        starts = self._starts(self.val.rows, torch.Generator().manual_seed(0))
        return self._read(self.val, directions, starts, step)

    def _starts(self, count: int, order: torch.Generator) -> torch.Tensor:
        last = CLIP_FRAMES - self.config.clip_length
        return torch.randint(last + 1, (count,), generator=order)

    def _read(
        self, clips: ClipDataset, directions: Directions, starts: torch.Tensor, step: int
    ) -> Batch:
        size, length = self.config.batch_size, self.config.clip_length
        starts = starts[step * size : (step + 1) * size]
        rows = directions.batch(step, size)
        batch = {
            "frames": clips.frames.read(rows.speaker, starts, length),
            "mfcc": clips.take_windows("mfcc", rows.speaker, starts, length),
            "emotion": clips.take_windows("emotion", rows.listener, starts, length),
            "coefficients": clips.take_windows("face", rows.listener, starts, length),
        }
        if self.config.mask_invalid:
            names = {"valid": "emotion", "coefficients_valid": "face"}
            batch |= valid_frames(clips, names, rows.listener, starts, length)
        return batch

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``emotion``, ``expression``, ``pose``, ``kld``, ``diversity``.

        In validation the last one only with ``validate_diversity``.
        """
        model, audio = self.module, batch["mfcc"]
        clips, frames = audio.shape[:2]

        def draw() -> torch.Tensor:
            return send(model.draw_noise(clips, frames, noise), audio)

        speaker = model.encode(batch["frames"], audio)
        made, other = model.write(speaker, draw(), frames), None
        if model.training or self.config.validate_diversity:
            with torch.no_grad():
                other = model.write(speaker, draw(), frames)
        targets = batch["emotion"], model.to_units(batch["coefficients"])
        masks = batch.get("valid"), batch.get("coefficients_valid")
        losses = transvae_losses(made, *targets, model, other, *masks)
        return {name: value for name, value in vars(losses).items() if value is not None}


def transvae_task(context: StageContext) -> TransVAETask:
    """The stage, with the units of its outputs from the training split."""
    config = read_settings(context.settings).transvae
    model = context.initialise(lambda: TransVAE(config))
    emotion, face = (
        channel_statistics(context.train.sources[name].path) for name in ("emotion", "face")
    )
    model.set_statistics(
        torch.from_numpy(emotion.std), torch.from_numpy(face.mean), torch.from_numpy(face.std)
    )
    return TransVAETask(model, context)
