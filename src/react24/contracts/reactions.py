"""What a trained model is to those who sample from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from react24.errors import InputError


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
        self,
        speaker: Mapping[str, Tensor],
        n_samples: int,
        generators: Sequence[torch.Generator],
    ) -> Reactions:
        """Draw reactions to B clips at once.

        Args:
            speaker: The model's own name of an array -> (B, T, D) on the model's device, as its
                ``stage_inputs`` for sampling has it; ``frames``, where it needs pictures, is
                uint8 (B, T, 3, H, W).
            n_samples: S, reactions per clip.
            generators: B CPU generators. All chance of clip b comes from the b-th, sample after
                sample, so that its reactions do not depend on the clips beside it.
        """
        ...


def load_stage(module: nn.Module, weights: Mapping[str, Mapping[str, Tensor]], stage: str) -> None:
    """Give a module the weights of a trained stage.

    Args:
        module: Made with the settings of the model.
        weights: Stage -> tensors, as they were saved.
        stage: Which of them.

    Raises:
        InputError: They are not those of a module of these settings.
    """
    try:
        module.load_state_dict(dict(weights[stage]))
    except RuntimeError as error:
        raise InputError(
            f"the weights of stage {stage} do not fit the settings of the model: {error}"
        ) from error
