"""``react24 fetch-weights`` and ``react24 convert-checkpoint``: what others have trained."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from react24.cli.options import NO_MODELS, add_config, given_config, say
from react24.errors import InputError

if TYPE_CHECKING:
    from react24.project.config import Settings

FETCH = "Fetch and verify published weights."
CONVERT = "Make weights of published checkpoints."


def add_fetch(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 fetch-weights``."""
    add = parser.add_argument
    add("names", nargs="*", metavar="name", help="which; without a name, list what there is")
    add("--folder", type=Path, help="where to keep them ($REACT24_WEIGHTS, or resources/weights)")


def run_fetch(options: argparse.Namespace) -> None:
    """``react24 fetch-weights``."""
    from react24.check.table import format_table
    from react24.weights.fetch import fetch
    from react24.weights.registry import REGISTRY, find_entry

    names = [n for name in options.names for n in (name, *find_entry(name).needs)]
    for name in dict.fromkeys(names):
        say(str(fetch(name, options.folder)))
    if names:
        return
    entries = [(e.name, f"{e.megabytes} MB", e.licence) for e in REGISTRY.values()]
    say("\n".join(format_table([("name", "size", "licence"), *entries])))


def add_convert(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 convert-checkpoint``."""
    add = parser.add_argument
    add("model", help="its name in the configuration; without one, belfusion, regnn ...")
    add_config(parser)
    what = (
        "published file, and which one it is where the model takes several (docs/checkpoints.md); "
        "without this, those under `checkpoint` of the configuration"
    )
    add("--file", action="append", default=[], metavar="[NAME=]PATH", help=what)
    what = "clips of the training split, for models of which a part is fitted"
    add("--clips", action="append", default=[], metavar="STREAM=PATH", help=what)
    what = "folder; each stage gets one in it"
    add("-o", "--output", type=Path, required=True, help=what)


def run_convert(options: argparse.Namespace) -> None:
    """``react24 convert-checkpoint``."""
    from react24 import models as registry
    from react24.models.convert import convert_checkpoint, find_conversion

    settings = _model_settings(options)
    values = settings.models[options.model]
    kind = registry.get(values["type"])
    if options.file:
        alone = len(options.file) == 1 and "=" not in options.file[0]
        given = options.file[0] if alone else _pairs(options.file, "--file")
        files = find_conversion(kind).name_files(given)
    else:
        files = settings.checkpoints.get(options.model, {})
    convert_checkpoint(
        values,
        {name: Path(path) for name, path in files.items()},
        {stage: options.output / stage for stage in kind.stage_names},
        clips={name: Path(path) for name, path in _pairs(options.clips, "--clips").items()},
        created_by="react24 convert-checkpoint",
    )


def _model_settings(options: argparse.Namespace) -> Settings:
    """The configuration; where there is none, the official settings of a built-in model."""
    from react24 import models as registry
    from react24.project.config import load_settings

    config, source = given_config(options)
    if config is None and options.model in registry.BUILT_IN:
        config = {"models": {options.model: {"settings": options.model, "variant": "official"}}}
    settings = load_settings(NO_MODELS if config is None else config, source=source)
    if options.model in settings.models:
        return settings
    if config is None:
        known = ", ".join(registry.names())
        raise InputError(
            f"there is no configuration, and no type {options.model!r}; types: {known}"
        )
    known = ", ".join(settings.models) or "none"
    raise InputError(f"the configuration has no model {options.model!r}; it has {known}")


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=PATH`` texts as a mapping."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise InputError(f"{option}: found {name + equals + path!r}; accepted is NAME=PATH")
    return {name: path for name, _, path in pairs}
