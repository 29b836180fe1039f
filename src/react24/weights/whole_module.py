"""Reading a whole pickled network (``torch.save(model)``) without its code and without running it.

Such a file is a pickle that names the classes of the network. It is read by torch's restricted
reader with stand-ins in place of these classes: they hold the attributes of an object and do
nothing else. A file that names anything which is no part of a network is refused.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from react24.errors import InputError
from react24.weights.reading import UNREADABLE, load_restricted, reason

PICKLE = "/data.pkl"
"""End of the name of the pickle in torch's archives."""

_NAMES = re.compile(
    r"models(\.\w+)+|utils\.compute_distance_fun\.\w+|torch\.nn\.functional\.\w+"
    r"|torch\.nn\.modules(\.\w+)+|torch\.nn\.parallel\.data_parallel\.DataParallel"
)
_PROTOCOLS = (2, 3)

DEEPEST, MOST, LONGEST, CLASSES = 100, 200_000, 1000, 1000
"""Bounds of a network: nesting, entries in all (shared modules count each time), signs of a name,
classes and functions that the file names."""


class _Inert(type):
    """Kind of class that cannot be called; what it stands for may be a function."""

    def __call__(cls, *_: Any) -> None:
        raise ValueError(f"it calls {cls.__module__}.{cls.__qualname__}, which is not admitted")


class StandIn(metaclass=_Inert):
    """An object of a file's class: its attributes, none of which is an attribute of this one."""

    __slots__ = ("attributes",)

    def __new__(cls, *arguments: Any) -> StandIn:
        """An object without attributes, as a pickle makes it first."""
        if arguments:
            raise ValueError(f"it makes an object of {cls.__qualname__} with arguments")
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise ValueError(f"it gives {type(self).__qualname__} a state that is not admitted")
        self.attributes.update(state)


def stand_in(name: str) -> type[StandIn]:
    """A new class that stands for a class or function of this full name."""
    module, _, own = name.rpartition(".")
    return _Inert(own, (StandIn,), {"__slots__": (), "__module__": module, "__qualname__": own})


def read_whole_module(path: Path) -> dict[str, Any]:
    """The numbers of a whole pickled network.

    Args:
        path: Archive written by ``torch.save(model)``, torch 1.6 or later.

    Returns:
        ``class``: name of the network's class; ``state_dict``: as its ``state_dict()`` would
        give it; ``attributes``: dotted name -> number, text or tensor, for plain attributes that
        ``state_dict()`` leaves out.

    Raises:
        InputError: Not such a file, or one that refers to anything but networks and tensors.
    """
    try:
        _check_archive(path)
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
        refused = [name for name in names if not _NAMES.fullmatch(name)]
        if refused:
            raise ValueError(f"it refers to {refused[0][:100]}, which is not admitted")
        if len(names) > CLASSES:
            raise ValueError(f"it refers to {len(names)} classes, more than {CLASSES}")
        root = load_restricted(path, [(stand_in(name), name) for name in names])
        if not isinstance(root, StandIn):
            raise TypeError(f"holds a {type(root).__name__}, not a network")
        return _flatten(root)
    except (*UNREADABLE, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: cannot be read as a whole pickled network: {reason(error)}"
        ) from error


def _check_archive(path: Path) -> None:
    """Refuse what torch's reader would unpack to any size, or could not read with a clear word."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its entry {entry.filename} is compressed; torch never does")
        pickles = [name for name in archive.namelist() if name.endswith(PICKLE)]
        if len(pickles) != 1:
            raise ValueError("not an archive of torch (no data.pkl in it)")
        with archive.open(pickles[0]) as file:
            start = file.read(2)
    if start[:1] == b"\x80" and start[-1] not in _PROTOCOLS:
        raise ValueError(
            f"it is a pickle of protocol {start[-1]}; 2 (what torch.save writes by itself) "
            "and 3 can be read: save it again without pickle_protocol"
        )


def _kind(module: StandIn) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _flatten(root: StandIn) -> dict[str, Any]:
    """State and attributes of a network, with dotted names."""
    state: dict[str, Tensor] = {}
    attributes: dict[str, Any] = {}
    bookkeeping = frozenset(nn.Module().__dict__)  # what every network has
    for path, module in _walk(root):
        own = module.attributes
        transient = own.get("_non_persistent_buffers_set") or set()
        for group in ("_parameters", "_buffers"):
            for name, value in _mapping(module, group).items():
                if value is not None and not (group == "_buffers" and name in transient):
                    state[f"{path}{name}"] = _numbers(value, f"{path}{name}")
        for name, value in own.items():
            if name in bookkeeping:
                continue
            if isinstance(value, Tensor):
                attributes[f"{path}{name}"] = _numbers(value, f"{path}{name}")
            elif isinstance(value, bool | int | float | str):
                attributes[f"{path}{name}"] = value
    return {"class": _kind(root), "state_dict": state, "attributes": attributes}


def _numbers(value: Any, name: str) -> Tensor:
    """A tensor that is as large as it says; one number of a file can be repeated without end."""
    if type(value) not in (Tensor, nn.Parameter):
        raise ValueError(f"{name} is no tensor")
    if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise ValueError(f"{name} is no plain tensor")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError(f"{name} is a tensor of {value.numel()} numbers, more than are there")
    return value.detach()


def _walk(root: StandIn) -> Iterator[tuple[str, StandIn]]:
    """Every module of a network with the start of its names, in the order of ``state_dict()``."""
    waiting, seen = [("", root, 0)], 0
    while waiting:
        path, module, depth = waiting.pop()
        seen += 1 + len(module.attributes)
        if depth > DEEPEST or seen > MOST or len(path) > LONGEST:
            raise ValueError("a network that is nested without end")
        yield path, module
        for name, child in reversed(_mapping(module, "_modules").items()):
            if isinstance(child, StandIn):
                waiting.append((f"{path}{name}.", child, depth + 1))
            elif child is not None:
                raise ValueError(f"{_kind(module)}: a part that is no network")


def _mapping(module: StandIn, group: str) -> dict[str, Any]:
    value = module.attributes.get(group)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"an object of {_kind(module)} without the parts of a network")
    return value
