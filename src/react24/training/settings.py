"""Settings of the training loop that every model shares (section ``training``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from react24.models.settings import build


@dataclass(frozen=True)
class LoopSettings:
    """How a stage is run through the loop.

    ``checkpoint_seconds``, ``checkpoint_steps`` and ``max_memory_mb`` change no number of the
    result; a run may be continued under other values of them.

    Attributes:
        epochs: Passes over the training clips.
        max_steps: Stop after this many steps, even within an epoch; None for no limit.
        precision: ``32-true``, ``bf16-mixed``, ``16-mixed`` or ``bf16-true``.
        gradient_clip: Largest joint norm of the gradients; None for no limit.
        validate_every: Epochs between two validations; the last epoch is always validated.
        checkpoint_seconds: Seconds between two checkpoints.
        checkpoint_steps: Steps between two checkpoints, on top of the seconds; None for none.
        max_memory_mb: Clips are loaded into memory once if they need less than this (MiB), else
            read from the file batch by batch.
    """

    epochs: int = 1
    max_steps: int | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    gradient_clip: float | None = None
    validate_every: int = 5
    checkpoint_seconds: float = 60.0
    checkpoint_steps: int | None = None
    max_memory_mb: float = 4096.0

    def __post_init__(self) -> None:
        for name in ("epochs", "max_steps", "gradient_clip", "validate_every", "checkpoint_steps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, found {value}")
        for name in ("checkpoint_seconds", "max_memory_mb"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")

        if self.precision == "16-mixed" and self.gradient_clip is not None:
            raise ValueError("gradient_clip does not go with precision 16-mixed; use bf16-mixed")

    def shaping(self) -> dict[str, Any]:
        """The settings that the result depends on."""
        names = ("epochs", "max_steps", "precision", "gradient_clip", "validate_every")
        return {name: getattr(self, name) for name in names}


def read_loop_settings(values: Mapping[str, Any] | None, *, epochs: int) -> LoopSettings:
    """Loop settings of a stage from the section ``training`` of a model's settings.

    Args:
        values: The section; None or empty for the defaults.
        epochs: Of the stage; they are a setting of the stage, not of the section.

    Raises:
        InputError: Unknown key, wrong type or value.
    """
    return build(LoopSettings, {**(values or {}), "epochs": epochs}, "training")
