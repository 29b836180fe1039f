"""The weights with the lowest validation loss so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from react24.errors import InputError


@dataclass
class BestWeights:
    """The best weights so far and how long they have been the best.

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
