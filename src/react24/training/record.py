"""Training curves: kept with the checkpoint, written once to ``history.h5``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from react24.files import contract

PARTS = ("train", "val")
Rows = dict[str, list[float]]


@dataclass
class History:
    """Loss terms by epoch.

    Attributes:
        train: Column -> values, one per epoch: ``step`` (done after the epoch), ``epoch``
            (0-based), and the mean of each loss term over the items of the epoch.
        val: The same over the validation clips, one row per validation.
    """

    train: Rows = field(default_factory=dict)
    val: Rows = field(default_factory=dict)

    def add(self, part: str, step: int, epoch: int, terms: Mapping[str, float]) -> None:
        """Append one row to ``train`` or ``val``."""
        rows: Rows = getattr(self, part)
        for name, value in {"step": step, "epoch": epoch, **terms}.items():
            rows.setdefault(name, []).append(value)

    def as_dict(self) -> dict[str, Rows]:
        """Plain lists, for a checkpoint."""
        return {part: getattr(self, part) for part in PARTS}

    def write(
        self, path: Path, *, created_by: str, config: Mapping, inputs: Mapping[str, str]
    ) -> None:
        """Write the history file: groups ``train`` and ``val``, one dataset per column.

        ``step`` and ``epoch`` are int64, loss terms float64, all (rows,).
        """
        with contract.create(
            path, schema="history", created_by=created_by, config=config, inputs=inputs
        ) as file:
            for part in PARTS:
                group = file.create_group(part)
                for name, values in getattr(self, part).items():
                    kind = np.int64 if name in ("step", "epoch") else np.float64
                    group.create_dataset(name, data=np.asarray(values, kind))


@dataclass
class EpochMeans:
    """Sums of the loss terms of the epoch so far, weighted by items.

    They stay on the device as float64 until somebody asks, so that a GPU is not waited for.
    """

    sums: dict = field(default_factory=dict)
    items: int = 0

    def add(self, terms: Mapping, items: int) -> None:
        """Add the terms (0-dimensional tensors) of a batch of so many items."""
        for name, value in terms.items():
            value = value.detach().double() * items
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.items += items

    def means(self) -> dict[str, float]:
        """Mean per item of each term."""
        return {name: float(value) / self.items for name, value in self.sums.items()}
