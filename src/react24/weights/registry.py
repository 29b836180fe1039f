"""Published weights: what there is and who may use it, read from ``registry.yaml``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from react24.errors import InputError
from react24.weights.variables import FOLDER_VARIABLE

DEFAULT_FOLDER = Path("resources/weights")
RANDOM = "random"
"""The setting that takes no file."""


@dataclass(frozen=True)
class WeightsEntry:
    """One published file.

    Attributes:
        name: What a setting calls it.
        what: The network, in a few words.
        file: Its name in the weights folder.
        url: Where it is published: the file itself, or, with ``by_hand``, a page that leads to it.
        sha256: Whole digest (64 digits), its first digits, or None where nothing is published.
        megabytes: Size, for the reader's patience.
        licence: Its terms, as far as they are stated.
        who: Who may use it, in a sentence.
        format: What is in the file and how it is read.
        by_hand: True where a person has to fetch it with a browser.
        needs: Names of entries that are used with it.
    """

    name: str
    what: str
    file: str
    url: str
    sha256: str | None
    megabytes: int
    licence: str
    who: str
    format: str
    by_hand: bool = False
    needs: tuple[str, ...] = ()


def weights_folder(root: str | Path = ".") -> Path:
    """Where published weights are kept: ``$REACT24_WEIGHTS``, else below ``root``."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(root) / DEFAULT_FOLDER


def _read_registry() -> dict[str, WeightsEntry]:
    text = Path(__file__).with_name("registry.yaml").read_text()
    entries = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {
        name: WeightsEntry(name, **{**values, "needs": tuple(values.get("needs", ()))})
        for name, values in entries.items()
    }


REGISTRY = _read_registry()
"""Name -> entry, in the file's order. Tests add their own entries; nothing else changes it."""


def find_entry(name: str) -> WeightsEntry:
    """Look up a name.

    Raises:
        InputError: No such entry (lists those there are).
    """
    if name not in REGISTRY:
        raise InputError(f"no weights are called {name!r}; known: {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name]


def missing_by_hand(name: str, folder: str | Path | None = None) -> str | None:
    """What to do for weights that are not there and cannot be fetched; None where all is well."""
    entry, folder = REGISTRY.get(name), Path(folder or weights_folder())
    if entry is None or not entry.by_hand or (folder / entry.file).exists():
        return None
    return with_a_browser(entry, folder / entry.file)


def with_a_browser(entry: WeightsEntry, path: Path) -> str:
    """What a person has to do for a file that only a browser gets."""
    return (
        f"weights {entry.name}: they cannot be fetched from here. Open {entry.url} in a browser, "
        f"download {entry.file} (about {entry.megabytes} MB), put it at {path}, and run again"
    )
