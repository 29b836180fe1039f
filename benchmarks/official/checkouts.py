"""Import official code from its checkout, with stand-ins for what it imports and never needs here.

The official repositories use the same top-level names (``utils``, ``model``, ``models``), so each
is imported on its own and its modules are taken out of ``sys.modules`` again.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import yaml
from torch import Tensor, nn

NEVER_CALLED = (
    "torchvision", "torchvision.transforms", "skimage", "skimage.io", "skimage.transform", "wandb",
    "torchaudio", "timm", "timm.models", "timm.models.layers", "resampy", "torchmetrics",
    "torchmetrics.functional", "soundfile", "cv2", "decord", "matplotlib", "matplotlib.pyplot",
    "six", "seaborn", "tslearn", "tslearn.metrics", "pandas",
)  # fmt: skip
"""Imported by the official modules, but not on any path that is timed."""


class Options(dict):
    """A mapping whose entries are attributes too, as an omegaconf configuration."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def read_options(path: str | Path) -> Options:
    """A YAML file as nested ``Options``."""

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return Options({k: convert(v) for k, v in value.items()})
        return value

    # Like omegaconf, take 5e-4 for a number; YAML 1.1 does not.
    text = Path(path).read_text().replace("5e-4", "5.0e-4")
    return convert(yaml.safe_load(text))


class _StandIn(ModuleType):
    """Has every attribute, so that ``from x import y`` works; nothing of it can be called."""

    __path__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _rearrange(tensor: Tensor, pattern: str, **sizes: int) -> Tensor:
    """The einops patterns that the official code uses, as the same views."""
    if pattern.strip() in ("b s f -> s b f", "s b f -> b s f"):
        return tensor.transpose(0, 1)
    if pattern == "b n (qkv h d) -> qkv b h n d":
        return tensor.unflatten(-1, (sizes["qkv"], sizes["h"], -1)).permute(2, 0, 3, 1, 4)
    if pattern == "b h n d -> b n (h d)":
        return tensor.transpose(1, 2).flatten(2)
    raise NotImplementedError(pattern)


class _Rearrange(nn.Module):
    def __init__(self, pattern: str, **sizes: int):
        super().__init__()
        self.pattern, self.sizes = pattern, sizes

    def forward(self, tensor: Tensor) -> Tensor:
        return _rearrange(tensor, self.pattern, **self.sizes)


def _stand_ins(keep: tuple[str, ...]) -> dict[str, ModuleType]:
    found = {name: _StandIn(name) for name in NEVER_CALLED if name.partition(".")[0] not in keep}
    if "six" in found:
        found["six"].string_types = (str,)
    if importlib.util.find_spec("einops") is None:
        einops, layers = ModuleType("einops"), ModuleType("einops.layers")
        layers_torch = ModuleType("einops.layers.torch")
        einops.rearrange, layers_torch.Rearrange = _rearrange, _Rearrange
        found |= {"einops": einops, "einops.layers": layers, "einops.layers.torch": layers_torch}
    if importlib.util.find_spec("omegaconf") is None:
        omegaconf = ModuleType("omegaconf")
        omegaconf.OmegaConf = types.SimpleNamespace(load=read_options)
        found["omegaconf"] = omegaconf
    return found


@contextmanager
def _path_first(folder: Path, keep: tuple[str, ...]) -> Iterator[None]:
    """``folder`` leads the path, stand-ins are in place; afterwards all is as it was."""
    before, path, stand_ins = dict(sys.modules), list(sys.path), _stand_ins(keep)
    sys.modules.update(stand_ins)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        new = [name for name in sys.modules if name not in before]
        theirs = [name for name in new if name in stand_ins or _lies_in(sys.modules[name], folder)]
        for name in theirs:
            del sys.modules[name]
        sys.modules.update(before)


def _lies_in(module: ModuleType, folder: Path) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(str(place).startswith(str(folder)) for place in places if place)


def import_from(folder: Path, *names: str, keep: tuple[str, ...] = ()) -> list[ModuleType]:
    """Official modules by name, from one folder of a checkout.

    Args:
        folder: What the official scripts run in.
        names: Modules, e.g. ``model.losses``.
        keep: Packages of ``NEVER_CALLED`` that are needed after all.
    """
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder; see --help for what the paths must be")
    with _path_first(folder.resolve(), keep):
        return [importlib.import_module(name) for name in names]


def stay_on_cpu() -> None:
    """Let the official calls of ``cuda()`` and ``get_device()`` work without a GPU."""
    Tensor.cuda = lambda self, *_, **__: self
    nn.Module.cuda = lambda self, *_, **__: self
    Tensor.get_device = lambda self: self.device


@contextmanager
def replaced(owner: Any, name: str, value: Callable[..., Any]) -> Iterator[None]:
    """``owner.name`` is ``value`` inside the block."""
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers of a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest expected number."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def gradient_difference(theirs: nn.Module, ours: nn.Module) -> float:
    """Relative difference of the norms of all gradients together."""

    def norm(module: nn.Module) -> float:
        gradients = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
        return float(torch.cat(gradients).double().norm())

    return abs(norm(ours) / norm(theirs) - 1)
