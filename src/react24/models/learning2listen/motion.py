"""Motion as both stages read it: smoothed, and in standardised units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.devices import send
from react24.errors import InputError

SMALLEST_STD = 1e-6
"""A column that moves less is not scaled."""

EPSILON = 1e-10
"""Added to the standard deviations of ``sequences``, as the official code does."""

SIGMA = 20.0
"""Of the official bilateral filter, over frames and over values."""


def smoothing_taps() -> Tensor:
    """The 5 weights of the official smoothing: about (1, 3, 5, 3, 1) / 13.

    The official loader runs OpenCV's bilateral filter (diameter 5, both sigmas 20) over each
    column as if it were a picture one pixel wide. Its border rule repeats that pixel sideways, so
    frame k counts with all pixels of a disc of radius 2 at height k; values are so small against
    20 that the weights do not depend on them.
    """
    disc = [
        sum(
            math.exp(-(k * k + side * side) / (2 * SIGMA**2))
            for side in range(-2, 3)
            if k * k + side * side <= 4
        )
        for k in range(-2, 3)
    ]
    return torch.tensor(disc) / sum(disc)


def smooth_motion(motion: Tensor) -> Tensor:
    """Smooth every column over 5 frames: (N, T, D) -> (N, T, D).

    Beyond its ends a sequence is mirrored, the last frame not repeated.
    """
    channels = motion.shape[-1]
    columns = functional.pad(motion.transpose(1, 2), (2, 2), mode="reflect")
    taps = send(smoothing_taps(), motion).expand(channels, 1, 5)
    return functional.conv1d(columns, taps, groups=channels).transpose(1, 2)


class Standardiser(nn.Module):
    """Units of a stream: buffers ``mean`` and ``std`` (D,), which travel with the weights."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def forward(self, native: Tensor) -> Tensor:
        """Native -> standardised, (..., D)."""
        return (native - self.mean) / self.std

    def to_native(self, standardised: Tensor) -> Tensor:
        """Standardised -> native, (..., D)."""
        return standardised * self.std + self.mean

    @torch.no_grad()
    def set(self, statistics: MotionStatistics) -> None:
        """Take over measured statistics."""
        self.mean.copy_(statistics.mean)
        self.std.copy_(statistics.std)

    @torch.no_grad()
    def set_official(self, arrays: Mapping[str, object], name: str) -> None:
        """Take over ``body_mean_{name}`` and ``body_std_{name}`` of official statistics.

        Raises:
            InputError: They are missing or of another size.
        """
        for target, part in ((self.mean, "mean"), (self.std, "std")):
            key = f"body_{part}_{name}"
            if key not in arrays:
                raise InputError(
                    f"official statistics: {key} is missing; found {', '.join(arrays) or 'nothing'}"
                )
            value = torch.as_tensor(arrays[key]).flatten()
            if value.shape != target.shape:
                raise InputError(
                    f"official statistics: {key} has {len(value)} columns, expected {len(target)}"
                )
            target.copy_(value)


@dataclass(frozen=True)
class MotionStatistics:
    """Mean and unit of each column, float64 (D,)."""

    mean: Tensor
    std: Tensor


def measure(sequences: Iterable[Tensor], kind: Literal["sequences", "plain"]) -> MotionStatistics:
    """Statistics over batches (N, T, D) of sequences of equal length.

    ``plain`` is the standard deviation over all frames. ``sequences`` is what the official code
    takes for it: the standard deviation, over sequences, of the standard deviation within a
    sequence, plus 1e-10. A column that hardly moves gets the unit 1 in both.

    Raises:
        InputError: There are none.
    """
    means, variances = [], []
    for batch in sequences:
        batch = batch.double()
        means.append(batch.mean(1))
        variances.append(batch.var(1, correction=0))
    if not means:
        raise InputError("statistics of motion or sound need at least one sequence")
    mean, variance = torch.cat(means), torch.cat(variances)  # (sequences, D)
    plain = (variance.mean(0) + mean.var(0, correction=0)).sqrt()
    std = plain if kind == "plain" else variance.sqrt().std(0, correction=0) + EPSILON
    still = (plain < SMALLEST_STD) | (std < SMALLEST_STD)
    return MotionStatistics(mean.mean(0), torch.where(still, torch.ones_like(std), std))


def measure_valid(sequences: Iterable[tuple[Tensor, Tensor]]) -> MotionStatistics:
    """What ``measure`` calls ``plain``, over the valid frames, bool (N, T), of batches (N, T, D).

    Raises:
        InputError: No frame is valid.
    """
    counts, means, squares = [], [], []
    for values, valid in sequences:
        kept = valid.unsqueeze(-1)
        count = valid.sum(1).double().unsqueeze(-1)  # (N, 1)
        mean = values.double().masked_fill(~kept, 0).sum(1) / count.clamp_min(1)  # (N, D)
        apart = (values.double() - mean.unsqueeze(1)).masked_fill(~kept, 0)
        counts.append(count)
        means.append(mean)
        squares.append(apart.square().sum(1))
    count = torch.cat(counts) if counts else torch.zeros(1, 1)
    total = count.sum()
    if not total:
        raise InputError("statistics of motion or sound need at least one valid frame")
    own, within = torch.cat(means), torch.cat(squares)  # (sequences, D)
    mean = (own * count).sum(0) / total
    between = ((own - mean).square() * count).sum(0)
    std = ((within.sum(0) + between) / total).sqrt()
    return MotionStatistics(mean, torch.where(std < SMALLEST_STD, torch.ones_like(std), std))
