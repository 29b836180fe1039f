"""What a trained model is to those who sample from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reactions:
    """Sampled reactions, native units.

    Attributes:
        emotion: (B, S, T, 25).
        coefficients: (B, S, T, 58); None where the model makes none.
    """

    emotion: Tensor
    coefficients: Tensor | None = None


class ReactionModel(Protocol):
    """A trained model, all its stages loaded."""

    def to(self, device: torch.device | str) -> ReactionModel:
        """Move it; returns itself."""
        ...

    def react(
        self, speaker: Mapping[str, Tensor], n_samples: int, generator: torch.Generator
    ) -> Reactions:
        """Draw reactions.

        Args:
            speaker: Stream -> (B, T, D) on the model's device, the streams and spaces that the
                registry names for the model.
            n_samples: S, reactions per clip.
            generator: CPU generator; clip after clip, so that the result does not depend on how
                clips are batched.
        """
        ...
