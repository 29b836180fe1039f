"""An exponential moving average of the weights (EMA), kept beside those that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Moving average of a module's trainable parameters.

    After each step ``average = decay * average + (1 - decay) * weights``. It starts as a copy of
    the weights. Buffers (batch statistics, scales) are not averaged.

    Attributes:
        values: Parameter name -> average, on the parameter's device.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self._parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.values = {n: p.detach().clone() for n, p in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        weights = [self._parameters[name] for name in self.values]
        torch._foreach_lerp_(list(self.values.values()), weights, 1.0 - self.decay)

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Continue from saved values."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module has the averaged weights inside the block, its own again after it."""
        own = {name: p.detach().clone() for name, p in self._parameters.items()}
        self.copy_to_module()
        try:
            yield
        finally:
            self._copy(own)

    def copy_to_module(self) -> None:
        """Give the module the averaged weights for good."""
        self._copy(self.values)

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
