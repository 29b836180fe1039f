"""A GPU that is not there: torch's fake tensors, on which real code runs and computes nothing.

Inside ``pretended_gpu`` a tensor on ``cuda`` has a shape, a type and a device, but no numbers;
those of the processor are what they always are. Torch itself refuses operations that mix devices,
as it would with a GPU. Where a program wants to know numbers of the GPU, all of them are 1, or
true. Each time it would have to wait for the GPU is written down.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

import react24
from react24.training.batches import Shard

aten = torch.ops.aten
SOURCE = str(Path(react24.__file__).parent)

SOURCES = {aten._to_copy.default: 0, aten.copy_.default: 1}
"""Operations that may bring a tensor to the GPU, and which of their arguments it is."""

ON_A_GPU = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "set_device": lambda device: None,
    "empty_cache": lambda: None,
    "is_bf16_supported": lambda *_, **__: True,
    "get_device_capability": lambda device=None: (7, 5),
}
"""Functions of ``torch.cuda`` that would look for a driver."""


class PretendedGPU(FakeTensorMode):
    """Fake tensors that answer questions for their values, and a list of the waits.

    Attributes:
        waits: ``file:function operation`` of the package's code behind each wait.
    """

    avoid_device_init = True

    def __init__(self):
        super().__init__(allow_non_fake_inputs=True)
        self.waits: list[str] = []

    def wait(self, what: str) -> None:
        """Write down that the program waits here for what the GPU has been given so far."""
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(SOURCE):
            frame = frame.f_back
        if frame is not None:
            place = Path(frame.f_code.co_filename).relative_to(SOURCE)
            self.waits.append(f"{place}:{frame.f_code.co_name} {what}")

    def dispatch(self, func, types, args=(), kwargs=None):
        """One operation; those whose result depends on numbers of the GPU get it made up."""
        kwargs = kwargs or {}
        target = torch.device(kwargs.get("device") or "cpu").type
        if target == "cpu" and not _has_fakes((args, kwargs)):
            return func(*args, **kwargs)  # the processor is there, and computes
        if func.overloadpacket is aten.to:  # whole only in inference mode
            with self:
                return func.decompose(*args, **kwargs)
        if func is aten._local_scalar_dense.default:
            self.wait("number")
            return {torch.bool: True}.get(args[0].dtype, 1.0 if args[0].is_floating_point() else 1)
        if func is aten.index.Tensor and any(_is_mask(index) for index in args[1]):
            self.wait("mask")
            return func(args[0], _all_of(args[1]))
        if func is aten.nonzero.default:
            self.wait("nonzero")
            return args[0].new_zeros((args[0].numel(), args[0].ndim), dtype=torch.int64)
        if func is aten.bincount.default:
            self.wait("bincount")
            return args[0].new_zeros(kwargs.get("minlength", 1), dtype=torch.int64)
        if func is aten._to_copy.default and target == "cpu" and "device" in kwargs:
            self.wait("to the processor")
            return _ones(args[0], kwargs.get("dtype"))
        if func in SOURCES and not isinstance(args[SOURCES[func]], FakeTensor):
            goes_on = kwargs.get("non_blocking") or (func is aten.copy_.default and args[2:])
            if not goes_on:
                self.wait("to the GPU, blocking")
        return super().dispatch(func, types, args, kwargs)


def _has_fakes(values: object) -> bool:
    return any(isinstance(value, FakeTensor) for value in pytree.tree_leaves(values))


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype == torch.bool


def _all_of(indices: list[Tensor | None]) -> list[Tensor | None]:
    """Indices in which a mask is replaced by as many places as it has entries."""
    found: list[Tensor | None] = []
    for index in indices:
        if _is_mask(index):
            found += [index.new_zeros(index.numel(), dtype=torch.int64)] * index.ndim
        else:
            found.append(index)
    return found


class _Lists(TorchFunctionMode):
    """``tolist`` of a fake tensor; torch has none."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is Tensor.tolist and isinstance(args[0], FakeTensor):
            return args[0].cpu().tolist()
        return func(*args, **(kwargs or {}))


def _ones(like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A real tensor of the processor: the numbers that a GPU hands over."""
    shape = tuple(like.shape)
    with unset_fake_temporarily():
        return torch.ones(shape, dtype=dtype or like.dtype)


def _gru_cell(of_input, of_hidden, state, *biases):
    return torch.empty_like(state), state.new_empty(len(state), 5 * state.shape[1])


def _lstm_cell(of_input, of_hidden, state, *biases):
    return torch.empty_like(state), torch.empty_like(state), torch.empty_like(of_input)


@contextmanager
def pretended_gpu() -> Iterator[PretendedGPU]:
    """Code inside the block finds one GPU and runs on it; see the module."""
    gpu, library = PretendedGPU(), torch.library.Library("aten", "IMPL", "Meta")
    library.impl("_thnn_fused_gru_cell", _gru_cell)  # torch has shapes for all but these
    library.impl("_thnn_fused_lstm_cell", _lstm_cell)
    try:
        with ExitStack() as stack:
            for name, function in ON_A_GPU.items():
                stack.enter_context(mock.patch.object(torch.cuda, name, function))
            for owner, name, value in (
                (Shard, "pin_memory", lambda shard: shard),
                (Tensor, "backward", lambda *_, **__: None),  # it needs a driver
            ):
                stack.enter_context(mock.patch.object(owner, name, value))
            # Without cuDNN recurrences are made of operations that torch knows the shapes of.
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            stack.enter_context(mock.patch.dict(os.environ))  # a GPU's training sets both
            stack.callback(torch.use_deterministic_algorithms, False)
            stack.enter_context(gpu)
            stack.enter_context(_Lists())
            yield gpu
    finally:
        library._destroy()


def on_the_gpu(value: object) -> bool:
    """Whether a tensor, or every tensor within, is on the pretended GPU."""
    tensors = [t for t in pytree.tree_leaves(value) if isinstance(t, Tensor)]
    return bool(tensors) and all(t.device.type == "cuda" for t in tensors)
