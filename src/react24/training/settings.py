"""Settings of the training loop that every model shares (section ``training``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from react24.contracts.settings import SettingsModel
from react24.project.shaping import shaping


class LoopSettings(SettingsModel):
    """How a stage is run through the loop.

    A new setting that changes no number is named in ``react24.project.shaping`` as well: a run may
    be continued under another value of it.
    """

    epochs: PositiveInt = 1
    """Passes over the training clips; a setting of the stage, not of the section."""

    max_steps: PositiveInt | None = None
    """Stop after this many steps, even within an epoch; null for no limit."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    """Of numbers in training: float32, or mixed with or wholly in 16 bits."""

    tf32: bool = False
    """Let a GPU round the factors of float32 products to 10 bits, which is faster; a processor
    never does."""

    compile: bool = False
    """Compile the loss with `torch.compile`: slow to start; docs/gpu.md has what was measured."""

    gradient_clip: PositiveFloat | None = None
    """Largest joint norm of the gradients; null for no limit."""

    validate_every: PositiveInt = 5
    """Epochs between two validations; the last epoch is always validated."""

    keep_best: str | None = None
    """Loss term of the validation, e.g. `loss`, whose lowest value picks the weights that are kept;
    null keeps the last ones."""

    patience: PositiveInt | None = None
    """Stop after so many validations without a new best one; null never. Needs `keep_best`."""

    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of a moving average of the weights, e.g. 0.999, which is then what is validated and
    kept; null for none."""

    checkpoint_seconds: NonNegativeFloat = 60.0
    """Seconds between two checkpoints."""

    checkpoint_steps: PositiveInt | None = None
    """Steps between two checkpoints, on top of the seconds; null for none."""

    keep_checkpoints: bool = False
    """Keep the last two checkpoints of a stage that is done, with the state of its optimiser. They
    only continue the same run: after a change of settings, more epochs too, a stage is trained
    anew. Otherwise its weights and curves alone stay there, from which its files can be written
    again."""

    max_memory_mb: NonNegativeFloat = 4096.0
    """Clips are loaded into memory once as far as they need less than this (MiB), the smallest
    streams first; others are read from the file batch by batch."""

    prefetch: bool | None = None
    """Make the next batch in a thread meanwhile; null does so on a GPU and where batches are read
    from disk."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.patience is not None and self.keep_best is None:
            raise ValueError("patience needs keep_best: which loss term has to get better")
        if self.precision == "16-mixed" and self.gradient_clip is not None:
            raise ValueError("gradient_clip does not go with precision 16-mixed; use bf16-mixed")
        return self

    def shaping(self) -> dict[str, Any]:
        """The settings that the result depends on."""
        return shaping({"training": self.model_dump()})["training"]


def read_loop_settings(
    values: Mapping[str, Any] | None, *, epochs: int, where: str = "training"
) -> LoopSettings:
    """Loop settings of a stage from the section ``training`` of a model's settings.

    Args:
        values: The section; None or empty for the defaults.
        epochs: Of the stage; they are a setting of the stage, not of the section.
        where: How the user finds the section, for errors.

    Raises:
        InputErrors: Unknown keys, wrong types or values.
    """
    if values is not None and not isinstance(values, Mapping):
        return LoopSettings.read(values, where)  # refused by name
    return LoopSettings.read({**(values or {}), "epochs": epochs}, where)
