"""How several processes, one per GPU, share the work of a training; nothing to do for one.

Every process makes the same batch and takes its part of it, so that the batch size, the order and
the number of steps do not depend on the number of GPUs. The gradients of the parts are averaged
(``DistributedDataParallel``), each weighted by its number of items. Noise is drawn by each process
for itself: a run with two GPUs is another draw than one with a single GPU, and as reproducible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from react24.contracts.task import Batch
from react24.training.record import EpochMeans


@dataclass(frozen=True)
class Part:
    """One process's part of a batch.

    Attributes:
        batch: Its items; one of them stands in where there are none for this process.
        items: How many count.
        scale: What its loss is multiplied by, so that the average over processes is the mean over
            all items.
    """

    batch: Batch
    items: int
    scale: float

    def pin_memory(self) -> Part:
        """The same in page-locked memory."""
        return Part({k: v.pin_memory() for k, v in self.batch.items()}, self.items, self.scale)


class Share:
    """This process's share of the work."""

    def __init__(self, engine: Any):
        self.engine = engine
        self.world, self.rank = engine.world_size, engine.global_rank
        self.is_first: bool = engine.is_global_zero

    @property
    def key(self) -> tuple[int, ...]:
        """What tells this process's random streams from those of the others."""
        return (self.rank,) if self.world > 1 else ()

    def prepare(self, module: nn.Module) -> nn.Module:
        """Let batch statistics be those of the whole batch, where the backend can (CUDA)."""
        if self.world > 1 and self.engine.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return module

    def part(self, batch: Batch) -> Part:
        """This process's items of a batch."""
        total = len(next(iter(batch.values())))
        if self.world == 1:
            return Part(batch, total, 1.0)
        own = torch.arange(total).tensor_split(self.world)[self.rank]
        rows = own if len(own) else torch.zeros(1, dtype=torch.int64)
        items = {name: tensor[rows] for name, tensor in batch.items()}
        return Part(items, len(own), len(own) * self.world / total)

    def sum_up(self, means: EpochMeans) -> EpochMeans:
        """The sums of all processes."""
        if self.world == 1:
            return means
        copies = {name: value.clone() for name, value in means.sums.items()}  # it works in place
        sums = {k: self.engine.all_reduce(v, reduce_op="sum") for k, v in copies.items()}
        items = torch.tensor(float(means.items), dtype=torch.float64, device=self.engine.device)
        return EpochMeans(sums, int(self.engine.all_reduce(items, reduce_op="sum")))

    def from_first(self, value: Any) -> Any:
        """What the first process has."""
        return value if self.world == 1 else self.engine.broadcast(value)

    def agree(self, flag: bool) -> bool:
        """The first process's answer, for all."""
        return bool(self.from_first(flag))
