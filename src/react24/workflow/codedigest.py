"""A digest of the code behind a rule, so that a changed source reruns what depends on it.

Scripts of the workflow are thin; what they call lives in the package, where Snakemake does not
look. Every rule therefore carries ``params: code=code_digest("react24.metrics.score_samples")``.
Imports are followed in the text of the sources; nothing is imported.

Not followed: modules named at run time (``importlib.import_module``). Name them as well.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2]
"""The folder that holds the package."""

DATA_SUFFIXES = frozenset({".npz", ".npy", ".flac", ".yaml", ".tsv", ".json"})
"""Files beside a module that count as part of its code."""

# Parsing whole files would cost a third of a second at every start of a job; import statements
# alone are a few milliseconds. At worst text inside a docstring is taken for an import, which
# makes a digest depend on a module too many, never on one too few.
_IMPORT = re.compile(
    rb"^[ \t]*("
    rb"from[ \t]+[.\w \t]+?[ \t]+import[ \t]*(?:\((?:[^)#]|\#[^\n]*)*\)|(?:\\\n|[^\n(])+)"
    rb"|import[ \t]+(?:\\\n|[^\n])+"
    rb")",
    re.MULTILINE,
)
TABLES = frozenset({"react24.models", "react24.streams"})
"""Packages whose own module is a table: a row more changes nothing that the other rows make."""

# A new version number alone changes no result.
_VERSION = re.compile(rb"^__version__ *=.*$", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """One module as text.

    Attributes:
        name: Dotted name.
        path: File.
        digest: SHA-256 of the text, less the package's version number.
        imports: Dotted names that its import statements may refer to, absolute, sorted.
    """

    name: str
    path: Path
    digest: str
    imports: tuple[str, ...]


def code_digest(
    *modules: str, source: Path = SOURCE, data: bool = True, beside: Path | None = None
) -> str:
    """SHA-256 over modules and everything of their packages that they import.

    Args:
        modules: Dotted names, e.g. ``react24.metrics.score_samples``.
        source: Folder that holds the package.
        data: Count data files (``DATA_SUFFIXES``) that lie beside a followed module too.
        beside: A second folder of sources, for modules of the user's own; data files beside
            those do not count.

    Returns:
        64 hexadecimal digits; the same whatever the order of imports or of ``modules``.

    Raises:
        ModuleNotFoundError: One of ``modules`` does not exist in ``source``.
    """
    return _digest(tuple(sorted(set(modules))), Path(source), data, beside)


@cache
def _digest(modules: tuple[str, ...], source: Path, data: bool, beside: Path | None) -> str:
    followed = follow(*modules, source=source, beside=beside)
    lines = [f"{module.name} {module.digest}" for module in followed]
    if data:
        parents = {module.path.parent for module in followed}
        folders = sorted(parent for parent in parents if parent != beside)
        lines += [line for folder in folders for line in _data_lines(folder, source)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def follow(*modules: str, source: Path = SOURCE, beside: Path | None = None) -> list[Source]:
    """The modules and everything of their packages that they import, ordered by name.

    Raises:
        ModuleNotFoundError: One of ``modules`` does not exist in ``source`` or ``beside``.
    """
    own = {name.partition(".")[0] for name in modules}
    folders = [source] if beside is None else [source, beside]
    found: dict[str, Source] = {}
    waiting = list(modules)
    for name in modules:
        if _find(name, folders) is None:
            raise ModuleNotFoundError(f"{name}: no such module in {source}", name=name)
    while waiting:
        name = waiting.pop()
        known = name in found or (name in TABLES and name not in modules)
        module = None if known else _find(name, folders)
        if module is not None:
            found[name] = module
            # Importing a.b.c runs a/__init__.py and a/b/__init__.py as well.
            waiting += [name.rpartition(".")[0]] if "." in name else []
            # Beside a file of the user's lie others that it may import.
            waiting += [
                i
                for i in module.imports
                if i.partition(".")[0] in own or (beside is not None and _read(i, beside))
            ]
    return [found[name] for name in sorted(found)]


def _find(name: str, folders: list[Path]) -> Source | None:
    """A module of ours in the first folder that has it."""
    return next((module for f in folders if (module := _read(name, f)) is not None), None)


@cache
def _read(name: str, source: Path) -> Source | None:
    """A module of ours, None where the name is something else (an attribute, a foreign package)."""
    stem = os.path.join(source, *name.split("."))  # noqa: PTH118 (pathlib is half of the time)
    for path in (f"{stem}/__init__.py", f"{stem}.py"):
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                text = file.read()
            break
        except (FileNotFoundError, NotADirectoryError):
            continue
    else:
        return None
    code = _VERSION.sub(b"", text) if b"__version__" in text else text
    parent = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
    imports = sorted({i for node in _import_nodes(text) for i in imported_names(node, parent)})
    return Source(name, Path(path), hashlib.sha256(code).hexdigest(), tuple(imports))


def _import_nodes(text: bytes) -> list[ast.stmt]:
    nodes: list[ast.stmt] = []
    for statement in _IMPORT.findall(text):
        try:
            nodes += ast.parse(statement).body
        except SyntaxError:  # a sentence of a docstring that starts with "from" or "import"
            continue
    return nodes


def imported_names(node: ast.stmt, parent: str) -> list[str]:
    """Dotted names that an import statement may refer to.

    Args:
        node: ``import`` or ``from ... import``; others give nothing.
        parent: The package that relative imports start from.
    """
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = parent.split(".")
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, base] if base else package)
    # ``from a import b`` may name the module a.b or something inside a.
    return [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]


@cache
def _data_lines(folder: Path, source: Path) -> tuple[str, ...]:
    return tuple(
        f"{path.relative_to(source).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in _data_files(folder)
    )


def _data_files(folder: Path) -> list[Path]:
    """Data files of a package's folder and of the folders in it that hold no code."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")) or ".tmp-" in path.name:
            continue
        if path.is_dir() and not any(path.glob("*.py")):
            found += _data_files(path)
        elif path.suffix in DATA_SUFFIXES:
            found.append(path)
    return found
