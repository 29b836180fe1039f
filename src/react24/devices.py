"""The device that torch runs on: choosing it, sending it tensors, and what its memory holds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from react24.errors import InputError

logger = logging.getLogger(__name__)

ROOM_TO_MAKE = (
    "let fewer jobs share this GPU (`gpu` under `resources` in profiles/default/config.yaml), or "
    "set the environment variable CUDA_VISIBLE_DEVICES to nothing to compute on the processor"
)
"""What helps where a GPU's memory is too small for one item, of whatever kind."""


class Sliceable(Protocol):
    """A list, an array, a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any: ...


Items = TypeVar("Items", bound=Sliceable)
Result = TypeVar("Result")

ALLOCATIONS_FAILED = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""How libraries of CUDA say that they found no memory; torch itself raises its own error."""


class GPUMemoryError(InputError):
    """The memory of a GPU does not hold even the smallest piece of the work."""


def choose_device(device: str) -> torch.device:
    """``auto`` is the first GPU if there is one, else the processor.

    A GPU then computes in full float32, as a processor does; see ``set_tf32``.

    Raises:
        InputError: A GPU is asked for and there is none, or no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    accepted = "accepted: auto, cpu, cuda, cuda:N"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r} cannot be used: no such kind; {accepted}") from error
    # Counted, not tried: trying would take memory of the first GPU in every process of a training.
    found = torch.cuda.device_count()
    if chosen.type == "cuda" and (chosen.index or 0) >= found:
        raise InputError(f"device {device!r} cannot be used: GPUs found: {found}; {accepted}")
    if chosen.type == "cuda":
        set_tf32(False)
    return chosen


def set_tf32(on: bool) -> None:
    """Whether GPUs may round the factors of products to TF32, 10 bits of 23.

    Torch's own default is yes in convolutions and recurrences, no in matrix products.
    """
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def send(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor of the processor in the type and on the device of another one.

    Unlike ``tensor.to(like)`` it does not wait until a GPU has done what it was given before. The
    tensor may be changed afterwards unless it is page-locked.
    """
    return tensor.to(like.device, like.dtype, non_blocking=True)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the memory of a GPU was not enough."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        text in str(error) for text in ALLOCATIONS_FAILED
    )


class FittingBatches:
    """Work in batches that are halved where a GPU's memory does not hold them.

    Nothing is left out: what did not fit is done again in two halves, and later batches have the
    size that did fit. Meant for work whose result for an item does not depend on those beside it.

    Attributes:
        size: Items at once, at most.
    """

    def __init__(self, size: int, *, what: str, unit: str, advice: str):
        """Say what is done, for messages.

        Args:
            size: Items at once to begin with.
            what: E.g. ``sampling belfusion``.
            unit: What an item is, in the plural.
            advice: What the user can do where not even one item fits.
        """
        self.size, self.what, self.unit, self.advice = size, what, unit, advice

    def run(self, work: Callable[[Items], Result], items: Items) -> list[Result]:
        """Results of the work on all items, one per batch, in order.

        Args:
            work: On some items; has no lasting effect where it fails.
            items: Of any length; slices of it are handed to ``work``.

        Raises:
            GPUMemoryError: One item alone does not fit.
        """
        results, done = [], 0
        while done < len(items):
            part = items[done : done + self.size]
            try:
                results.append(work(part))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                problem = str(error).partition("\n")[0]
            else:
                done += len(part)
                continue
            # Outside the handler: the error holds on to all that the attempt had made.
            self._halve(len(part), problem)
        return results

    def _halve(self, count: int, problem: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if count == 1:
            raise GPUMemoryError(
                f"{self.what}: the memory of the GPU does not hold even one of the {self.unit} "
                f"({problem}); {self.advice}"
            )
        self.size = -(-count // 2)
        logger.warning(
            "%s: the memory of the GPU does not hold %d %s at once; they are done again in "
            "batches of %d, as are those that follow. Nothing is left out. (%s)",
            *(self.what, count, self.unit, self.size, problem),
        )
