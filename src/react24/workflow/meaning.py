"""What a source file means: its text less all that changes nothing a program computes.

Two texts have the same meaning where they differ only in

- comments, layout, docstrings and other strings that stand alone;
- the order of imports that stand together, and what only type checkers run;
- annotations of plain functions and of variables outside classes. Those of class bodies and of
  decorated functions count: data classes, pydantic and others read them;
- sentences for people: of ``raise`` and ``assert``, of ``logger`` and of ``progress``. A text with
  a space in it is a sentence; what else such a statement is given counts;
- ``__version__``.

Everything else counts. The syntax tree is written out by hand, since ``ast.dump`` gives another
text in each version of Python.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

UNREAD = frozenset({"ctx", "kind", "type_comment", "type_params", "type_ignores"})
"""Fields of a syntax tree that say nothing more, or are not there in each version of Python."""

PLAIN_DECORATORS = frozenset(
    {"property", "cached_property", "staticmethod", "classmethod", "contextmanager", "cache"}
)
"""Decorators that read no annotations."""

LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
"""Methods of a ``logger``."""

Statement = ast.stmt | ast.excepthandler


def code_meaning(tree: ast.Module) -> str:
    """SHA-256 of the meaning of a source."""
    return _sha256(_block(tree.body, in_class=False))


def data_meaning(path: Path) -> str:
    """SHA-256 of the content of a data file: of what YAML, JSON and TSV say, of other files' bytes.

    Of the registry of weights only the files and their digests count, not what is said about them.
    """
    content = path.read_bytes()
    if path.suffix == ".tsv":
        rows = content.decode().splitlines()
        return _sha256(repr([[cell.strip() for cell in row.split("\t")] for row in rows if row]))
    if path.suffix == ".json":
        return _sha256(json.dumps(json.loads(content)))
    if path.suffix == ".yaml":
        import yaml

        values = yaml.safe_load(content)
        if path.name == "registry.yaml":
            values = {name: [entry["file"], entry["sha256"]] for name, entry in values.items()}
        return _sha256(json.dumps(values, default=str))
    return hashlib.sha256(content).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# Statements


def run_statements(body: Iterable[Statement]) -> Iterator[Statement]:
    """The statements of a block that do something: no lone constants, nothing for type checkers."""
    for node in body:
        if isinstance(node, ast.Pass) or _is_version(node):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.If) and _is_for_checkers(node.test):
            yield from run_statements(node.orelse)
            continue
        yield node


def _is_version(node: ast.AST) -> bool:
    if not isinstance(node, ast.Assign):
        return False
    return [t.id for t in node.targets if isinstance(t, ast.Name)] == ["__version__"]


def _is_for_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _block(body: Iterable[Statement], *, in_class: bool) -> str:
    lines: list[str] = []
    kept = run_statements(body)
    for imports, run in groupby(kept, lambda n: isinstance(n, ast.Import | ast.ImportFrom)):
        if imports:
            lines += sorted({line for node in run for line in _import_lines(node)})
        else:
            lines += [_statement(node, in_class) for node in run]
    return "{" + ";".join(lines) + "}"


def _import_lines(node: Any) -> list[str]:
    base = "import" if isinstance(node, ast.Import) else f"from {node.level} {node.module or ''}"
    return [f"{base} {alias.name} as {alias.asname or alias.name}" for alias in node.names]


def _statement(node: Statement, in_class: bool) -> str:
    """One statement; annotations count where they stand in a class."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _function(node)
    if isinstance(node, ast.ClassDef):
        return _fields(node, in_class=True)
    if isinstance(node, ast.AnnAssign) and not in_class:
        return _fields(ast.Assign([node.target], node.value), in_class)
    if isinstance(node, ast.Raise):
        return f"Raise({_told(node.exc)},{_write(node.cause)})"
    if isinstance(node, ast.Assert):
        return f"Assert({_write(node.test)},{_argument(node.msg)})"
    return _fields(node, in_class)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    decorators = _write(node.decorator_list)
    read = any(getattr(d, "id", None) not in PLAIN_DECORATORS for d in node.decorator_list)
    signature = _arguments(node.args, annotated=read) + (_write(node.returns) if read else "")
    body = _block(node.body, in_class=False)
    return f"{type(node).__name__}({node.name},{decorators},{signature},{body})"


def _arguments(node: ast.arguments, *, annotated: bool) -> str:
    parts = []
    for name in node._fields:
        value = getattr(node, name)
        if isinstance(value, ast.arg):
            value = [value]
        if value:
            args = [_arg(v, annotated) if isinstance(v, ast.arg) else _write(v) for v in value]
            parts.append(f"{name}=[{','.join(args)}]")
    return f"({','.join(parts)})"


def _arg(node: ast.arg, annotated: bool) -> str:
    return f"{node.arg}:{_write(node.annotation)}" if annotated else node.arg


def _fields(node: ast.AST, in_class: bool = False) -> str:
    """A node with its fields; those that are empty are left out."""
    parts = []
    for name in node._fields:
        value = getattr(node, name, None)
        if name in UNREAD or value is None or value == []:
            continue
        if isinstance(value, list) and isinstance(value[0], ast.stmt | ast.excepthandler):
            parts.append(f"{name}={_block(value, in_class=in_class)}")
        else:
            parts.append(f"{name}={_write(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


# Expressions


def _write(value: Any) -> str:
    """An expression, a list of them, or what a field holds."""
    if value is None:
        return "~"  # nothing there, unlike the constant None
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    if isinstance(value, ast.Constant):
        return ascii(value.value)  # what repr shows of a text depends on the version of Python
    if isinstance(value, ast.JoinedStr):
        return _joined(value)
    if isinstance(value, ast.arguments):
        return _arguments(value, annotated=False)  # of a lambda
    if isinstance(value, ast.Call) and _is_told(value.func):
        return _told(value)
    return _fields(value) if isinstance(value, ast.AST) else repr(value)


def _joined(node: ast.JoinedStr) -> str:
    """An f-string; versions of Python cut its text into different pieces."""
    parts: list[str] = []
    for constant, run in groupby(node.values, lambda v: isinstance(v, ast.Constant)):
        if constant:
            text = "".join(str(getattr(piece, "value", "")) for piece in run)
            parts += [ascii(text)] if text else []
        else:
            parts += [_write(piece) for piece in run]
    return f"f[{','.join(parts)}]"


# Sentences for people


def _is_told(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr in LEVELS and getattr(function.value, "id", None) == "logger"
    return getattr(function, "id", None) == "progress"


def _told(node: ast.expr | None) -> str:
    """A call without the sentences among its arguments."""
    if not isinstance(node, ast.Call):
        return _write(node)
    arguments = [_argument(argument) for argument in node.args]
    arguments += [f"{keyword.arg}={_argument(keyword.value)}" for keyword in node.keywords]
    return f"Told({_write(node.func)},[{','.join(arguments)}])"


def _argument(node: ast.expr | None) -> str:
    return "words" if node is not None and _is_sentence(node) else _write(node)


def _is_sentence(node: ast.expr) -> bool:
    """Whether an expression is a text of several words, for sure."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and " " in node.value
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(v, ast.Constant) and " " in str(v.value) for v in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_sentence(node.left) or _is_sentence(node.right)
    return False


# Imports


def imported_by(tree: ast.Module, parent: str) -> tuple[str, ...]:
    """Dotted names that the import statements of a source may refer to, absolute, sorted.

    Imports inside functions count; those for type checkers do not.

    Args:
        tree: Of the source.
        parent: The package that relative imports start from.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = [*run_statements(tree.body)]
    while waiting:
        node = waiting.pop()
        found.update(imported_names(node, parent))
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                waiting += run_statements(value)
            elif isinstance(value, list):
                waiting += [v for v in value if isinstance(v, ast.excepthandler | ast.match_case)]
    return tuple(sorted(found))


def imported_names(node: ast.AST, parent: str) -> list[str]:
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
