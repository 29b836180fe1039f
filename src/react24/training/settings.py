"""Settings of the training loop that every model shares (section ``training``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from react24.contracts.settings import build


@dataclass(frozen=True)
class LoopSettings:
    """How a stage is run through the loop.

    ``checkpoint_seconds``, ``checkpoint_steps``, ``max_memory_mb`` and ``prefetch`` change no
    number of the result; a run may be continued under other values of them.

    Attributes:
        epochs: Passes over the training clips.
        max_steps: Stop after this many steps, even within an epoch; None for no limit.
        precision: ``32-true``, ``bf16-mixed``, ``16-mixed`` or ``bf16-true``.
        gradient_clip: Largest joint norm of the gradients; None for no limit.
        validate_every: Epochs between two validations; the last epoch is always validated.
        keep_best: Loss term of the validation, e.g. ``loss``, whose lowest value picks the weights
            that are kept; None keeps the last ones.
        patience: Stop after so many validations without a new best one; None never. Needs
            ``keep_best``.
        ema: Decay of a moving average of the weights, e.g. 0.999, which is then what is
            validated and kept; None for none.
        checkpoint_seconds: Seconds between two checkpoints.
        checkpoint_steps: Steps between two checkpoints, on top of the seconds; None for none.
        max_memory_mb: Clips are loaded into memory once as far as they need less than this (MiB),
            the smallest streams first; others are read from the file batch by batch.
        prefetch: Make the next batch in a thread meanwhile; None does so on a GPU and where
            batches are read from disk.
    """

    epochs: int = 1
    max_steps: int | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    gradient_clip: float | None = None
    validate_every: int = 5
    keep_best: str | None = None
    patience: int | None = None
    ema: float | None = None
    checkpoint_seconds: float = 60.0
    checkpoint_steps: int | None = None
    max_memory_mb: float = 4096.0
    prefetch: bool | None = None

    def __post_init__(self) -> None:
        positive = ("epochs", "max_steps", "gradient_clip", "validate_every", "checkpoint_steps")
        for name in (*positive, "patience"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, found {value}")
        for name in ("checkpoint_seconds", "max_memory_mb"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        if self.patience is not None and self.keep_best is None:
            raise ValueError("patience needs keep_best: which loss term has to get better")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema must lie between 0 and 1, found {self.ema}")
        if self.precision == "16-mixed" and self.gradient_clip is not None:
            raise ValueError("gradient_clip does not go with precision 16-mixed; use bf16-mixed")

    def shaping(self) -> dict[str, Any]:
        """The settings that the result depends on."""
        names = ("epochs", "max_steps", "precision", "gradient_clip", "validate_every")
        names += ("keep_best", "patience", "ema")
        return {name: getattr(self, name) for name in names}


def read_loop_settings(
    values: Mapping[str, Any] | None, *, epochs: int, where: str = "training"
) -> LoopSettings:
    """Loop settings of a stage from the section ``training`` of a model's settings.

    Args:
        values: The section; None or empty for the defaults.
        epochs: Of the stage; they are a setting of the stage, not of the section.
        where: How the user finds the section, for errors.

    Raises:
        InputError: Unknown key, wrong type or value.
    """
    return build(LoopSettings, {**(values or {}), "epochs": epochs}, where)
