"""Losses over what is known: frames whose target is invalid are left out.

A target is invalid where nobody saw the face: the value there is a held one, or no value at all.
Where a network reads such frames, the held values stand there; what it is held against leaves them
out. ``valid`` is None where every frame of the split is valid, and a loss is then computed exactly
as without any of this.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEAST_VALID = 0.5
"""A window that is judged as a whole, such as by its code, counts if this share of its frames is
valid. As for whole clips (``clips.min_valid``)."""


def mean_error(error: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of an error (..., T, D) over the valid frames (None: all); 0 where no frame is valid."""
    if valid is None:
        return error.mean()
    count = valid.sum() * error.shape[-1]
    return error.masked_fill(~valid.unsqueeze(-1), 0).sum() / count.clamp_min(1)


def squared_error(made: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """Mean squared error over the valid frames: (..., T, D) twice, bool (..., T) or None."""
    if valid is None:
        return functional.mse_loss(made, target)
    return mean_error((made - target).square(), valid)


def mean_item(losses: Tensor, counts: Tensor | None) -> Tensor:
    """Mean of the losses of some items (n,), of those that count (bool (n,)); 0 if none does."""
    if counts is None:
        return losses.mean()
    return losses.masked_fill(~counts, 0).sum() / counts.sum().clamp_min(1)


def usable(valid: Tensor) -> Tensor:
    """Which windows are valid enough to be judged as a whole: bool (..., T) -> bool (...)."""
    return valid.float().mean(-1) >= LEAST_VALID


def within_usable(valid: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The valid frames of those windows that are usable: bool (B, T), T a multiple of ``window``.

    Also says which windows are usable, bool (B, T / window).
    """
    windows = valid.unflatten(-1, (-1, window))
    kept = usable(windows)
    return (windows & kept.unsqueeze(-1)).flatten(-2), kept


def both(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Where both are valid; None where all of both is."""
    if first is None or second is None:
        return second if first is None else first
    return torch.logical_and(first, second)
