"""Reading a whole pickled network (``torch.save(model)``) without its code and without running it.

Such a file is a pickle that names the classes of the network. It is replayed on plain data
(``inert_pickle``); classes named in ``is_class`` become shells, anything that is no part of a
network is refused by name. Numbers are copied out of the archive after their sizes have been
compared with what is really there.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from react24.errors import InputError
from react24.models.inert_pickle import Admitted, Name, RefusedError, Shell, read_pickle
from react24.torch_files import UNREADABLE

PICKLE = "/data.pkl"
"""End of the name of the pickle in torch's archives."""

_CLASSES = re.compile(
    r"models(\.\w+)+|torch\.nn\.modules(\.\w+)+|torch\.nn\.parallel\.data_parallel\.DataParallel"
)
_REFERRED = re.compile(
    r"utils\.compute_distance_fun\.\w+|models(\.\w+)+|torch\.nn\.functional\.\w+"
)
_STORAGES = {
    f"torch.{name}Storage": kind
    for name, kind in {
        "Float": torch.float32, "Double": torch.float64, "Half": torch.float16,
        "BFloat16": torch.bfloat16, "Long": torch.int64, "Int": torch.int32,
        "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool,
    }.items()
}  # fmt: skip

DEEPEST, MOST, LONGEST = 100, 200_000, 1000
"""Bounds of a network: nesting, entries in all (shared parts count each time), signs of a name."""


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
        with zipfile.ZipFile(path) as archive:
            content = _Archive(archive)
            root = read_pickle(content.read("data.pkl"), content.admitted())
        if not isinstance(root, Shell):
            raise RefusedError(f"holds a {type(root).__name__}, not a network")
        return _flatten(root)
    except (*UNREADABLE, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as a whole pickled network: {error}") from error


def is_class(name: str) -> bool:
    """Whether objects of this class are read as parts of a network."""
    return _CLASSES.fullmatch(name) is not None


class _Archive:
    """Pickle and storages of one file."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        pickles = [name for name in archive.namelist() if name.endswith(PICKLE)]
        if len(pickles) != 1:
            raise ValueError("not an archive of torch (no data.pkl in it)")
        self.folder = pickles[0].removesuffix(PICKLE)
        self.storages: dict[str, Tensor] = {}
        if self.has("byteorder") and self.read("byteorder") != b"little":
            raise ValueError("its numbers are not in little-endian order")

    def has(self, name: str) -> bool:
        return f"{self.folder}/{name}" in self.archive.NameToInfo

    def read(self, name: str) -> bytes:
        """An entry; torch never compresses, so an entry is not larger than the file."""
        entry = self.archive.getinfo(f"{self.folder}/{name}")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"its entry {name} is compressed, which torch does not do")
        return self.archive.read(entry)

    def admitted(self) -> Admitted:
        """What the pickle may ask for."""
        return Admitted(
            functions={
                "collections.OrderedDict": _new_dict,
                "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
                "torch._utils._rebuild_parameter": _rebuild_parameter,
                "torch.device": lambda *parts: ":".join(map(str, parts)),
                "torch.Size": lambda sizes=(): tuple(sizes),
                "builtins.set": _new_set,
                "__builtin__.set": _new_set,
            },
            is_class=is_class,
            is_name=lambda name: name in _STORAGES or _REFERRED.fullmatch(name) is not None,
            persistent=self.storage,
        )

    def storage(self, reference: Any) -> Tensor:
        """The numbers that a reference names, flat: ``(storage, type, key, place, count)``."""
        if not (isinstance(reference, tuple) and len(reference) == 5):
            raise RefusedError("a reference to something that is no storage")
        what, kind, key, _, count = reference
        known = isinstance(kind, Name) and kind.full in _STORAGES
        if what != "storage" or not known or not isinstance(key, str) or not _whole(count):
            raise RefusedError("a reference to a storage that is not one of plain numbers")
        dtype = _STORAGES[kind.full]
        if key not in self.storages:
            data = self.read(f"data/{key}")
            if len(data) != count * dtype.itemsize:
                raise RefusedError(
                    f"storage {key[:20]} is said to have {count} numbers of {dtype.itemsize} "
                    f"bytes, but {len(data)} bytes are there"
                )
            flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0)
            self.storages[key] = flat.to(dtype)
        found = self.storages[key]
        if (found.dtype, found.numel()) != (dtype, count):
            raise RefusedError(f"storage {key[:20]} is referred to in two ways")
        return found


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _new_dict(entries: Any = ()) -> dict[Any, Any]:
    if entries != ():
        raise RefusedError("an ordered dict that is made with arguments")
    return {}


def _new_set(entries: Any = ()) -> set[Any]:
    if not isinstance(entries, list | tuple) or not all(isinstance(e, str | int) for e in entries):
        raise RefusedError("a set of something else than texts and numbers")
    return set(entries)


def _rebuild_parameter(data: Any, requires_grad: Any = True, hooks: Any = None) -> Tensor:
    if not isinstance(data, Tensor):
        raise RefusedError("a parameter that is no tensor")
    return data


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """A view of a part of a storage; storages are as large as what is in the file."""
    lists = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
    if not (isinstance(storage, Tensor) and storage.dim() == 1 and lists):
        raise RefusedError("a tensor that is not made of a storage, a size and strides")
    if not all(map(_whole, (offset, *size, *stride))) or len(size) > DEEPEST:
        raise RefusedError("a tensor with impossible sizes")
    numbers = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if numbers > storage.numel() or (numbers and last >= storage.numel()):
        raise RefusedError(f"a tensor of {numbers} numbers, more than its storage has")
    if not numbers:
        return storage.new_empty(size)
    return torch.as_strided(storage, size, stride, offset)


def _flatten(root: Shell) -> dict[str, Any]:
    """State and attributes of a network, with dotted names."""
    state: dict[str, Tensor] = {}
    attributes: dict[str, Any] = {}
    bookkeeping = frozenset(nn.Module().__dict__)  # what every network has
    for path, shell in _walk(root):
        parts = shell.attributes
        transient = parts.get("_non_persistent_buffers_set") or set()
        for kind in ("_parameters", "_buffers"):
            for name, value in _mapping(parts.get(kind), shell).items():
                if isinstance(value, Tensor) and not (kind == "_buffers" and name in transient):
                    state[f"{path}{name}"] = value
                elif value is not None and not isinstance(value, Tensor):
                    raise RefusedError(f"{shell.kind}: {kind} holds something that is no tensor")
        for name, value in parts.items():
            if name not in bookkeeping and isinstance(value, bool | int | float | str | Tensor):
                attributes[f"{path}{name}"] = value
    return {"class": root.kind, "state_dict": state, "attributes": attributes}


def _walk(root: Shell) -> Iterator[tuple[str, Shell]]:
    """Every part of a network with the start of its names, in the order of ``state_dict()``."""
    waiting, seen = [("", root, 0)], 0
    while waiting:
        path, shell, depth = waiting.pop()
        seen += 1 + len(shell.attributes)
        if depth > DEEPEST or seen > MOST or len(path) > LONGEST:
            raise RefusedError("a network that is nested without end")
        yield path, shell
        children = _mapping(shell.attributes.get("_modules"), shell)
        for name, child in reversed(children.items()):
            if isinstance(child, Shell):
                waiting.append((f"{path}{name}.", child, depth + 1))
            elif child is not None:
                raise RefusedError(f"{shell.kind}: a part that is no network")


def _mapping(value: Any, shell: Shell) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise RefusedError(f"an object of {shell.kind} without the parts of a network")
    return value
