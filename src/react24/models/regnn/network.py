"""REGNN, the whole: the network of all processors, its losses, and sampling.

From windows of the speaker the perceptual and the cognitive processor make a point z and edges; the
motor processor maps real reactions to points near z and, run backwards, z plus noise to reactions
(Xu et al. 2023). Numbers are those of the REGNN baseline of REACT 2024; its files load through
``official``; ``settings`` has the variants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from react24.contracts.reactions import Reactions, load_stage
from react24.conventions import ACTION_UNITS
from react24.errors import InputError
from react24.models.regnn.graph import CognitiveProcessor, MotorProcessor
from react24.models.regnn.perception import PerceptualProcessor
from react24.models.regnn.settings import (
    GeneratorConfig,
    NetworkConfig,
    RegnnSettings,
    SamplingConfig,
    read_settings,
)
from react24.training.validity import mean_item

NO_THRESHOLD = -1.0
"""Below every distance."""


class RegnnNetwork(nn.Module):
    """The three processors.

    ``threshold`` is the distance below which a window counts as reached in training; it changes
    from epoch to epoch (``GeneratorConfig.threshold_divisor``) and travels with the weights.
    """

    def __init__(self, config: NetworkConfig, visual_width: int, sound_width: int):
        """Sizes, and the channels of the streams of the speaker."""
        super().__init__()
        self.config = config
        self.perception = PerceptualProcessor(config, visual_width, sound_width)
        self.cognition = CognitiveProcessor(config)
        self.motor = MotorProcessor(config)
        self.register_buffer("threshold", torch.tensor(NO_THRESHOLD))

    @classmethod
    def of(cls, settings: RegnnSettings) -> RegnnNetwork:
        """The network of some settings."""
        return cls(settings.network, settings.visual_width, settings.sound_width)

    def forward(self, visual: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, 25, 50) and edges (B, 8, 25, 25) of speakers, streams (B, 50, width)."""
        return self.cognition(self.perception(visual, sound))


# ------------------------------------------------------------------------------------------ losses


@dataclass(frozen=True)
class RegnnLosses:
    """Loss of a step: ``loss`` is ``distance`` + weight x ``spread``."""

    loss: Tensor
    distance: Tensor
    spread: Tensor


def distance_loss(
    points: Tensor,
    reactions: Tensor,
    present: Tensor,
    threshold: Tensor | float,
    over: str = "nearest",
) -> Tensor:
    """How far the speakers' points are from those of appropriate reactions.

    Mean over windows of t(min_k e_k), e_k the mean squared difference to reaction k, or, with
    ``over="all"``, of the mean over k of t(e_k); t(e) is e above the threshold and 0 below.

    Args:
        points: (B, N, D) of the speakers.
        reactions: (B, K, N, D) points of the reactions.
        present: bool (B, K), which reactions there are; windows with none are left out.
        threshold: 0-dimensional; negative for none.
        over: ``nearest`` or ``all``.
    """
    errors = (points.unsqueeze(1) - reactions).square().mean((-2, -1))  # (B, K)
    some = present.any(1)  # (B,)
    if over == "nearest":
        errors = errors.masked_fill(~present, math.inf).amin(1, keepdim=True)
        present = some.unsqueeze(1)
    errors = torch.where((errors > threshold) & present, errors, 0.0)
    return mean_item(errors.sum(1) / present.sum(1).clamp_min(1), some)


def spread_loss(reactions: Tensor, present: Tensor, norm: str = "L2") -> Tensor:
    """How far the points of a window's reactions, (B, K, N, D), are from their mean.

    Squared (``L2``) or absolute (``L1``) differences, the mean over all numbers of the reactions
    that are ``present``, bool (B, K); the gradient goes through the means too.
    """
    weight = present[:, :, None, None].to(reactions)
    mean = (reactions * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1)
    off = (reactions - mean) * weight
    total = off.square().sum() if norm == "L2" else off.abs().sum()
    return total / (weight.sum().clamp_min(1) * reactions[0, 0].numel())


def training_losses(
    network: RegnnNetwork,
    visual: Tensor,
    sound: Tensor,
    reactions: Tensor,
    present: Tensor,
    config: GeneratorConfig,
) -> RegnnLosses:
    """The losses of a batch of windows.

    In training mode the first call sets the ActNorms from its reactions, and distances below the
    network's threshold count as 0; in eval mode all count.

    Args:
        network: Is trained.
        visual: (B, 50, visual width).
        sound: (B, 50, sound width).
        reactions: (B, K, 50, 25) appropriate ones, native units.
        present: bool (B, K), which of them count; a window with none is left out.
        config: Kinds and weights.
    """
    points, edges = network(visual, sound)
    nodes = reactions.transpose(-1, -2)  # (B, K, 25, 50)
    if network.training and not network.motor.initialised and present.any():
        network.motor.initialise(nodes, edges, present)
    mapped = network.motor(nodes, edges)
    threshold = network.threshold if network.training else NO_THRESHOLD
    distance = distance_loss(points, mapped, present, threshold, config.distance)
    spread = spread_loss(mapped, present, config.spread)
    return RegnnLosses(distance + config.weight_spread * spread, distance, spread)


# ---------------------------------------------------------------------------------------- sampling


def cut_windows(sequence: Tensor, window: int, stride: int) -> Tensor:
    """Overlapping windows: (C, T, D) -> (C, W, window, D).

    Raises:
        InputError: They do not end where the sequence does.
    """
    frames = sequence.shape[1]
    if frames < window or (frames - window) % stride:
        raise InputError(
            f"a sequence of {frames} frames cannot be cut into windows of {window} every {stride}: "
            f"it must have {window} frames and a multiple of {stride} more (a clip has 750)"
        )
    return sequence.unfold(1, window, stride).transpose(-1, -2)


def join_windows(windows: Tensor, stride: int) -> Tensor:
    """Put overlapping windows together: (..., W, window, D) -> (..., T, D).

    Each frame is the mean of all windows that have it.
    """
    count, window = windows.shape[-3:-1]
    frames = window + (count - 1) * stride
    total = windows.new_zeros(*windows.shape[:-3], frames, windows.shape[-1])
    times = windows.new_zeros(frames, 1)
    for number in range(count):
        covered = slice(number * stride, number * stride + window)
        total[..., covered, :] += windows[..., number, :, :]
        times[covered] += 1
    return total / times


def limit_noise(noise: Tensor, config: SamplingConfig) -> Tensor:
    """Normal noise as it is added to points.

    The limit is the square root of ``config.noise``.

    Args:
        noise: (C, S, W, N, D) standard normal.
        config: ``clip`` scales all of a reaction's noise by limit / largest number, if that is
            below 1; ``element`` clamps each number; ``none`` leaves it.
    """
    limit = math.sqrt(config.noise)
    if config.noise_limit == "none":
        return noise
    if config.noise_limit == "element":
        return noise.clamp(-limit, limit)
    largest = noise.abs().amax((2, 3, 4), keepdim=True)
    return noise * torch.where(largest > limit, limit / largest, 1.0)


def binarise(windows: Tensor, what: str) -> Tensor:
    """Values of at least 1 to 1 and others to 0, in a part of (..., W, window, 25).

    ``units``: the AUs, which are the first 15 channels; ``frames``: the first 15 frames of every
    window, as the official option does; ``none``.
    """
    if what == "none":
        return windows
    first = slice(len(ACTION_UNITS))
    chosen = (..., first) if what == "units" else (..., first, slice(None))
    windows = windows.clone()
    windows[chosen] = (windows[chosen] >= 1).to(windows)
    return windows


@torch.no_grad()
def sample_windows(
    network: RegnnNetwork,
    visual: Tensor,
    sound: Tensor,
    noise: Tensor,
    config: SamplingConfig,
    steps: list[Tensor] | None = None,
) -> Tensor:
    """Reactions to the windows of some clips.

    Points, edges and norms are computed once; only the inverse runs for every reaction.

    Args:
        network: In eval mode.
        visual: (C, W, 50, visual width).
        sound: (C, W, 50, sound width).
        noise: (C, S, W, 25, 50), as it is added to the points.
        config: For the inverse.
        steps: See ``MotorProcessor.inverse``.

    Returns:
        (C, S, W, 50, 25) native units.
    """
    points, edges = network(visual.flatten(0, 1), sound.flatten(0, 1))
    points = points.unflatten(0, visual.shape[:2]).unsqueeze(2)  # (C, W, 1, N, D)
    made = network.motor.inverse(
        points + noise.transpose(1, 2),
        edges,
        iterations=config.iterations,
        tolerance=config.tolerance,
        steps=steps,
    )
    return made.permute(0, 2, 1, 4, 3)  # (C, S, W, D, N)


@torch.no_grad()
def sample(
    network: RegnnNetwork,
    visual: Tensor,
    sound: Tensor,
    n_samples: int,
    generators: Sequence[torch.Generator],
    config: SamplingConfig,
) -> Tensor:
    """Draw reactions to whole clips.

    Args:
        network: In eval mode.
        visual: (C, T, visual width), in the space the network was trained with.
        sound: (C, T, sound width).
        n_samples: Reactions per clip, S.
        generators: CPU generator of each clip, which gives W x 25 x 50 normal numbers for each
            reaction.
        config: Noise and inverse.

    Returns:
        (C, S, T, 25) native units.

    Raises:
        InputError: T does not fit the windows, or ``n_samples`` is not positive.
    """
    if n_samples < 1:
        raise InputError(f"n_samples must be at least 1, found {n_samples}")
    sizes = network.config
    visual = cut_windows(visual, sizes.window, sizes.stride)
    sound = cut_windows(sound, sizes.window, sizes.stride)
    shape = (visual.shape[1], sizes.nodes, sizes.window)
    drawn = [torch.randn(shape, generator=g) for g in generators for _ in range(n_samples)]
    noise = torch.stack(drawn).unflatten(0, (len(generators), n_samples))
    noise = limit_noise(noise.to(visual), config)
    windows = sample_windows(network, visual, sound, noise, config)
    return join_windows(binarise(windows, config.binarise), sizes.stride)


class Regnn:
    """The trained network, ready to sample (a ``react24.contracts.reactions.ReactionModel``)."""

    def __init__(self, network: RegnnNetwork, settings: RegnnSettings):
        self.network, self.settings = network.eval(), settings

    def to(self, device: torch.device | str) -> Regnn:
        """Move the network."""
        self.network.to(device)
        return self

    def react(
        self,
        speaker: Mapping[str, Tensor],
        n_samples: int,
        generators: Sequence[torch.Generator],
    ) -> Reactions:
        """Reactions to ``speaker["visual"]`` and ``speaker["sound"]``; see ``sample``."""
        return Reactions(
            sample(
                self.network,
                speaker["visual"],
                speaker["sound"],
                n_samples,
                generators,
                self.settings.sampling,
            )
        )


def load(settings: Mapping[str, Any], weights: Mapping[str, Mapping[str, Tensor]]) -> Regnn:
    """The trained model, from the tensors of stage ``generator`` as they were saved.

    Raises:
        InputError: The weights do not belong to a model of these settings.
    """
    resolved = read_settings(settings)
    network = RegnnNetwork.of(resolved)
    load_stage(network, weights, "generator")
    return Regnn(network, resolved)
