"""What a training tells of itself: its curves, and its progress while it runs.

Curves are kept with the checkpoint and written once, to ``history.h5``.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from react24.files import contract
from react24.log import SECONDS_BETWEEN_LINES

logger = logging.getLogger(__name__)

PARTS = ("train", "val")
SECONDS_BETWEEN_LOSSES = 1.0
"""How often the loss on the bar is renewed; reading it makes a GPU wait."""

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

    sums: dict[str, Tensor] = field(default_factory=dict)
    items: int = 0

    def add(self, terms: Mapping[str, Tensor], items: int) -> None:
        """Add the terms (0-dimensional tensors) of a batch of so many items."""
        for name, value in terms.items():
            value = value.detach().double() * items
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.items += items

    def means(self) -> dict[str, float]:
        """Mean per item of each term."""
        return {name: float(value) / self.items for name, value in self.sums.items()}


class Board:
    """A TensorBoard log; without one where there is no room for it, for a training is worth more.

    Use as a context manager.
    """

    def __init__(self, folder: Path, step: int):
        """Open the log.

        Args:
            folder: Of the log; a new run replaces the one of the run before it.
            step: Steps that are done; what the log has of later ones is left out.
        """
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self._writer: Any = None
        try:
            if step == 0 and folder.is_dir():
                for old in folder.glob("events.out.tfevents.*"):
                    old.unlink()
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        except OSError as error:
            self._give_up(error)

    def add(self, name: str, value: float, step: int) -> None:
        """Add a value; it is written within two minutes."""
        if self._writer is None:
            return
        try:
            self._writer.add_scalar(name, value, step)
        except OSError as error:  # of the thread that writes
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without, where the disk is full."""
        if error.errno not in contract.FULL:
            raise error
        self._writer = None
        logger.error(
            "%s: the disk is full; training goes on without a log for TensorBoard (the curves are "
            "in history.h5)",
            self.folder,
        )

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
        except OSError as error:
            self._give_up(error)


class StepProgress:
    """A bar when stderr is a terminal, otherwise a log line at the start and every ten seconds.

    Unlike ``react24.log.progress`` it shows the loss.
    """

    def __init__(self, what: str, total: int, start: int):
        self.what, self.total, self.start, self.done = what, total, start, start
        self.began = self.shown = time.monotonic()
        self.bar = None
        logger.info("%s: %d steps", what, total - start)
        if sys.stderr.isatty():
            self.bar = tqdm(desc=what, unit="step", total=total, initial=start, leave=False)

    def due(self) -> bool:
        """Whether it is time to hand over the loss with the next step."""
        wait = SECONDS_BETWEEN_LOSSES if self.bar else SECONDS_BETWEEN_LINES
        return time.monotonic() - self.shown >= wait

    def step(self, loss: float | None = None) -> None:
        """One more step is done.

        Args:
            loss: Where ``due`` asked for it.
        """
        self.done += 1
        if self.bar:
            self.bar.update()
        if loss is None:
            return
        self.shown = time.monotonic()
        if self.bar:
            self.bar.set_postfix(loss=f"{loss:.4g}")
            return
        rate = (self.done - self.start) / (self.shown - self.began)
        left = (self.total - self.done) / rate
        logger.info(
            "%s: %d/%d steps, %.1f steps/s, %.0f s left, loss %.4g",
            *(self.what, self.done, self.total, rate, left, loss),
        )

    def __enter__(self) -> StepProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar:
            self.bar.close()
