"""No import circles, and folders that import downwards (``docs/architecture.md``)."""

import ast
import re
from pathlib import Path

from react24.workflow.codedigest import SOURCE, TABLES, imported_names

PACKAGE = SOURCE / "react24"
LAYERS = (
    ("cli", "workflow"),
    ("check", "models", "report", "sampling"),
    ("metrics", "streams", "training"),
    ("clips", "corpora", "faces"),
    ("media", "rig"),
    ("contracts", "dtw", "files", "project", "weights"),
    ("conventions", "devices", "errors", "log", "seeding"),
)
"""From the top; what stands in one row may import each other, and all below."""

SPARED = {
    ("react24.project.model_entries", "react24.training.settings"),
    ("react24.rig.student_build", "react24.faces.track"),
    ("react24.rig.student_build", "react24.streams.blendshape_network"),
}
"""Settings of the loop, which are checked with the configuration; and a program that makes what the
package holds, which imports what it makes it with."""


def name_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def run_at_import(nodes):
    """Statements that run when a module is imported: no functions, nothing for type checkers."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from run_at_import(ast.iter_child_nodes(node))


def read_imports():
    """Module of ours -> modules of ours that it imports when it is imported itself."""
    paths = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    graph = {}
    for name, path in paths.items():
        parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
        nodes = run_at_import(ast.parse(path.read_bytes()).body)
        found = {i for node in nodes for i in imported_names(node, parent)} & set(paths)
        # "from a import b" names the package a, too, which matters only where b is something in it.
        graph[name] = {i for i in found if not any(j.startswith(f"{i}.") for j in found)} - {name}
    return graph


IMPORTS = read_imports()


def circles(graph):
    """Groups of modules that import each other."""
    reached = {name: reach(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in graph
    }
    return [sorted(group) for group in groups if group]


def reach(graph, name):
    """All modules that a module imports, directly or not; itself where there is a circle."""
    found, waiting = set(), list(graph[name])
    while waiting:
        if (other := waiting.pop()) not in found:
            found.add(other)
            waiting += graph[other]
    return found


def layer(name):
    """Number of the row of ``LAYERS``, 0 for the top; None for the package itself."""
    folder = name.split(".")[1] if "." in name else None
    return next((i for i, row in enumerate(LAYERS) if folder in row), None)


def test_every_folder_has_its_layer():
    folders = {name.split(".")[1] for name in IMPORTS if "." in name} - {"__main__"}
    assert folders == {folder for row in LAYERS for folder in row}


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


def test_no_module_imports_itself_by_way_of_others():
    assert circles(IMPORTS) == []


def test_imports_run_downwards():
    """Tables of what there is import nothing that they name, and are asked from everywhere."""
    upwards = {
        (name, other)
        for name, others in IMPORTS.items()
        for other in others - TABLES
        if None not in (layer(name), layer(other)) and layer(other) < layer(name)
    }
    assert upwards - SPARED == set()


def test_a_model_imports_no_other_model():
    houses = {name: name.split(".")[2] for name in IMPORTS if name.startswith("react24.models.")}
    shared = {"convert"}
    crossing = [
        (name, other)
        for name, house in houses.items()
        for other in IMPORTS[name]
        if other in houses and houses[other] not in (house, *shared) and house not in shared
    ]
    assert crossing == []


def test_a_metric_imports_no_model():
    for name, others in IMPORTS.items():
        if name.startswith("react24.metrics"):
            assert not [other for other in others if other.startswith("react24.models")], name


def test_the_page_on_architecture_says_the_same():
    page = (Path(__file__).resolve().parents[2] / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| \d \| (`.*`) \|$", page, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [set(row) for row in LAYERS]
