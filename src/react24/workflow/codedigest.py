"""A digest of the code behind a rule, so that a changed source reruns what depends on it.

Scripts of the workflow are thin; what they call lives in the package, where Snakemake does not
look. Every rule therefore carries ``params: code=JOBS.code("RULE")``: a digest of the meaning
(`react24.workflow.meaning`) of its script and of everything of ours that the script imports. The
sources are read; nothing is imported.

Not followed: modules named at run time (``importlib.import_module``). Name them as well.
"""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from react24.workflow.meaning import code_meaning, data_meaning, imported_by
from react24.workflow.meaning import imported_names as imported_names

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).parents[2]
"""The folder that holds the package."""

PACKAGE = "react24"
SCRIPTS = "workflow/scripts"
"""Where scripts lie, seen from the folder of the Snakefile."""

DATA_SUFFIXES = frozenset({".npz", ".npy", ".flac", ".yaml", ".tsv", ".json"})
"""Files beside a module that count as part of its code."""

TABLES = frozenset({"react24.models", "react24.streams"})
"""Packages whose own module is a table: a row more changes nothing that the other rows make."""

NO_NUMBERS = (
    "react24.errors",  # classes of errors and their sentences
    "react24.files.atomic",  # how a file comes to its name
    "react24.files.process",  # whether another writer is alive
    "react24.files.provenance",  # what a recipe is
    "react24.log",  # logs and progress; what is iterated over is passed on as it is
    "react24.project.shaping",  # which settings count
    "react24.workflow",  # planning; jobs import none of it but the names of their files
)
"""Modules, with all below them, that compute nothing that is stored: they do not count, nor does
what they import."""

SCRIPTS_COMPUTE_WITH = ("react24.workflow.paths",)
"""Modules below those that count all the same."""


@dataclass(frozen=True)
class Source:
    """One module or script.

    Attributes:
        name: Dotted name; of a script the name of its file.
        path: File.
        digest: SHA-256 of its meaning.
        imports: Dotted names that its import statements may refer to, absolute, sorted.
    """

    name: str
    path: Path
    digest: str
    imports: tuple[str, ...]


def code_digest(
    *modules: str,
    source: Path = SOURCE,
    data: bool = True,
    beside: Path | None = None,
    scripts: Path | None = None,
) -> str:
    """SHA-256 over the meaning of modules and of everything of their packages that they import.

    Args:
        modules: Dotted names, e.g. ``react24.metrics.score_samples``, or names of scripts of the
            workflow, e.g. ``score_reactions.py``.
        source: Folder that holds the package.
        data: Count data files (``DATA_SUFFIXES``) that lie beside a followed module too.
        beside: A second folder of sources, for modules of the user's own; data files beside
            those do not count.
        scripts: Folder of the scripts; None for that beside ``source``. Where there is none, since
            the rules were fetched from elsewhere and the package is installed, the whole package
            stands for any script.

    Returns:
        64 hexadecimal digits; the same whatever the order of imports or of ``modules``.

    Raises:
        ModuleNotFoundError: One of ``modules`` does not exist in ``source``.
    """
    return _digest(tuple(sorted(set(modules))), Path(source), data, beside, scripts)


@cache
def _digest(
    modules: tuple[str, ...], source: Path, data: bool, beside: Path | None, scripts: Path | None
) -> str:
    followed = follow(*modules, source=source, beside=beside, scripts=scripts)
    lines = [f"{module.name} {module.digest}" for module in followed]
    if data:
        parents = {m.path.parent for m in followed if not _is_script(m.name)}
        folders = sorted(parent for parent in parents if parent != beside)
        lines += [line for folder in folders for line in _data_lines(folder, source)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def follow(
    *modules: str, source: Path = SOURCE, beside: Path | None = None, scripts: Path | None = None
) -> list[Source]:
    """The modules and everything of their packages that they import, ordered by name.

    Arguments are those of `code_digest`.

    Raises:
        ModuleNotFoundError: One of ``modules`` does not exist in ``source`` or ``beside``.
    """
    scripts = source.parent / SCRIPTS if scripts is None else scripts
    if any(map(_is_script, modules)) and not scripts.is_dir():
        modules = (*(name for name in modules if not _is_script(name)), *_all_modules(source))
    own = {PACKAGE, *(name.partition(".")[0] for name in modules)}
    folders = [source] if beside is None else [source, beside]
    found: dict[str, Source] = {}
    waiting = list(modules)
    for name in modules:
        if _find(name, folders, scripts) is None:
            where = scripts if _is_script(name) else source
            raise ModuleNotFoundError(f"{name}: no such module in {where}", name=name)
    while waiting:
        name = waiting.pop()
        passed = name in found or (name not in modules and not counts(name))
        module = None if passed else _find(name, folders, scripts)
        if module is not None:
            found[name] = module
            # Importing a.b.c runs a/__init__.py and a/b/__init__.py as well.
            if "." in name and not _is_script(name):
                waiting.append(name.rpartition(".")[0])
            # Beside a file of the user's lie others that it may import.
            waiting += [
                i
                for i in module.imports
                if i.partition(".")[0] in own or (beside is not None and _read(i, beside))
            ]
    return [found[name] for name in sorted(found)]


def _all_modules(source: Path) -> list[str]:
    """Names of all modules of the package that count."""
    names = [
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for path in (source / PACKAGE).rglob("*.py")
    ]
    return [name for name in names if counts(name)]


@cache
def counts(name: str) -> bool:
    """Whether a module that is imported may change a number, other than as a row of a table."""
    if name in SCRIPTS_COMPUTE_WITH:
        return True
    spared = any(name == other or name.startswith(f"{other}.") for other in NO_NUMBERS)
    return not spared and name not in TABLES


def _is_script(name: str) -> bool:
    return name.endswith(".py")


def _find(name: str, folders: list[Path], scripts: Path) -> Source | None:
    """A script, or a module of ours in the first folder that has it."""
    if _is_script(name):
        return _read_script(name, scripts)
    return next((module for f in folders if (module := _read(name, f)) is not None), None)


@cache
def _read_script(name: str, folder: Path) -> Source | None:
    read = _look_up(str(folder / name), name.removesuffix(".py"))
    return None if read is None else Source(name, folder / name, *read)


@cache
def _read(name: str, source: Path) -> Source | None:
    """A module of ours, None where the name is something else (an attribute, a foreign package)."""
    stem = os.path.join(source, *name.split("."))  # noqa: PTH118 (pathlib is half of the time)
    for path in (f"{stem}/__init__.py", f"{stem}.py"):
        parent = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
        read = _look_up(path, parent)
        if read is not None:
            return Source(name, Path(path), *read)
    return None


@cache
def _data_lines(folder: Path, source: Path) -> tuple[str, ...]:
    lines = []
    for path in _data_files(str(folder)):
        read = _look_up(path, None)
        if read is not None:
            lines.append(f"{Path(path).relative_to(source).as_posix()} {read[0]}")
    return tuple(lines)


def _data_files(folder: str) -> list[str]:
    """Data files of a package's folder and of the folders in it that hold no code."""
    found = []
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith((".", "__")) or ".tmp-" in entry.name:
            continue
        if entry.is_dir():
            found += _data_files(entry.path) if not _holds_code(entry.path) else []
        elif Path(entry.name).suffix in DATA_SUFFIXES:
            found.append(entry.path)
    return found


def _holds_code(folder: str) -> bool:
    return any(name.endswith(".py") for name in os.listdir(folder))  # noqa: PTH208


# What single files mean, kept for the jobs of a run: to parse all takes a second.

_KEPT: dict[str, list] = {}
"""Package and path -> time of change in ns, size, digest, imports: what is known so far."""


def _look_up(path: str, parent: str | None) -> tuple[str, tuple[str, ...]] | None:
    """Digest and imports of a file, None where there is none.

    Args:
        path: File.
        parent: The package that its relative imports start from; None for data.
    """
    try:
        found = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None
    key, stamp = f"{parent}:{path}", [found.st_mtime_ns, found.st_size]
    kept = _KEPT.get(key)
    if kept is None or kept[:2] != stamp:
        digest, imports = _parse(Path(path), parent)
        kept = _KEPT[key] = [*stamp, digest, list(imports)]
    return kept[2], tuple(kept[3])


def _parse(path: Path, parent: str | None) -> tuple[str, tuple[str, ...]]:
    if parent is None:
        return data_meaning(path), ()
    text = path.read_bytes()
    try:
        tree = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError):
        # For another version of Python, or with a mistake that the job will name.
        return hashlib.sha256(text).hexdigest(), ()
    return code_meaning(tree), imported_by(tree, parent)


def keep_sources(path: Path, *, write: bool, source: Path = SOURCE) -> None:
    """Take over what a file says of sources; entries of files that have changed are not used.

    Args:
        path: The file, e.g. ``.snakemake/react24/sources.json``. Without it all is read anew.
        write: Read the whole package now and leave the file for jobs; for the main process. Where
            that cannot be done, jobs read the sources themselves.
        source: Folder that holds the package.
    """
    version = hashlib.sha256(Path(__file__).with_name("meaning.py").read_bytes()).hexdigest()
    before: dict[str, list] = {}
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["version"] == version:
            before = kept["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        logger.debug("%s: nothing to take over", path)
    _KEPT.update(before)
    if not write:
        return
    keys = _read_all(source)
    now = {key: _KEPT[key] for key in keys}
    if now != before:
        _write(path, json.dumps({"version": version, "sources": now}))


def _read_all(source: Path) -> list[str]:
    """Read every source and data file of the package, and every script; returns their keys."""
    keys = []
    for path, parent in _all_files(source):
        if _look_up(path, parent) is not None:
            keys.append(f"{parent}:{path}")
    return keys


def _all_files(source: Path) -> Iterator[tuple[str, str | None]]:
    """Path of each file that can count, and the package that its relative imports start from."""
    for folder, _, files in os.walk(source / PACKAGE):
        parent = ".".join(Path(folder).relative_to(source).parts)
        for name in sorted(files):
            if name.endswith(".py"):
                yield f"{folder}/{name}", parent
            elif Path(name).suffix in DATA_SUFFIXES:
                yield f"{folder}/{name}", None
    scripts = source.parent / SCRIPTS
    for path in sorted(scripts.glob("*.py")):
        yield str(path), path.stem


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f"{path.name}.tmp-{os.getpid()}")
        staged.write_text(text, "utf-8")
        staged.replace(path)
    except OSError as error:
        logger.debug("%s: cannot be written (%s)", path, error.strerror)
