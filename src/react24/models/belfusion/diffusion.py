"""BeLFusion, stage 2: diffusion of the listener's window codes given the speaker's, and sampling.

A clip of 750 frames is 15 independent windows of 50. Loss and sampler are those of the BeLFusion
baseline of REACT 2024. Stage 1 is in ``vae``, the network of stage 2 in
``denoiser``; ``settings`` has the variants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from react24.contracts.reactions import Reactions, load_stage
from react24.devices import send
from react24.errors import InputError
from react24.models.belfusion.denoiser import LatentDiffusion
from react24.models.belfusion.settings import BelfusionSettings, LDMConfig, read_settings
from react24.models.belfusion.vae import BehaviourVAE, cut_windows
from react24.training import validity


@dataclass(frozen=True)
class LDMLosses:
    """Loss of stage 2: ``loss`` is the weighted sum; both terms are means of the best draws."""

    loss: Tensor
    code: Tensor
    emotion: Tensor


@dataclass(frozen=True)
class WindowPairs:
    """One listener window per clip and its condition.

    Attributes:
        speaker: (B, 50, 25).
        listener: (B, 50, 25).
        counts: bool (B,), which listener windows are valid enough; None for all.
    """

    speaker: Tensor
    listener: Tensor
    counts: Tensor | None = None


def draw_windows(
    speaker: Tensor,
    listener: Tensor,
    config: LDMConfig,
    generator: torch.Generator | None = None,
    valid: Tensor | None = None,
) -> WindowPairs:
    """Draw the windows that a training step works on.

    ``first_window`` draws one start for the whole batch from frames 0 .. window - 1, as the
    official training does, which therefore sees 99 frames of a clip; ``whole_clip`` draws one
    start per clip over everything that fits. Online, the speaker's window is the one before.

    Args:
        speaker: (B, T, 25).
        listener: (B, T, 25).
        config: For ``window_start``, ``window``, ``online``.
        generator: CPU generator.
        valid: bool (B, T), where the listener is valid; None for everywhere.

    Raises:
        InputError: The clips are too short for any start that could be drawn.
    """
    window, clips = config.window, len(listener)
    if config.online:
        speaker, listener = speaker[:, :-window], listener[:, window:]
        valid = None if valid is None else valid[:, window:]
    starts = listener.shape[1] - window + 1
    if config.window_start == "whole_clip":
        needed, count, limit = 1, clips, starts
    else:
        needed, count, limit = window, 1, window
    if starts < needed:
        shift = window if config.online else 0
        raise InputError(
            f"clips of {listener.shape[1] + shift} frames are too short to draw windows of "
            f"{window} from; at least {needed + window - 1 + shift} frames are needed"
        )
    start = torch.randint(limit, (count,), generator=generator).expand(clips)
    return windows_at(speaker, listener, start, window, valid)


def windows_at(
    speaker: Tensor, listener: Tensor, start: Tensor, window: int, valid: Tensor | None = None
) -> WindowPairs:
    """The windows of both that begin at frame ``start`` (B,) of each clip."""
    frames = start.unsqueeze(1) + torch.arange(window)  # (B, 50)
    frames = frames.to(speaker.device, non_blocking=True)
    rows = torch.arange(len(speaker), device=speaker.device).unsqueeze(1)
    counts = None if valid is None else validity.usable(valid[rows, frames])
    return WindowPairs(speaker[rows, frames], listener[rows, frames], counts)


def ldm_losses(
    code: Tensor,
    target_code: Tensor,
    emotion: Tensor,
    target: Tensor,
    config: LDMConfig,
    counts: Tensor | None = None,
) -> LDMLosses:
    """Loss of stage 2 from k draws per clip.

    weight_code * mean_B min_k mean|code error| + weight_emotion * mean_B min_k mean(emotion
    error)^2; the two minima are taken on their own, as in the official code.

    Args:
        code: (B, k, 128) predicted, scaled.
        target_code: (B, 1 or k, 128).
        emotion: (B, k, 50, 25) decoded from ``code``.
        target: (B, 1 or k, 50, 25) decoded from ``target_code``.
        config: The weights.
        counts: bool (B,), over which clips the means are; None for all.
    """
    code_error = (code - target_code).abs().mean(-1).amin(1)  # (B,)
    emotion_error = (emotion - target).square().mean((-2, -1)).amin(1)
    code_loss = validity.mean_item(code_error, counts)
    emotion_loss = validity.mean_item(emotion_error, counts)
    loss = config.weight_code * code_loss + config.weight_emotion * emotion_loss
    return LDMLosses(loss, code_loss, emotion_loss)


@dataclass(frozen=True)
class LDMPrediction:
    """What one training step of stage 2 predicts and what it should have.

    Attributes:
        code: (B, k, 128), scaled.
        target_code: (B, 1, 128).
        emotion: (B, k, 50, 25).
        target: (B, 1, 50, 25), what the decoder makes of the listener's own code.
    """

    code: Tensor
    target_code: Tensor
    emotion: Tensor
    target: Tensor


def predict(
    ldm: LatentDiffusion,
    vae: BehaviourVAE,
    pairs: WindowPairs,
    *,
    steps: Tensor | None = None,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> LDMPrediction:
    """Noise the listener's codes and predict them back, k draws per clip.

    Args:
        ldm: Is trained.
        vae: Stage 1, frozen (its parameters with ``requires_grad`` off).
        pairs: Of B clips.
        steps: (B,) diffusion step of each clip, the same for its draws; drawn where left out.
        noise: (B, k, 128); drawn where left out, after ``steps``.
        generator: CPU generator of both.
    """
    config, clips = ldm.config, len(pairs.listener)
    with torch.no_grad():
        both = vae.to_unit(vae.encode(torch.stack([pairs.listener, pairs.speaker])))
        target_code, condition = both[0].unsqueeze(1), both[1]  # (B, 1, 128), (B, 128)
        target = vae.decode(vae.from_unit(both[0])).unsqueeze(1)
    if steps is None:
        steps = torch.randint(config.steps, (clips,), generator=generator)
    if noise is None:
        noise = torch.randn((clips, config.draws, config.latent), generator=generator)
    steps = steps.unsqueeze(1)
    noisy = ldm.add_noise(target_code, steps, send(noise, condition))  # (B, k, 128)
    on_device = steps.to(condition.device, non_blocking=True)
    code = ldm.denoiser(noisy, on_device, condition.unsqueeze(1))
    emotion = vae.decode(vae.from_unit(code.flatten(0, 1)))
    return LDMPrediction(code, target_code, emotion.unflatten(0, code.shape[:2]), target)


@torch.no_grad()
def sample(
    vae: BehaviourVAE,
    ldm: LatentDiffusion,
    speaker: Tensor,
    n_samples: int,
    generators: Sequence[torch.Generator],
) -> Reactions:
    """Draw reactions to speakers by 10 DDIM steps per window.

    The condition is encoded once per clip, what does not depend on noise is computed once, and
    only the final codes are decoded. All clips, samples and windows run in one batch.

    Args:
        vae: Stage 1.
        ldm: Stage 2.
        speaker: (B, T, 25), in the space the models were trained with; T a multiple of 50.
        n_samples: Reactions per clip, S.
        generators: CPU generator of each clip, which gives S x T/50 x 128 normal numbers. With
            ``discard_draws`` as many again are drawn per step and thrown away, as the official
            sampler does: the numbers that count are then those of the official stream.

    Raises:
        InputError: T is not a multiple of the window, or ``n_samples`` is not positive.
    """
    if n_samples < 1:
        raise InputError(f"n_samples must be at least 1, found {n_samples}")
    condition = encode_condition(vae, speaker, ldm.config.online)  # (B, W, 128)
    shape = (n_samples, condition.shape[1], ldm.config.latent)
    noise = torch.stack([_start_noise(ldm.config, shape, generator) for generator in generators])
    code = sample_codes(ldm, condition.unsqueeze(1), noise.to(condition))  # (B, S, W, 128)
    written = vae.decode(vae.from_unit(code.flatten(0, 2)))  # (B*S*W, 50, 25)
    emotion = written.reshape(len(speaker), n_samples, *speaker.shape[1:])
    return Reactions(emotion, vae.coefficients(emotion))


def encode_condition(vae: BehaviourVAE, speaker: Tensor, online: bool = False) -> Tensor:
    """Scaled codes of the speaker's windows: (B, T, 25) -> (B, T/50, 128).

    Online, each window is conditioned on the one before, and the first on a window of zeros.
    """
    windows = cut_windows(speaker, vae.config.window)  # (B, W, 50, 25)
    if online:
        windows = torch.cat([torch.zeros_like(windows[:, :1]), windows[:, :-1]], dim=1)
    return vae.to_unit(vae.encode(windows))


def _start_noise(
    config: LDMConfig, shape: tuple[int, int, int], generator: torch.Generator
) -> Tensor:
    """Start noise of one clip (S, W, 128); see ``sample`` for what is discarded after it."""
    noise = torch.randn(shape, generator=generator)
    if config.discard_draws:
        for _ in range(config.steps):
            torch.randn(shape, generator=generator)
    return noise


@torch.no_grad()
def sample_codes(
    ldm: LatentDiffusion,
    condition: Tensor,
    noise: Tensor,
    trace: list[tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """Denoise start noise by DDIM with eta 0.

    Args:
        ldm: The model.
        condition: (..., 128) scaled codes; leading dimensions broadcast to those of ``noise``.
        noise: (..., 128) standard normal.
        trace: Where given, receives (clean prediction, next sample) per step, last step first.

    Returns:
        (..., 128) scaled codes in [-1, 1].
    """
    denoiser, steps = ldm.denoiser, ldm.config.steps
    by_condition = denoiser.condition_modulations(condition)
    by_time = denoiser.time_modulations(torch.arange(steps, device=noise.device))
    noisy = noise
    for step in reversed(range(steps)):
        modulations = [c + t[step] for c, t in zip(by_condition, by_time, strict=True)]
        predicted = denoiser.denoise(noisy, modulations).clamp(-1, 1)
        noisy = ldm.ddim_step(noisy, predicted, step)
        if trace is not None:
            trace.append((predicted, noisy))
    return predicted


class Belfusion:
    """Both stages, ready to sample (a ``react24.contracts.reactions.ReactionModel``)."""

    def __init__(self, vae: BehaviourVAE, ldm: LatentDiffusion, settings: BelfusionSettings):
        self.vae, self.ldm, self.settings = vae.eval(), ldm.eval(), settings

    def to(self, device: torch.device | str) -> Belfusion:
        """Move both networks."""
        self.vae.to(device)
        self.ldm.to(device)
        return self

    def react(
        self,
        speaker: Mapping[str, Tensor],
        n_samples: int,
        generators: Sequence[torch.Generator],
    ) -> Reactions:
        """Reactions to ``speaker["speaker"]`` (B, T, 25); see ``sample``."""
        return sample(self.vae, self.ldm, speaker["speaker"], n_samples, generators)


def load(settings: Mapping[str, Any], weights: Mapping[str, Mapping[str, Tensor]]) -> Belfusion:
    """The trained model, from the tensors of stages ``vae`` and ``ldm`` as they were saved.

    Raises:
        InputError: The weights do not belong to a model of these settings.
    """
    resolved = read_settings(settings)
    model = Belfusion(BehaviourVAE(resolved.vae), LatentDiffusion(resolved.ldm), resolved)
    for stage, module in (("vae", model.vae), ("ldm", model.ldm)):
        load_stage(module, weights, stage)
    return model
