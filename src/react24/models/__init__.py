"""The table of models: name of a type -> where its ``ModelType`` is; a package for each.

A settings module imports no torch, so the workflow may ask the table at every start. The ``type``
of a settings file is a name of the table, or the path of a Python file that defines ``MODEL``
(``docs/add_a_model.md``).
"""

from __future__ import annotations

from pathlib import Path

from react24.contracts.entry_points import from_file, is_file, resolve
from react24.contracts.model import ModelType
from react24.errors import InputError

BUILT_IN = {
    "belfusion": "react24.models.belfusion.settings:MODEL",
    "regnn": "react24.models.regnn.settings:MODEL",
    "tranvae": "react24.models.learning2listen.settings:MODEL",
    "transvae": "react24.models.transvae.settings:MODEL",
}
"""``type`` of a settings file -> entry point of its ``ModelType``."""


def names() -> tuple[str, ...]:
    """Names of the built-in types."""
    return tuple(sorted(BUILT_IN))


def get(kind: str, root: str | Path = ".") -> ModelType:
    """A model type.

    Args:
        kind: The ``type`` of a settings file: a name, or the path of a Python file.
        root: Folder that the path starts from.

    Raises:
        InputError: There is none, or the file cannot be used.
    """
    if is_file(kind):
        return from_file(kind, root, "MODEL", ModelType, "model type")
    if kind not in BUILT_IN:
        raise InputError(
            f"there is no model type {kind!r}; known: {', '.join(names())}, or the path of a "
            "Python file that defines MODEL"
        )
    return resolve(BUILT_IN[kind])
