"""Which weights a training keeps: their exponential moving average (EMA), the best, or the last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from react24.errors import InputError


class EMA:
    """Exponential moving average of a module's trainable parameters.

    After each step ``ema = decay * ema + (1 - decay) * weights``, from a copy of the first weights
    on. Buffers (batch statistics, scales) are not averaged.

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


@dataclass
class BestWeights:
    """The weights with the lowest validation loss so far, and how long they have been the best.

    Attributes:
        name: The loss term that counts.
        value: Its lowest value.
        step: Steps done then.
        waited: Validations since.
        weights: ``state_dict`` then, on the CPU; None before the first validation.
    """

    name: str
    value: float = math.inf
    step: int = 0
    waited: int = 0
    weights: dict[str, Tensor] | None = None

    def see(self, step: int, terms: Mapping[str, float], module: nn.Module) -> None:
        """Take in one validation.

        Raises:
            InputError: The validation has no term of this name.
        """
        if self.name not in terms:
            raise InputError(
                f"training.keep_best: there is no loss term {self.name!r}; the validation has "
                f"{', '.join(terms)}"
            )
        if not terms[self.name] < self.value:
            self.waited += 1
            return
        self.value, self.step, self.waited = terms[self.name], step, 0
        self.weights = {k: v.detach().cpu().clone() for k, v in module.state_dict().items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything but the name, for a checkpoint."""
        return {k: v for k, v in vars(self).items() if k != "name"}
