"""Which settings change no number, so that a change of them makes nothing anew.

Recipes of files (``docs/reruns.md``) and the identity of checkpoints (``react24.training.loop``)
both go by it. Of a stream, model or metric of the user's own every setting counts, except those of
the section ``training``, which all models share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHANGES_NOTHING = {
    "training": (
        "checkpoint_seconds",
        "checkpoint_steps",
        "keep_checkpoints",
        "max_memory_mb",
        "prefetch",
    ),
}
"""Section -> settings of it that change no number: when and whether something is stored, and how
data reach the memory. Settings that no rule reads, such as ``corpus.name``, need no place here."""


def shaping(value: Any) -> Any:
    """Settings, mappings and lists in any nesting, less those that change no number.

    Args:
        value: As JSON has it. It is left as it is.
    """
    if isinstance(value, Mapping):
        return {key: shaping(_without(key, inner)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shaping(item) for item in value]
    return value


def _without(section: Any, value: Any) -> Any:
    """A section without its settings that change nothing."""
    left_out = CHANGES_NOTHING.get(section, ())
    if not (left_out and isinstance(value, Mapping)):
        return value
    return {key: inner for key, inner in value.items() if key not in left_out}
