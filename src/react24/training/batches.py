"""The batches of a training: made one step ahead, and shared among processes.

Every process makes the same batch and takes its shard of it, so that the batch size, the order and
the number of steps do not depend on the number of GPUs. The gradients of the shards are averaged
(``DistributedDataParallel``), each weighted by its number of items. Noise is drawn by each process
for itself: a run on two GPUs is another draw than one on a single GPU, and as reproducible.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from react24.contracts.task import Batch
from react24.training.record import EpochMeans


@dataclass(frozen=True)
class Shard:
    """One process's items of a batch.

    Attributes:
        batch: The items; one of the batch stands in where there are none for this process.
        items: How many count.
        scale: What the loss of the shard is multiplied by, so that the average over processes is
            the mean over all items.
    """

    batch: Batch
    items: int
    scale: float

    def pin_memory(self) -> Shard:
        """The same in page-locked memory."""
        return Shard({k: v.pin_memory() for k, v in self.batch.items()}, self.items, self.scale)


class Processes:
    """This process among those that train together, one per GPU; with one, nothing to do.

    Attributes:
        is_first: Whether this is the process that writes.
    """

    def __init__(self, engine: Any):
        self.engine = engine
        self.world, self.rank = engine.world_size, engine.global_rank
        self.is_first: bool = engine.is_global_zero

    @property
    def key(self) -> tuple[int, ...]:
        """What tells this process's random streams from those of the others."""
        return (self.rank,) if self.world > 1 else ()

    def synchronise_norms(self, module: nn.Module) -> nn.Module:
        """Let batch statistics be those of the whole batch, where the backend can (CUDA)."""
        if self.world > 1 and self.engine.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return module

    def shard(self, batch: Batch) -> Shard:
        """This process's items of a batch."""
        total = len(next(iter(batch.values())))
        if self.world == 1:
            return Shard(batch, total, 1.0)
        own = torch.arange(total).tensor_split(self.world)[self.rank]
        rows = own if len(own) else torch.zeros(1, dtype=torch.int64)
        items = {name: tensor[rows] for name, tensor in batch.items()}
        return Shard(items, len(own), len(own) * self.world / total)

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


class BatchLoader:
    """Hands out shards by step number; the same ones whether it prefetches or not.

    Use as a context manager.
    """

    def __init__(self, make: Callable[[int], Shard], total: int, *, prefetch: bool, pin: bool):
        """Say what is handed out.

        Args:
            make: Step -> this process's shard, on the CPU; a pure function.
            total: Steps in all; nothing beyond is made.
            prefetch: Make the next one in a thread while the last is worked on.
            pin: Put them into page-locked memory, from which copies to a GPU need not wait.
        """
        self._make, self._total, self._pin = make, total, pin
        self._thread = ThreadPoolExecutor(1, "prefetch") if prefetch else None
        self._next: tuple[int, Future[Shard]] | None = None

    def take(self, step: int) -> Shard:
        """The shard of a step; what goes wrong in making it is raised here."""
        if self._thread is None:
            return self._ready(step)
        number, future = self._next or (-1, None)
        shard = future.result() if future is not None and number == step else self._ready(step)
        self._next = None
        if step + 1 < self._total:
            self._next = (step + 1, self._thread.submit(self._ready, step + 1))
        return shard

    def _ready(self, step: int) -> Shard:
        shard = self._make(step)
        return shard.pin_memory() if self._pin else shard

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
