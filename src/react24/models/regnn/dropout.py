"""REGNN, dropout of the perceptual processor: a plain one whose masks cost little on a CPU.

PyTorch draws a random number per element there, which takes longer than the layer that is dropped.
Here four elements share one draw of 64 bits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = 2**16
"""A probability is rounded to a multiple of 1 / LEVELS; the scaling uses the rounded one."""


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """As ``torch.nn.functional.dropout``: draws from torch's global generator."""
    if not training or probability == 0:
        return x
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return functional.dropout(x, probability)
    return x * _multipliers(x, round(probability * LEVELS))


def _multipliers(x: Tensor, dropped: int) -> Tensor:
    """0 with probability ``dropped`` / LEVELS, else what keeps the mean; of the shape of ``x``."""
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64)
    draws.random_(torch.iinfo(torch.int64).min, None)  # all 64 bits
    levels = draws.view(torch.int16)[: x.numel()].view(x.shape)
    multipliers = torch.empty_like(x, memory_format=torch.contiguous_format)
    torch.ge(levels, dropped - LEVELS // 2, out=multipliers)
    return multipliers.mul_(LEVELS / (LEVELS - dropped))
