"""The published weights that a run uses, fetched once before its first job."""

from __future__ import annotations

import urllib.request
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from react24 import streams
from react24.errors import InputError, InputErrors
from react24.project.config import Settings
from react24.weights.fetch import Opener, fetch, verify
from react24.weights.registry import RANDOM, REGISTRY, WeightsEntry, weights_folder


@dataclass(frozen=True)
class UsedWeights:
    """An entry of the registry that a run uses.

    Attributes:
        entry: Which.
        where: The key that names it.
        rules: Rules that read it.
    """

    entry: WeightsEntry
    where: str
    rules: tuple[str, ...]


def list_used(settings: Settings) -> list[UsedWeights]:
    """Every published file that the streams and the face track of a run read."""
    found = []
    if (model := settings["faces"]["model"]) in REGISTRY:
        found.append((model, "faces.model", ("track_faces",)))
    for name in settings.streams:
        section = settings["streams"][name]
        backend = streams.get(name, section, settings.root).backend(section)
        chosen = section.get("weights")
        if backend.weights and chosen in backend.weights and chosen in REGISTRY:
            neutral = ("find_neutral",) if backend.shares_neutral else ()
            found.append((chosen, f"streams.{name}.weights", (f"extract_{name}", *neutral)))
    return [
        UsedWeights(REGISTRY[name], where, rules)
        for chosen, where, rules in found
        for name in (chosen, *REGISTRY[chosen].needs)
    ]


def missing(used: Sequence[UsedWeights], settings: Settings) -> list[UsedWeights]:
    """Those that are not in the folder of weights, each once."""
    folder = weights_folder(settings.root)
    gone: dict[str, UsedWeights] = {}
    for use in used:
        if not (folder / use.entry.file).exists():
            gone.setdefault(use.entry.name, use)
    return list(gone.values())


def weak_points(settings: Settings) -> list[str]:
    """What deserves a look about the weights of a run."""
    folder = weights_folder(settings.root)
    warnings = []
    gone = [use for use in missing(list_used(settings), settings) if not use.entry.by_hand]
    for use in gone:
        warnings.append(
            f"{use.where}: {use.entry.name} is not in {folder} yet; a run fetches it "
            f"({use.entry.megabytes} MB) before its first job. Without a connection: "
            f"{command([use])} on a machine that has one, and copy the folder"
        )
    for name in settings.checkpoints:
        for stream in settings.reads[name]:
            if settings["streams"].get(stream, {}).get("weights") == RANDOM:
                warnings.append(
                    f"streams.{stream}.weights: found {RANDOM}, but models.{name} has published "
                    f"weights, which were trained on features of the published network; name its "
                    f"weights here, too"
                )
    return warnings


def command(used: Sequence[UsedWeights]) -> str:
    """What fetches them."""
    return f"`react24 fetch-weights {' '.join(use.entry.name for use in used)}`"


def fetch_used(
    settings: Settings,
    rules: Collection[str] | None = None,
    *,
    opener: Opener = urllib.request.urlopen,
) -> None:
    """Fetch the published weights that are not there yet, and see that the others are right.

    Args:
        settings: Of the run.
        rules: Rules that have something to do; None for all.
        opener: As for ``fetch``.

    Raises:
        InputErrors: They cannot be had, or are not what they should be.
    """
    used = list_used(settings)
    if rules is not None:  # within another workflow, rules may have a prefix
        used = [u for u in used if any(rule.endswith(u.rules) for rule in rules)]
    gone, folder = missing(used, settings), weights_folder(settings.root)
    problems = []
    absent = {use.entry.name for use in gone}
    there = {use.entry.name: use for use in used if use.entry.name not in absent}
    for use in there.values():
        try:
            verify(use.entry.name, folder / use.entry.file)
        except InputError as error:
            problems.append(f"{use.where}: {error}")
    for number, use in enumerate(gone):
        try:
            fetch(use.entry.name, folder, opener=opener)
        except InputError as error:
            rest = gone[number:]
            problems.append(f"{use.where}: {error}")
            problems.append(
                f"{command(rest)} fetches all that is missing; run it where there is a connection, "
                f"put the files into {folder}, and start again"
            )
            break  # without a connection the others would wait for nothing
    if problems:
        raise InputErrors("weights that this run needs", problems)
