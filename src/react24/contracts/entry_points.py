"""Code named by text: ``package.module:function``, or the path of a Python file of the user's.

Tables name code by entry points, so that the workflow can ask them without importing what is heavy;
the code is imported when it is used.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from react24.errors import InputError

Kind = TypeVar("Kind")


def resolve(entry_point: str) -> Any:
    """What an entry point names, mostly a function.

    Raises:
        InputError: Not of the form ``package.module:function``, or there is none.
    """
    module, _, name = entry_point.partition(":")
    if not (module and name):
        raise InputError(f"entry point {entry_point!r}: expected package.module:function")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"entry point {entry_point!r}: {error}") from error


def is_file(name: str) -> bool:
    """Whether a name is the path of a Python file and not that of something built in."""
    return name.endswith(".py")


def folder_of(name: str, root: str | Path = ".") -> Path | None:
    """The folder of the Python file that a name leads to; None for something built in."""
    return (Path(root) / name).resolve().parent if is_file(name) else None


def from_file(name: str, root: str | Path, attribute: str, kind: type[Kind], what: str) -> Kind:
    """What a Python file of the user's defines.

    Args:
        name: Path of the file.
        root: Folder that the path starts from.
        attribute: What the file calls it, e.g. ``MODEL``.
        kind: Its class, e.g. ``ModelType``.
        what: How errors call it, e.g. ``model type``.

    Raises:
        InputError: No such file, another module has its name, the file fails, or it does not
            define that.
    """
    path = (Path(root) / name).resolve()
    found = getattr(_import_file(path, what), attribute, None)
    if not isinstance(found, kind):
        raise InputError(f"{what} {path}: the file must define {attribute}, a {kind.__name__}")
    return found


@cache
def _import_file(path: Path, what: str) -> Any:
    """The module of a file, imported under its own name so that entry points find it."""
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        module = importlib.import_module(path.stem)
    except Exception as error:  # whatever the user's code may raise
        raise InputError(f"{what} {_where(error, path)}: {_say(error)}") from error
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != path:
        raise InputError(
            f"{what} {path}: a module called {path.stem} exists already ({found}); rename the file"
        )
    return module


def _where(error: Exception, path: Path) -> str:
    """The file, and the line of it that failed, where that can be told."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _say(error: Exception) -> str:
    """What was raised; of a syntax error without its place, which stands before it."""
    what = error.msg if isinstance(error, SyntaxError) else error
    return f"{type(error).__name__}: {what}"
