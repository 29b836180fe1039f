"""BeLFusion, the network of stage 2: its MLP, the noise schedule, and official weights.

Network and schedule are those of the BeLFusion baseline of REACT 2024; its checkpoints load
through ``load_official_ldm``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.devices import send
from react24.models.belfusion.settings import LDMConfig
from react24.weights import names as official_keys

LARGEST_BETA = 0.999
SMALLEST_SIGNAL = 1e-5
"""Floor of the denominator in the cosine schedule."""


@dataclass(frozen=True)
class Schedule:
    """Noise schedule, float64, one entry per step.

    Attributes:
        betas: (steps,).
        signal: (steps,) fraction of the signal's variance left after each step (alpha bar).
    """

    betas: np.ndarray
    signal: np.ndarray

    @property
    def previous_signal(self) -> np.ndarray:
        """``signal`` one step earlier; 1 before the first."""
        return np.append(1.0, self.signal[:-1])


def cosine_schedule(steps: int) -> Schedule:
    """Cosine schedule of Nichol and Dhariwal (2021, eq. 17), with the official cap and floor.

    alpha_bar(s) = cos^2((s + 0.008)/1.008 * pi/2), beta_i = 1 - alpha_bar((i+1)/n) /
    alpha_bar(i/n), at most 0.999; the signal is the running product of 1 - beta.
    """
    done = np.arange(steps + 1) / steps
    signal = np.cos((done + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = np.minimum(1 - signal[1:] / np.maximum(signal[:-1], SMALLEST_SIGNAL), LARGEST_BETA)
    return Schedule(betas, np.cumprod(1 - betas))


def time_features(steps: Tensor, channels: int) -> Tensor:
    """Cosines then sines of integer time steps: (...,) -> (..., channels).

    Frequencies 10000^(-i/(channels/2)); the step is not rescaled.
    """
    half = channels // 2
    powers = torch.arange(half, dtype=torch.float32, device=steps.device) / half
    angles = steps.float().unsqueeze(-1) * torch.exp(-math.log(10000.0) * powers)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class ModulatedLayer(nn.Module):
    """Linear, scaled by 1 + a projection of the condition, LayerNorm, SiLU."""

    def __init__(self, inputs: int, outputs: int, condition: int):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.modulation = nn.Linear(condition, outputs)
        self.norm = nn.LayerNorm(outputs)
        for linear in (self.linear, self.modulation):
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")

    def forward(self, inputs: Tensor, modulation: Tensor) -> Tensor:
        """(..., inputs), (..., outputs) already projected -> (..., outputs)."""
        return functional.silu(self.norm(self.linear(inputs) * (1 + modulation)))


class LatentDenoiser(nn.Module):
    """The MLP that predicts a clean code from a noisy one, the step and the condition.

    Codes are scaled to [-1, 1] (``BehaviourVAE.to_unit``). The noisy code is appended to the
    input of every layer. What depends on step and condition alone is made by ``modulations``, so
    that it can be shared by all noise draws of a clip.
    """

    def __init__(self, config: LDMConfig):
        super().__init__()
        self.config = config
        latent, hidden = config.latent, config.hidden
        self.embed_time = _silu_mlp(config.time_channels, latent)
        self.embed_condition = _silu_mlp(latent, latent)
        widths = [latent] + [hidden] * (config.layers - 2)
        self.layers = nn.ModuleList(ModulatedLayer(w + latent, hidden, 2 * latent) for w in widths)
        self.to_code = nn.Linear(hidden + latent, latent)

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """Predict clean codes.

        Args:
            noisy: (..., 128).
            steps: (...,) integer steps.
            condition: (..., 128) scaled codes of the speaker. Leading dimensions of ``steps`` and
                ``condition`` agree; those of ``noisy`` broadcast against them.

        Returns:
            (..., 128), not clipped.
        """
        time = self.embed_time(time_features(steps, self.config.time_channels))
        both = functional.silu(torch.cat([time, self.embed_condition(condition)], dim=-1))
        return self.denoise(noisy, [layer.modulation(both) for layer in self.layers])

    def denoise(self, noisy: Tensor, modulations: list[Tensor]) -> Tensor:
        """The layers: noisy codes (..., 128) and one (..., 1024) per modulated layer."""
        hidden = noisy
        for layer, modulation in zip(self.layers, modulations, strict=True):
            hidden = layer(torch.cat([hidden, noisy], dim=-1), modulation)
        return self.to_code(torch.cat([hidden, noisy], dim=-1))

    def time_modulations(self, steps: Tensor) -> list[Tensor]:
        """What the steps (n,) add to the modulations: per layer (n, 1024), bias included."""
        features = time_features(steps, self.config.time_channels)
        time = functional.silu(self.embed_time(features))
        split = self.config.latent
        return [
            functional.linear(time, layer.modulation.weight[:, :split], layer.modulation.bias)
            for layer in self.layers
        ]

    def condition_modulations(self, condition: Tensor) -> list[Tensor]:
        """What the condition (..., 128) adds to the modulations: per layer (..., 1024)."""
        embedded = functional.silu(self.embed_condition(condition))
        split = self.config.latent
        return [
            functional.linear(embedded, layer.modulation.weight[:, split:]) for layer in self.layers
        ]


def _silu_mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


class LatentDiffusion(nn.Module):
    """The denoiser with its noise schedule."""

    def __init__(self, config: LDMConfig):
        super().__init__()
        self.config = config
        self.denoiser = LatentDenoiser(config)
        self.schedule = cosine_schedule(config.steps)

    def add_noise(self, code: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        """Codes after ``steps`` (...,) of diffusion: sqrt(s) code + sqrt(1 - s) noise."""
        # The table is no buffer: a module in half precision would round it.
        signal = torch.from_numpy(self.schedule.signal)[steps.cpu()].unsqueeze(-1)
        return send(signal.sqrt(), code) * code + send((1 - signal).sqrt(), code) * noise

    def ddim_step(self, noisy: Tensor, predicted: Tensor, step: int) -> Tensor:
        """One step back without added noise (DDIM, Song et al. 2021, eq. 12 with eta 0).

        From ``noisy`` (..., 128) at ``step`` (0 .. steps - 1) and the clipped codes predicted.
        """
        signal = float(self.schedule.signal[step])
        before = float(self.schedule.previous_signal[step])
        noise = (noisy * math.sqrt(1 / signal) - predicted) / math.sqrt(1 / signal - 1)
        return predicted * math.sqrt(before) + noise * math.sqrt(1 - before)


def official_names(config: LDMConfig) -> tuple[dict[str, str], dict[str, str]]:
    """Official key -> our name, and second official key -> first, for one tensor with two names."""
    last = config.layers - 1
    modules = {f"time_embed.{i}": f"embed_time.{i}" for i in (0, 2)}
    modules |= {f"cond_embed.{i}": f"embed_condition.{i}" for i in (0, 2)}
    for i in range(last):
        modules |= {
            f"layers.{i}.linear": f"layers.{i}.linear",
            f"layers.{i}.linear_emb": f"layers.{i}.modulation",
            f"layers.{i}.norm": f"layers.{i}.norm",
        }
    modules[f"layers.{last}.linear"] = "to_code"
    twice = {f"layers.{i}.cond_layers.1": f"layers.{i}.linear_emb" for i in range(last)}
    return official_keys.of_layers(modules), official_keys.of_layers(twice)


def load_official_ldm(
    state: Mapping[str, Tensor], config: LDMConfig | None = None
) -> LatentDiffusion:
    """Stage 2 with the weights of an official checkpoint, in eval mode.

    Args:
        state: The checkpoint's ``state_dict``, with or without ``module.`` before its keys.
        config: Sizes; the official ones where left out.

    Raises:
        InputError: Tensors are missing, unexpected or of another shape.
    """
    ldm = LatentDiffusion(config or LDMConfig(window_start="first_window", discard_draws=True))
    names, aliases = official_names(ldm.config)
    what = "stage 2 of BeLFusion (its latent diffusion MLP)"
    official_keys.load(ldm.denoiser, state, names, what=what, aliases=aliases)
    return ldm.eval()
