"""A look at weights: files that are the user's own, opened by the code that the jobs run."""

from __future__ import annotations

from react24 import models, streams
from react24.contracts.entry_points import resolve
from react24.errors import InputError, InputErrors
from react24.project.config import Settings
from react24.project.weights_used import list_used, missing
from react24.weights.fetch import fetch, verify
from react24.weights.registry import RANDOM, REGISTRY, weights_folder


def fetch_face_model(settings: Settings) -> list[str]:
    """Have the networks that find faces, before several processes want them; what is wrong."""
    model = settings["faces"]["model"]
    if model not in REGISTRY:
        return []
    try:
        fetch(model, weights_folder(settings.root))
    except InputError as error:
        return [f"faces.model: {error}"]
    return []


def look_at_weights(settings: Settings) -> list[str]:
    """What is wrong with the published files that are there, and with files of the user's own."""
    problems = []
    used = list_used(settings)
    gone = missing(used, settings)
    for use in used:
        if all(use.entry.name != other.entry.name for other in gone):
            path = weights_folder(settings.root) / use.entry.file
            problems += _try(use.where, lambda n=use.entry.name, p=path: verify(n, p))
    for name in settings.streams:
        problems += _look_at_stream(name, settings)
    for name in settings.models:
        problems += _look_at_model(name, settings)
    return list(dict.fromkeys(problems))


def _look_at_stream(name: str, settings: Settings) -> list[str]:
    """A stream with weights, or code, of the user's own: its extractor is made."""
    section = settings["streams"][name]
    stream = streams.get(name, section, settings.root)
    known, chosen = stream.backend(section).weights, section.get("weights")
    own_weights = known is not None and chosen is not None and chosen not in (*known, RANDOM)
    if not own_weights and not section.get("type"):
        return []
    from react24.streams.extract import open_extractors

    where = f"streams.{name}.weights" if own_weights else f"streams.{name}"
    return _try(where, lambda: open_extractors(stream, section, device="cpu"))


def _look_at_model(name: str, settings: Settings) -> list[str]:
    """A model with published weights is converted; of one of the user's own the code is found."""
    values, where = settings.models[name], f"models.{name}"
    kind = models.get(values["type"], settings.root)
    if files := settings.checkpoints.get(name):
        from react24.models.convert import try_conversion

        paths = {key: settings.root / path for key, path in files.items()}
        return _try(f"{where}.checkpoint", lambda: try_conversion(values, paths))
    if not values["type"].endswith(".py"):
        return []
    points = [kind.load, *(stage.task for stage in kind.stages)]
    return [text for point in points for text in _try(where, lambda p=point: resolve(p))]


def _try(where: str, work) -> list[str]:
    """What a piece of work says that is wrong."""
    try:
        work()
    except InputErrors as error:
        return [f"{where}: {text}" for text in error.problems]
    except Exception as error:  # whatever a damaged file or the user's code may raise
        told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return [f"{where}: {told}"]
    return []
