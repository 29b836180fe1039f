import ast
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from react24.workflow import codedigest
from react24.workflow.codedigest import code_digest, follow, imported_names

PACKAGE = Path(codedigest.__file__).parents[1]


@pytest.fixture
def tree(tmp_path):
    """A package p: a -> b -> sub.c (relative, in a function); d stands alone."""
    files = {
        "p/__init__.py": '__version__ = "1"\n',
        "p/a.py": "import os\nfrom p import b\n",
        "p/b.py": "def f():\n    from .sub.c import (  # (why)\n        thing,\n    )\n",
        "p/d.py": '"""Text\nfrom p import a module is meant\nimport nothing\n"""\n',
        "p/sub/__init__.py": "",
        "p/sub/c.py": "from .. import b\nimport numpy.linalg as la, yaml\nthing = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def changed(tree, tmp_path_factory, name, text, module="p.a", **options):
    """Whether writing ``text`` to ``name`` changes the digest (memo: a copy is another source)."""
    other = tmp_path_factory.mktemp("copy") / "tree"
    shutil.copytree(tree, other)
    (other / name).write_text(text)
    before = code_digest(module, source=tree, **options)
    return code_digest(module, source=other, **options) != before


def test_follows_relative_nested_and_circular_imports(tree):
    assert [m.name for m in follow("p.a", source=tree)] == ["p", "p.a", "p.b", "p.sub", "p.sub.c"]
    assert [m.name for m in follow("p.d", source=tree)] == ["p", "p.d"]


def test_changes_with_what_is_imported_and_with_nothing_else(tree, tmp_path_factory):
    assert changed(tree, tmp_path_factory, "p/sub/c.py", "thing = 2\n")
    assert changed(tree, tmp_path_factory, "p/sub/__init__.py", "x = 1\n")
    assert not changed(tree, tmp_path_factory, "p/d.py", "x = 1\n")
    assert not changed(tree, tmp_path_factory, "p/__init__.py", '__version__ = "2"\n')


def test_touching_changes_nothing(tree, tmp_path):
    before = code_digest("p.a", source=tree)
    for path in tree.rglob("*.py"):
        os.utime(path, (1, 1))
    codedigest._digest.cache_clear()
    codedigest._read.cache_clear()
    assert code_digest("p.a", source=tree) == before


def test_order_of_modules_does_not_matter(tree):
    assert code_digest("p.a", "p.d", source=tree) == code_digest("p.d", "p.a", source=tree)
    assert code_digest("p.a", source=tree) != code_digest("p.d", source=tree)


def test_data_beside_followed_modules_counts_unless_asked_not_to(tree, tmp_path_factory):
    (tree / "p/sub/words").mkdir()
    data = ("p/sub/rig.npz", "p/sub/words/list.tsv")
    for name in data:
        (tree / name).write_text("1")
    for name in data:
        assert changed(tree, tmp_path_factory, name, "2")
        assert not changed(tree, tmp_path_factory, name, "2", data=False)
        assert not changed(tree, tmp_path_factory, name, "2", module="p.d")
    assert not changed(tree, tmp_path_factory, "p/sub/notes.md", "2")


def test_unknown_module_is_an_error(tree):
    with pytest.raises(ModuleNotFoundError, match=r"p\.nothing"):
        code_digest("p.nothing", source=tree)


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def own_imports_by_ast(path):
    parent = module_name(path) if path.name == "__init__.py" else module_name(path.parent)
    nodes = ast.walk(ast.parse(path.read_bytes()))
    return {n for node in nodes for n in imported_names(node, parent)}


def test_quick_scan_finds_every_import_that_a_full_parse_finds():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 10
    for path in files:
        found = set(codedigest._read(module_name(path), PACKAGE.parent).imports)
        assert own_imports_by_ast(path) <= found, path


def test_nothing_of_ours_is_imported_at_run_time_without_being_named():
    """Modules found by name at run time are invisible to the digest; keep a list of them."""
    known = {"contracts/entry_points.py"}
    using = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^[^#\"\n]*import_module\(", path.read_text(), re.MULTILINE)
    }
    assert using - known == set()


def test_whole_package_takes_a_moment_only():
    names = [module_name(path) for path in PACKAGE.rglob("*.py")]
    codedigest._digest.cache_clear()
    codedigest._read.cache_clear()
    codedigest._data_lines.cache_clear()
    start = time.process_time()
    code_digest(*names)
    assert time.process_time() - start < 0.3  # about 0.03 s on an idle machine


def test_another_row_of_a_table_changes_no_digest():
    """``react24.streams`` is the parent of what is followed, and a table of all the others."""
    followed = {module.name for module in codedigest.follow("react24.streams.vggish")}
    assert {"react24", "react24.weights.reading"} <= followed
    assert not followed & codedigest.TABLES
    for name in codedigest.TABLES:
        imported = codedigest._read(name, PACKAGE.parent).imports
        assert not any(i.startswith(f"{name}.") for i in imported), f"{name} is more than a table"
        assert [m.name for m in codedigest.follow(name) if m.name == name]
