"""BeLFusion, training: both stages as tasks of the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from react24.contracts.task import Batch, Losses, StageContext
from react24.models.belfusion import diffusion as belfusion
from react24.models.belfusion.settings import LDMConfig, VAEConfig, read_settings
from react24.models.belfusion.vae import BehaviourVAE, VAEMask, cut_windows, vae_losses
from react24.training.dataset import ClipDataset, Directions, channel_statistics, valid_frames
from react24.training.pair_task import PairTask
from react24.training.validity import usable

STATISTICS_ROWS = 64
"""Clips encoded at once for the code statistics."""


class _BelfusionTask(PairTask):
    """What the tasks of both stages have in common."""

    def __init__(self, stage: str, config: VAEConfig | LDMConfig, context: StageContext):
        super().__init__(stage, context, batch_size=config.batch_size)
        self.config = config

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """AdamW, constant learning rate, betas (0.9, 0.999)."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        config = self.config
        return torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )


class VAETask(_BelfusionTask):
    """Stage 1: the VAE learns the listeners' behaviour.

    Afterwards the statistics of the codes over the training clips (speakers and listeners, all
    windows) are computed in eval mode and stored with the weights.
    """

    def __init__(self, module: BehaviourVAE, context: StageContext):
        """Args: the VAE; clips ``emotion`` and, where its targets need them, ``face``."""
        super().__init__("vae", module.config, context)
        self.module = module

    def read(self, clips: ClipDataset, directions: Directions) -> Batch:
        """The listeners' behaviour and coefficients."""
        batch = {"emotion": clips.take("emotion", directions.listener)}
        if self.config.coefficient_target == "standardised":
            batch["coefficients"] = clips.take("face", directions.listener)
        if self.config.mask_invalid:
            names = {"valid": "emotion", "coefficients_valid": "face"}
            batch |= valid_frames(clips, names, directions.listener)
        return batch

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``emotion``, ``kld``, ``coefficients``."""
        vae, target = self.module, batch.get("coefficients")
        if target is not None:
            target = (target - vae.coefficient_mean) / vae.coefficient_std
        output = vae(batch["emotion"], generator=noise)
        valid = batch.get("valid"), batch.get("coefficients_valid")
        mask = VAEMask.of(*valid, self.config.window)
        return _terms(vae_losses(output, batch["emotion"], target, self.config, mask))

    def finish(self) -> None:
        """Statistics of the codes."""
        vae, train = self.module.eval(), self.train
        device = next(vae.parameters()).device

        def batches() -> Iterator[Tensor]:
            for start in range(0, train.rows, STATISTICS_ROWS):
                rows = torch.arange(start, min(start + STATISTICS_ROWS, train.rows))
                values = train.take("emotion", rows)
                valid = train.take_valid("emotion", rows) if self.config.mask_invalid else None
                if valid is not None:  # the windows that count, one after the other
                    kept = usable(valid.unflatten(-1, (-1, self.config.window)))
                    values = cut_windows(values, self.config.window)[kept]
                yield values.to(device)

        vae.fit_code_statistics(batches())


class LDMTask(_BelfusionTask):
    """Stage 2: diffusion of the listener's codes given the speaker's; the VAE is frozen."""

    def __init__(self, module: belfusion.LatentDiffusion, vae: BehaviourVAE, context: StageContext):
        """Args: the diffusion, the trained VAE; clips ``speaker`` and ``emotion``."""
        super().__init__("ldm", module.config, context)
        self.module = module
        self.vae = vae.eval().requires_grad_(False)

    def to(self, device: torch.device) -> None:
        """Move the VAE."""
        self.vae.to(device)

    def read(self, clips: ClipDataset, directions: Directions) -> Batch:
        """Behaviour of both."""
        batch = {
            "speaker": clips.take("speaker", directions.speaker),
            "listener": clips.take("emotion", directions.listener),
        }
        if self.config.mask_invalid:
            batch |= valid_frames(clips, {"valid": "emotion"}, directions.listener)
        return batch

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``code``, ``emotion``."""
        pairs = belfusion.draw_windows(
            batch["speaker"], batch["listener"], self.config, noise, batch.get("valid")
        )
        made = belfusion.predict(self.module, self.vae, pairs, generator=noise)
        losses = belfusion.ldm_losses(
            made.code, made.target_code, made.emotion, made.target, self.config, pairs.counts
        )
        return _terms(losses)


def _terms(losses: Any) -> Losses:
    return {name: getattr(losses, name) for name in losses.__dataclass_fields__}


def vae_task(context: StageContext) -> VAETask:
    """Stage 1, with the units of its 3DMM head from the training split."""
    settings = read_settings(context.settings)
    vae = context.initialise(lambda: BehaviourVAE(settings.vae))
    statistics = channel_statistics(context.train.sources["face"].path)
    vae.set_coefficient_statistics(
        torch.from_numpy(statistics.mean), torch.from_numpy(statistics.std)
    )
    return VAETask(vae, context)


def ldm_task(context: StageContext) -> LDMTask:
    """Stage 2, on the codes of the trained stage 1."""
    settings = read_settings(context.settings)
    ldm = context.initialise(lambda: belfusion.LatentDiffusion(settings.ldm))
    return LDMTask(ldm, load_vae(context.needed["vae"], settings.vae), context)


def load_vae(tensors: Mapping[str, Tensor], config: VAEConfig) -> BehaviourVAE:
    """A trained stage 1, in eval mode on the CPU."""
    vae = BehaviourVAE(config)
    vae.load_state_dict(dict(tensors))
    return vae.eval()
