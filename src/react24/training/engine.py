"""Where and in which precision a stage trains, and how a processor is prepared for it.

Lightning Fabric moves modules and batches, sets up several GPUs and runs in mixed precision. On
one CPU in float32 it changes nothing, but importing it costs about six seconds of CPU time, as much
as a short training. There ``PlainEngine`` stands in for it, with the same method names and the same
numbers (a test compares them).
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from react24.devices import ROOM_TO_MAKE, GPUMemoryError, choose_device, set_tf32
from react24.errors import InputError

if TYPE_CHECKING:
    from lightning.fabric import Fabric

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``."""

_LARGE, _OLD_LIMIT = 1 << 30, 32 << 20


class PlainEngine:
    """One CPU, float32: the part of Fabric's interface that the loop uses."""

    device = torch.device("cpu")
    is_global_zero = True
    global_rank = 0
    world_size = 1

    def setup(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """Module and optimiser as they are."""
        return module, optimizer

    def to_device(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The batch as it is."""
        return batch

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the loss."""
        loss.backward()

    def clip_gradients(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, *, max_norm: float
    ) -> None:
        """Scale the gradients so that their joint norm is at most ``max_norm``."""
        torch.nn.utils.clip_grad_norm_(module.parameters(), max_norm, error_if_nonfinite=True)


def open_engine(
    device: str, *, precision: str = "32-true", devices: int = 1, tf32: bool = False
) -> PlainEngine | Fabric:
    """The engine for a device.

    Args:
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: One of ``PRECISIONS``.
        devices: Processes that share the work, one per GPU (or, for tests, on the CPU).
        tf32: See ``react24.devices.set_tf32``; changes nothing on a CPU.

    Raises:
        InputError: Unknown device or precision, or CUDA asked for where there is none.
    """
    if precision not in PRECISIONS:
        raise InputError(f"training.precision: {precision!r}; accepted: {', '.join(PRECISIONS)}")
    if choose_device(device).type == "cpu" and precision == "32-true" and devices == 1:
        return PlainEngine()
    return open_fabric(device, precision=precision, devices=devices, tf32=tf32)


def open_fabric(device: str, *, precision: str, devices: int, tf32: bool = False) -> Fabric:
    """A launched Fabric; see ``open_engine``."""
    from lightning.fabric import Fabric

    chosen = choose_device(device)
    if chosen.type == "cuda":
        # Without it some CUDA matrix products choose their algorithm anew in each run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        set_tf32(tf32)
    strategy = "ddp" if devices > 1 else "auto"
    which = devices if chosen.index is None or devices > 1 else [chosen.index]
    fabric = Fabric(accelerator=chosen.type, devices=which, precision=precision, strategy=strategy)
    fabric.launch()
    return fabric


def compile_loss(loss: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """A loss as ``torch.compile`` makes it: other roundings and draws of dropout, same mathematics.

    Compiled once for every shape, so that a step computes the same however many came before it.

    Raises:
        InputError: What compiles it is not installed.
    """
    if device.type == "cuda":
        missing = None if find_spec("triton") else "the package triton"
    else:
        named = os.environ.get("CXX")
        names = [named] if named else ["g++", "clang++"]
        missing = None if any(map(shutil.which, names)) else f"a C++ compiler ({', '.join(names)})"
    if missing:
        raise InputError(
            f"training.compile: {missing} is needed to compile for {device.type} and was not "
            "found; install it, or set training.compile: false"
        )
    return torch.compile(loss, dynamic=False)


def step_too_large(what: str, stage: str, items: int, error: Exception) -> GPUMemoryError:
    """The error of a step that a GPU's memory does not hold; no batch is ever left out.

    Args:
        what: Is trained, e.g. ``training belfusion, seed 0, vae``.
        stage: Its section in the settings.
        items: Of the step.
        error: Torch's.
    """
    problem = str(error).partition("\n")[0]
    return GPUMemoryError(
        f"{what}: the memory of the GPU does not hold a step of {items} items ({problem}). What "
        f"the last checkpoint holds is not lost. Set {stage}.batch_size lower (another training) "
        "or training.precision to bf16-mixed (less memory, other roundings), give its rule more "
        f"GPUs, which share each batch (--set-resources RULE:gpu=2), or {ROOM_TO_MAKE}"
    )


def usable_devices(device: str, asked: int) -> int:
    """How many processes to train with: the GPUs asked for, as far as there are any; 1 on a CPU."""
    if choose_device(device).type == "cpu":
        return 1
    return max(1, min(asked, torch.cuda.device_count()))


def prepare_processor(threads: int) -> None:
    """Set the threads of torch, and keep freed memory for the next layer.

    By itself glibc gives every large buffer back to the kernel, which hands it out again page by
    page, cleared. Training steps with large activations (Trans-VAE's) lose a quarter of their time
    to that, for a peak that is a fifth lower. Other C libraries are left alone.

    Args:
        threads: Of one operation of torch.
    """
    torch.set_num_threads(threads)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return
    # Old versions refuse large thresholds.
    if not mallopt(_MMAP_THRESHOLD, _LARGE):
        mallopt(_MMAP_THRESHOLD, _OLD_LIMIT)
    mallopt(_TRIM_THRESHOLD, 2 * _LARGE - 1)
