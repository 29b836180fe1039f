"""Trans-VAE, the REACT 2024 baseline: the speaker's face and sound to the listener's reaction.

A latent is drawn from a Gaussian that a transformer reads off the speaker; a transformer decoder
writes 3DMM coefficients and behaviour from it, offline a clip at once, online window by window.
Loss and sampler are those of the Trans-VAE baseline of REACT 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.contracts.reactions import Reactions, load_stage
from react24.conventions import SHAPE_DIM
from react24.errors import InputError
from react24.models.transvae.decoder import DecoderLayer, LatentEncoder, MotionWriter
from react24.models.transvae.encoder import SpeakerEncoder
from react24.models.transvae.settings import TransVAEConfig, read_settings
from react24.training.validity import mean_error, squared_error

SMALLEST_STD = 1e-6
"""Below this a 3DMM coefficient counts as constant and is not scaled."""

DIVERSITY_SCALE = 100.0
"""Squared distance of two reactions, summed over a clip, at which the diversity term is 1/e."""


@dataclass(frozen=True)
class TransVAEOutput:
    """What Trans-VAE makes of a batch of speakers.

    Attributes:
        emotion: (B, T, 25), native units.
        coefficients: (B, T, 58), units of the module's ``coefficient_mean`` and ``_scale``.
        mean: (windows, B, 128) of the Gaussian of the latent; one window offline.
        log_variance: (windows, B, 128).
    """

    emotion: Tensor
    coefficients: Tensor
    mean: Tensor
    log_variance: Tensor


@dataclass(frozen=True)
class TransVAELosses:
    """Loss: ``loss`` is the weighted sum of the others. Without a second reaction no diversity."""

    loss: Tensor
    emotion: Tensor
    expression: Tensor
    pose: Tensor
    kld: Tensor
    diversity: Tensor | None = None


class TransVAE(nn.Module):
    """The network, offline or online.

    The buffers ``coefficient_mean`` and ``coefficient_scale`` (58,) are the units of the 3DMM
    output; ``emotion_variance`` (25,) and ``coefficient_variance`` (58,) are the variances of the
    targets over the training split, in units of the outputs. All travel with the weights.
    """

    def __init__(self, config: TransVAEConfig):
        super().__init__()
        self.config = config
        width, face, emotion = config.width, config.coefficient_dim, config.emotion_dim
        self.encoder = SpeakerEncoder(config)
        self.latent = LatentEncoder(config)
        self.writer = MotionWriter(config)
        self.to_coefficients = nn.Linear(width, face)
        self.to_emotion = nn.Sequential(nn.Linear(width + face, width), nn.Linear(width, emotion))
        if config.online:
            self.with_past = nn.Linear(width + face + emotion, width)
            self.from_past = nn.Linear(face, width)
            self.from_motion = nn.Linear(width, width)
            self.continue_motion = DecoderLayer(config)
            self.lstm = nn.LSTM(width, width, batch_first=True)
        self.register_buffer("coefficient_mean", torch.zeros(face))
        self.register_buffer("coefficient_scale", torch.ones(face))
        self.register_buffer("emotion_variance", torch.ones(emotion))
        self.register_buffer("coefficient_variance", torch.ones(face))

    @property
    def window(self) -> int | None:
        """Frames of a window in the present mode (train or eval); None offline."""
        if not self.config.online:
            return None
        return self.config.window if self.training else self.config.evaluation_window

    def encode(self, frames: Tensor, audio: Tensor) -> list[Tensor]:
        """Features of the speaker as each window sees them; see ``SpeakerEncoder``.

        Args:
            frames: (B, T, 3, H, W), uint8, or float in [-1, 1].
            audio: (B, T, 78).

        Returns:
            One tensor (B, n, 128) per window that is written; (B, T, 128) offline.

        Raises:
            InputError: The clips are shorter than a window that must be whole, or pictures and
                sound differ in length.
        """
        window, total = self.window, frames.shape[1]
        if window is not None and not self.config.fill_last_window:
            if total < window:
                raise InputError(f"a clip of {total} frames is shorter than a window of {window}")
            whole = total // window * window
            frames, audio = frames[:, :whole], audio[:, :whole]
        return self.encoder(frames, audio, window)

    def write(self, speaker: Sequence[Tensor], noise: Tensor, frames: int) -> TransVAEOutput:
        """Reactions to encoded speakers.

        Args:
            speaker: What ``encode`` made of B clips.
            noise: (windows, N, 128) standard normal; N a multiple of B: N / B reactions to the
                first clip, then as many to the second, and so on.
            frames: Length T of the clips; what is not written stays 0.

        Returns:
            N reactions.
        """
        if not self.config.online:
            mean, log_variance = self.latent(speaker[0])
            times = noise.shape[1] // len(mean)
            mean, log_variance = (x.repeat_interleave(times, 0) for x in (mean, log_variance))
            motion = self.writer(_draw(mean, log_variance, noise[0]), frames)
            face = self.to_coefficients(motion)
            emotion = self._emotion(face, motion)
            return TransVAEOutput(emotion, face, mean[None], log_variance[None])
        return self._write_windows(speaker, noise, frames)

    def _write_windows(
        self, speaker: Sequence[Tensor], noise: Tensor, frames: int
    ) -> TransVAEOutput:
        window, drawn = self.window, noise.shape[1]
        face = noise.new_zeros(drawn, 0, self.config.coefficient_dim)  # written so far
        emotion = noise.new_zeros(drawn, 0, self.config.emotion_dim)
        means, log_variances = [], []
        for features, draw in zip(speaker, noise, strict=True):
            features = features.repeat_interleave(drawn // len(features), 0)
            past = torch.cat([face, emotion], dim=-1)
            unknown = features.shape[1] - past.shape[1]  # frames of this window
            past = functional.pad(past, (0, 0, 0, unknown))
            mean, log_variance = self.latent(self.with_past(torch.cat([features, past], dim=-1)))
            motion = self.writer(_draw(mean, log_variance, draw), window)
            added = self._coefficients(motion, face)
            emotion = torch.cat([emotion, self._emotion(added, motion)], dim=1)
            face = torch.cat([face, added], dim=1)
            means.append(mean)
            log_variances.append(log_variance)
        missing = max(0, frames - face.shape[1])
        emotion, face = (functional.pad(x, (0, 0, 0, missing))[:, :frames] for x in (emotion, face))
        return TransVAEOutput(emotion, face, torch.stack(means), torch.stack(log_variances))

    def _coefficients(self, motion: Tensor, past: Tensor) -> Tensor:
        """Coefficients of a window, (N, w, 128) -> (N, w, 58), after the past (N, n, 58)."""
        if past.shape[1]:
            before = self.from_past(past)
            both = torch.cat([before, self.from_motion(motion)], dim=1)
            motion = self.continue_motion(both, both, last=motion.shape[1])
            state = before[:, -1].unsqueeze(0).contiguous()
            motion, _ = self.lstm(motion, (state, state))
        return self.to_coefficients(motion)

    def _emotion(self, face: Tensor, motion: Tensor) -> Tensor:
        return self.to_emotion(torch.cat([face, motion], dim=-1))

    def forward(self, frames: Tensor, audio: Tensor, noise: Tensor) -> TransVAEOutput:
        """One reaction to each speaker: ``encode`` and ``write``."""
        return self.write(self.encode(frames, audio), noise, frames.shape[1])

    def draws(self, frames: int) -> int:
        """Latents of a reaction of so many frames: one per window that is written."""
        window = self.window
        if window is None:
            return 1
        return -(-frames // window) if self.config.fill_last_window else frames // window

    def draw_noise(self, clips: int, frames: int, generator: torch.Generator) -> Tensor:
        """Standard normal noise for ``write``, (windows, clips, 128), on the CPU."""
        shape = (clips, self.draws(frames), self.config.width)
        return torch.randn(shape, generator=generator).transpose(0, 1)

    def to_units(self, coefficients: Tensor) -> Tensor:
        """Coefficients from native units to those of the output."""
        return (coefficients - self.coefficient_mean) / self.coefficient_scale

    def from_units(self, coefficients: Tensor) -> Tensor:
        """Coefficients from units of the output to native ones."""
        return coefficients * self.coefficient_scale + self.coefficient_mean

    @torch.no_grad()
    def set_statistics(
        self, emotion_std: Tensor, coefficient_mean: Tensor, coefficient_std: Tensor
    ) -> None:
        """Units of the outputs and what they vary by, from the training split, native units."""
        scale = torch.ones_like(coefficient_std)
        if self.config.coefficient_units == "standardised":
            scale = torch.where(coefficient_std < SMALLEST_STD, scale, coefficient_std)
        self.coefficient_mean.copy_(coefficient_mean)
        self.coefficient_scale.copy_(scale)
        self.emotion_variance.copy_(emotion_std.square())
        self.coefficient_variance.copy_((coefficient_std / scale).square())


def _draw(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    return mean + torch.exp(0.5 * log_variance) * noise


def transvae_losses(
    output: TransVAEOutput,
    emotion: Tensor,
    coefficients: Tensor,
    model: TransVAE,
    other: TransVAEOutput | None = None,
    valid: Tensor | None = None,
    coefficients_valid: Tensor | None = None,
) -> TransVAELosses:
    """The loss.

    MSE(emotion) + MSE(expression) + 10 MSE(pose) (official weights), plus KL(N(m, v) || N(0, 1))
    as a mean over windows, clips and dimensions, plus the diversity of both outputs. With
    ``error_units: variance`` each squared error is divided by the mean variance of its channels.

    Args:
        output: Of the network.
        emotion: (B, T, 25) target, native units.
        coefficients: (B, T, 58) target, units of the output.
        model: For its settings and the variances of the targets.
        other: A second reaction to the same speakers, for the diversity; without gradient.
        valid: bool (B, T), over which frames of the behaviour the mean is; None for all.
        coefficients_valid: bool (B, T), the same for the coefficients.
    """
    config, face_variance = model.config, model.coefficient_variance
    apart = (output.coefficients - coefficients).square()
    emotion_loss = squared_error(output.emotion, emotion, valid)
    parts = apart[..., :SHAPE_DIM], apart[..., SHAPE_DIM:]
    expression, pose = (mean_error(part, coefficients_valid) for part in parts)
    if config.error_units == "variance":
        emotion_loss = emotion_loss / model.emotion_variance.mean()
        expression = expression / face_variance[:SHAPE_DIM].mean()
        pose = pose / face_variance[SHAPE_DIM:].mean()
    mean, log_variance = output.mean, output.log_variance
    kld = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).mean()
    loss = (
        config.weight_emotion * emotion_loss
        + config.weight_expression * expression
        + config.weight_pose * pose
        + config.weight_kld * kld
    )
    if other is None:
        return TransVAELosses(loss, emotion_loss, expression, pose, kld)
    diversity = diversity_loss(
        output.coefficients, other.coefficients, face_variance, config
    ) + diversity_loss(output.emotion, other.emotion, model.emotion_variance, config)
    loss = loss + config.weight_diversity * diversity
    return TransVAELosses(loss, emotion_loss, expression, pose, kld, diversity)


def diversity_loss(one: Tensor, other: Tensor, variance: Tensor, config: TransVAEConfig) -> Tensor:
    """How much two reactions (B, T, D) to the same speaker are alike, mean over clips.

    ``clip``: exp(-d / 100), d the squared distance summed over frames and channels (official).
    ``spread``: the part of the spread that is missing, max(0, 1 - mean squared difference / 2
    variance (D,) of the targets in training): 0 from where the two differ as much as independent
    frames of the training split do.
    """
    squared = (one - other).square().flatten(1)
    if config.diversity == "clip":
        return torch.exp(-squared.sum(1) / DIVERSITY_SCALE).mean()
    return functional.relu(1 - squared.mean(1) / (2 * variance.mean())).mean()


class TransVAEReactions:
    """The trained network, ready to sample (a ``react24.contracts.reactions.ReactionModel``)."""

    def __init__(self, model: TransVAE):
        self.model = model.eval()

    def to(self, device: torch.device | str) -> TransVAEReactions:
        """Move the network."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def react(
        self,
        speaker: Mapping[str, Tensor],
        n_samples: int,
        generators: Sequence[torch.Generator],
    ) -> Reactions:
        """Draw reactions to B clips.

        A clip is encoded once for all its reactions, which are then written together, those to all
        clips in one batch.

        Args:
            speaker: ``frames`` uint8 (B, T, 3, H, W) and ``mfcc`` (B, T, 78).
            n_samples: S.
            generators: One per clip; each gives S x windows x 128 normal numbers.

        Raises:
            InputError: ``n_samples`` is not positive, or the clips are too short.
        """
        if n_samples < 1:
            raise InputError(f"n_samples must be at least 1, found {n_samples}")
        model, pictures, audio = self.model, speaker["frames"], speaker["mfcc"]
        frames = pictures.shape[1]
        parts = zip(pictures.split(1), audio.split(1), strict=True)
        encoded = [model.encode(*part) for part in parts]  # one at a time: maps are large
        features = [torch.cat(window) for window in zip(*encoded, strict=True)]
        noise = [model.draw_noise(n_samples, frames, generator) for generator in generators]
        made = model.write(features, torch.cat(noise, dim=1).to(audio), frames)
        clips = (len(generators), n_samples)
        return Reactions(
            made.emotion.unflatten(0, clips),
            model.from_units(made.coefficients).unflatten(0, clips),
        )


def load(
    settings: Mapping[str, Any], weights: Mapping[str, Mapping[str, Tensor]]
) -> TransVAEReactions:
    """The trained model, from the tensors of stage ``transvae`` as they were saved.

    Raises:
        InputError: The weights do not belong to a model of these settings.
    """
    model = TransVAE(read_settings(settings).transvae)
    load_stage(model, weights, "transvae")
    return TransVAEReactions(model)
