"""tanh at the price of a sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor

_SIGMOID_IS_FASTER = (torch.float32, torch.float64)


def scale_for_tanh(like: Tensor) -> int:
    """What the argument of ``tanh_of_scaled_`` has to be multiplied with: 2 or 1.

    On a CPU, where torch's sigmoid is several times as fast as its tanh, tanh is computed as ``2
    sigmoid(2x) - 1``. In float32 the two differ by no more than 2e-7; in half precision they
    would differ by too much.
    """
    return 2 if like.device.type == "cpu" and like.dtype in _SIGMOID_IS_FASTER else 1


def tanh_of_scaled_(values: Tensor) -> Tensor:
    """tanh(x), in place, of x times ``scale_for_tanh``, a factor that linear layers give free."""
    if scale_for_tanh(values) == 1:
        return values.tanh_()
    return values.sigmoid_().mul_(2).sub_(1)
