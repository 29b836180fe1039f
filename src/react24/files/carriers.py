"""Where files carry their recipes: reading them, writing those beside files, replacing them.

HDF5 files carry a recipe as root attributes, trained models as keys of ``model.json``, which
speaks for the weights beside it. Tables, plots and other files have a small hidden file beside
them (``.metrics_test.tsv.recipe``).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from react24.files.atomic import StoreError, atomic_path
from react24.files.provenance import RECIPE, STAMP, Recipe

HDF5 = ".h5"
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
BESIDE = ".recipe"


def carrier(path: str | Path) -> Path:
    """The file in which the recipe of a file stands: itself, or one beside it."""
    path = Path(path)
    if path.suffix == HDF5 or path.name == DESCRIPTION:
        return path
    if path.name == WEIGHTS:
        return path.with_name(DESCRIPTION)
    return path.with_name(f".{path.name}{BESIDE}")


def has_own(path: str | Path) -> bool:
    """Whether a file's writer puts the recipe into the file, or into the model beside it."""
    return not carrier(path).name.endswith(BESIDE)


def carriers(outputs: Iterable[str | Path]) -> dict[str, Path]:
    """The outputs of a job that tell its recipe -> where it stands.

    Those with a file beside them only where no output carries it itself: of a demo session the
    HDF5 file speaks for the videos.
    """
    found = {str(path): carrier(path) for path in outputs}
    own = {path: place for path, place in found.items() if has_own(path)}
    return own or found


def read_carried(path: str | Path) -> tuple[Recipe | None, str | None]:
    """The recipe of a file and its stamp; None and None where it carries none.

    A file that cannot be read carries none.
    """
    place = carrier(path)
    try:
        found = _read_hdf5(place) if place.suffix == HDF5 else _read_json(place)
        recipe = Recipe.from_json(found[RECIPE])
    except (OSError, StoreError, ValueError, KeyError, TypeError):
        return None, None
    return recipe, recipe.stamp


def read_recipe(path: str | Path) -> Recipe | None:
    """The recipe of a file; None where it carries none."""
    return read_carried(path)[0]


def read_stamp(path: str | Path) -> str | None:
    """The stamp of a file; None where it carries none."""
    place = carrier(path)
    try:
        if place.suffix == HDF5:
            from react24.files.contract import open_hdf5

            with open_hdf5(place) as file:
                return str(file.attrs[STAMP])
        return str(_read_json(place)[STAMP])
    except (OSError, StoreError, ValueError, KeyError, TypeError):
        return None


def is_made_by(path: str | Path, recipe: Recipe) -> bool:
    """Whether a file is there and was made by this recipe."""
    return read_stamp(path) == recipe.stamp


def _read_hdf5(path: Path) -> dict[str, Any]:
    from react24.files.contract import open_hdf5

    with open_hdf5(path) as file:
        return {RECIPE: json.loads(file.attrs[RECIPE])}


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def write_beside(path: str | Path, recipe: Recipe) -> None:
    """Write the recipe of a file that cannot carry it, beside it."""
    with atomic_path(carrier(path)) as temporary:
        _write_json(temporary, {RECIPE: recipe.to_json(), STAMP: recipe.stamp})


def replace_recipe(path: str | Path, recipe: Recipe) -> None:
    """Have a file carry another recipe; nothing else in it changes, nor its times.

    The file is copied, changed and renamed, so that it is whole at any time.

    Raises:
        StoreError: It cannot be read or written.
    """
    place = carrier(path)
    if not has_own(path):
        return write_beside(path, recipe)
    times = place.stat()
    with atomic_path(place) as temporary:
        shutil.copy2(place, temporary)
        if place.suffix == HDF5:
            from react24.files.contract import open_hdf5, write_recipe

            with open_hdf5(temporary, "r+") as file:
                write_recipe(file, recipe)
        else:
            carried = {RECIPE: recipe.to_json(), STAMP: recipe.stamp}
            _write_json(temporary, _read_json(place) | carried)
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
