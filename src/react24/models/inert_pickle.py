"""A pickle read as text: what it would build, without building it.

The operations of the pickle are taken from ``pickletools`` one by one and replayed on a stack of
plain data. No name is imported, no class of the file is made, nothing of the file is called: an
object becomes a ``Shell`` with its attributes, a class or function stays a ``Name``. The few
functions that a file may ask for are ours, given by name.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class RefusedError(ValueError):
    """The pickle asks for something that is not admitted."""


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle refers to, e.g. ``models.mhp.MHP``; never imported."""

    full: str


@dataclass(eq=False)
class Shell:
    """An object: the name of its class and its attributes."""

    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Admitted:
    """What a pickle may refer to.

    Attributes:
        functions: Name -> our function that is called in its place.
        is_class: Whether objects of a class of this name become shells.
        is_name: Whether a name may be referred to, but neither called nor made.
        persistent: Gives the object that a persistent id stands for.
    """

    functions: Mapping[str, Callable[..., Any]]
    is_class: Callable[[str], bool]
    is_name: Callable[[str], bool]
    persistent: Callable[[Any], Any]


_MARK = object()

_CONSTANTS = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}  # fmt: skip
_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, float, bytes, type(None))


def read_pickle(data: bytes, admitted: Admitted) -> Any:
    """The object that a pickle describes, with shells and names in place of code.

    Args:
        data: The pickle; protocol 2 to 5.
        admitted: What it may refer to.

    Raises:
        RefusedError: It refers to something else, or uses operations that plain objects do not
            need.
        ValueError: Not a pickle, or one that is cut off; what functions of ``admitted`` raise
            comes through.
    """
    machine = _Machine(admitted)
    for operation, argument, _ in pickletools.genops(data):
        if operation.name == "STOP":
            return machine.pop()
        machine.step(operation.name, argument)
    raise ValueError("the pickle has no end")


class _Machine:
    """Stack and memo of one reading."""

    def __init__(self, admitted: Admitted):
        self.admitted = admitted
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Replay one operation."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _VALUES:
            self.stack.append(argument)
        elif name in _SHORT_TUPLES:
            values = [self.pop() for _ in range(_SHORT_TUPLES[name])]
            self.stack.append(tuple(reversed(values)))
        elif name not in ("PROTO", "FRAME"):
            method = getattr(self, f"_do_{name.lower()}", None)
            if method is None:
                raise RefusedError(f"the operation {name} is not admitted")
            method(argument)

    def pop(self) -> Any:
        """Take the top of the stack."""
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("the pickle takes more than it has put on its stack")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """The top of the stack, which must be a list, a dict or a set."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise RefusedError(f"the pickle fills something that is no {kind.__name__}")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        for start in range(len(self.stack) - 1, -1, -1):
            if self.stack[start] is _MARK:
                values = self.stack[start + 1 :]
                del self.stack[start:]
                return values
        raise ValueError("the pickle takes to a mark that it has not set")

    def _do_pop(self, _: Any) -> None:
        if not self.stack:
            raise ValueError("the pickle takes more than it has put on its stack")
        self.stack.pop()

    def _do_pop_mark(self, _: Any) -> None:
        self.pop_to_mark()

    def _do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def _do_append(self, _: Any) -> None:
        value = self.pop()
        self.top(list).append(value)

    def _do_appends(self, _: Any) -> None:
        values = self.pop_to_mark()
        self.top(list).extend(values)

    def _do_additems(self, _: Any) -> None:
        values = self.pop_to_mark()
        self.top(set).update(map(_plain_key, values))

    def _do_setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self.top(dict)[_plain_key(key)] = value

    def _do_setitems(self, _: Any) -> None:
        values = self.pop_to_mark()
        keys = map(_plain_key, values[::2])
        self.top(dict).update(zip(keys, values[1::2], strict=True))

    def _do_put(self, number: int) -> None:
        if not self.stack:
            raise ValueError("the pickle keeps something that it has not made")
        self.memo[number] = self.stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_memoize(self, _: Any) -> None:
        self._do_put(len(self.memo))

    def _do_get(self, number: int) -> None:
        self.stack.append(self.memo[number])

    _do_binget = _do_long_binget = _do_get

    def _do_global(self, argument: str) -> None:
        self.stack.append(self._name(argument.replace(" ", ".", 1)))

    def _do_stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise RefusedError("the pickle refers to a name that is no text")
        self.stack.append(self._name(f"{module}.{name}"))

    def _name(self, full: str) -> Name:
        allowed = self.admitted
        if full in allowed.functions or allowed.is_class(full) or allowed.is_name(full):
            return Name(full)
        raise RefusedError(f"it refers to {full[:100]}, which is not admitted")

    def _do_reduce(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Name) or function.full not in self.admitted.functions:
            raise RefusedError(f"it calls {_shown(function)}, which is not admitted")
        if not isinstance(arguments, tuple):
            raise RefusedError(f"it calls {function.full} with something that is no tuple")
        self.stack.append(self.admitted.functions[function.full](*arguments))

    def _do_newobj(self, _: Any) -> None:
        arguments, kind = self.pop(), self.pop()
        if not isinstance(kind, Name) or not self.admitted.is_class(kind.full):
            raise RefusedError(f"it makes an object of {_shown(kind)}, which is not admitted")
        if arguments != ():
            raise RefusedError(f"it makes an object of {kind.full} with arguments")
        self.stack.append(Shell(kind.full))

    def _do_build(self, _: Any) -> None:
        state, target = self.pop(), self.stack[-1] if self.stack else None
        named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
        if isinstance(target, Shell) and named:
            target.attributes.update(state)
        elif not (isinstance(target, dict) and named):  # an ordered dict's own attributes
            raise RefusedError(f"it gives {_shown(target)} a state that is not admitted")

    def _do_binpersid(self, _: Any) -> None:
        self.stack.append(self.admitted.persistent(self.pop()))


def _plain_key(key: Any) -> Any:
    if not isinstance(key, _KEYS):
        raise RefusedError(f"it uses {_shown(key)} as a key")
    return key


def _shown(value: Any) -> str:
    if isinstance(value, Name):
        return value.full[:100]
    return value.kind[:100] if isinstance(value, Shell) else f"a {type(value).__name__}"
