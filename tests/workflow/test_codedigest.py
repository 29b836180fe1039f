import ast
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from react24.workflow import codedigest
from react24.workflow.codedigest import NO_NUMBERS, code_digest, counts, follow, keep_sources
from react24.workflow.meaning import code_meaning, imported_by

PACKAGE = Path(codedigest.__file__).parents[1]


@pytest.fixture
def tree(tmp_path):
    """A package p: a -> b -> sub.c (relative, in a function); d stands alone."""
    files = {
        "p/__init__.py": '__version__ = "1"\n',
        "p/a.py": "import os\nfrom p import b\n",
        "p/b.py": "def f():\n    from .sub.c import (  # (why)\n        thing,\n    )\n",
        "p/e.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import d\n",
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
    assert [m.name for m in follow("p.e", source=tree)] == ["p", "p.e"]


def test_changes_with_what_is_imported_and_with_nothing_else(tree, tmp_path_factory):
    assert changed(tree, tmp_path_factory, "p/sub/c.py", "thing = 2\n")
    assert changed(tree, tmp_path_factory, "p/sub/__init__.py", "x = 1\n")
    assert not changed(tree, tmp_path_factory, "p/d.py", "x = 1\n")
    assert not changed(tree, tmp_path_factory, "p/__init__.py", '__version__ = "2"\n')


def test_touching_changes_nothing(tree, tmp_path):
    before = code_digest("p.a", source=tree)
    for path in tree.rglob("*.py"):
        os.utime(path, (1, 1))
    forget()
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


def test_nothing_of_ours_is_imported_at_run_time_without_being_named():
    """Modules found by name at run time are invisible to the digest; keep a list of them."""
    known = {"contracts/entry_points.py"}
    using = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^[^#\"\n]*import_module\(", path.read_text(), re.MULTILINE)
    }
    assert using - known == set()


def forget():
    """Forget what this process has read."""
    codedigest._digest.cache_clear()
    codedigest._read.cache_clear()
    codedigest._read_script.cache_clear()
    codedigest._data_lines.cache_clear()
    codedigest._KEPT.clear()


def test_another_row_of_a_table_changes_no_digest():
    """``react24.streams`` is the parent of what is followed, and a table of all the others."""
    followed = {module.name for module in codedigest.follow("react24.streams.vggish")}
    assert {"react24", "react24.weights.reading"} <= followed
    assert not followed & codedigest.TABLES
    for name in codedigest.TABLES:
        imported = codedigest._read(name, PACKAGE.parent).imports
        assert not any(i.startswith(f"{name}.") for i in imported), f"{name} is more than a table"
        assert [m.name for m in codedigest.follow(name) if m.name == name]


def run(*lines):
    return "\n".join(lines) + "\n"


BEFORE = run(
    '"""What it is about."""',
    "from __future__ import annotations",
    "import logging",
    "from fractions import Fraction",
    "from functools import cache",
    "from typing import TYPE_CHECKING",
    "if TYPE_CHECKING:",
    "    import numpy as np",
    "logger = logging.getLogger(__name__)",
    "RATE: float = 0.5",
    '"""Of everything."""',
    "class Kind:",
    "    size: int = 3",
    "@cache",
    "def half(values: list[float], rate: float = RATE) -> list[float]:",
    '    """Halves."""',
    "    if not values:",
    '        raise ValueError(f"found {values}; accepted is a list with something in it")',
    '    logger.info("halving %d values", len(values))',
    '    assert rate > 0, "a rate is above zero"',
    "    return [value * rate + 1 for value in progress(values, what='some halves')]",
)
SAME = {
    "comment": ("    if not", "    # nothing to do\n    if not"),
    "comment behind": ("RATE: float = 0.5", "RATE: float = 0.5  # measured"),
    "blank line": ("class Kind", "\n\nclass Kind"),
    "reformatting": ("(values: list[float], rate", "(\n    values: list[float],\n    rate"),
    "quotes": ("'some halves'", '"some halves"'),
    "a number written otherwise": ("0.5", "0.50"),
    "docstring of a module": ("What it is about.", "What it is all about."),
    "docstring of a function": ('    """Halves."""\n', ""),
    "docstring of a constant": ('"""Of everything."""', '"""Of nothing."""'),
    "order of imports": (
        "import logging\nfrom fractions import Fraction\n",
        "from fractions import Fraction\nimport logging\n",
    ),
    "imports of one module apart": (
        "from functools import cache\n",
        "from functools import (\n    cache as cache,\n)\n",
    ),
    "imports for type checkers": ("import numpy as np", "from numpy import ndarray"),
    "annotation of a constant": ("RATE: float", "RATE: int"),
    "no annotation of a constant": ("RATE: float = ", "RATE = "),
    "words of a log entry": ("halving %d values", "%d values are halved"),
    "words of an error": ("accepted is a list with something in it", "give something"),
    "what an error tells": ("found {values}; accepted", "accepted"),
    "words of an assertion": ("a rate is above zero", "a rate must be above zero"),
    "words of progress": ("some halves", "all the halves"),
    "version": ("RATE: float = 0.5\n", "RATE: float = 0.5\n__version__ = '2'\n"),
    "pass": ("    size: int = 3\n", "    size: int = 3\n    pass\n"),
}
OTHER = {
    "constant": ("0.5", "0.25"),
    "kind of a number": ("rate + 1", "rate + 1.0"),
    "truth for a number": ("rate + 1", "rate + True"),
    "operator": ("rate + 1", "rate - 1"),
    "order of operations": ("value * rate + 1", "value * (rate + 1)"),
    "default": ("= RATE)", "= 1.0)"),
    "no default": (" = RATE)", ")"),
    "decorator": ("@cache\n", ""),
    "name of an argument": ("(values: list[float], rate", "(values: list[float], /, rate"),
    "comparison": ("rate > 0", "rate >= 0"),
    "condition": ("if not values", "if values"),
    "text that is no sentence": ("'some halves'", "'halves'"),
    "kind of an error": ("ValueError", "TypeError"),
    "what a log entry is given": ("len(values))", "len(values), values.pop())"),
    "what progress goes through": ("progress(values, what", "progress(values[1:], what"),
    "field of a class": ("size: int = 3", "size: int = 4"),
    "type of a field": ("size: int", "size: float"),
    "imported name": ("from functools import cache", "from functools import lru_cache as cache"),
    "statement": ("    return", "    rate *= 2\n    return"),
    "order of statements": (
        'RATE: float = 0.5\n"""Of everything."""\nclass Kind:\n    size: int = 3\n',
        "class Kind:\n    size: int = 3\nRATE: float = 0.5\n",
    ),
    "import later": ("import logging\n", "from fractions import Fraction as logging\n"),
}


def meaning(text):
    return code_meaning(ast.parse(text))


@pytest.mark.parametrize("what", SAME)
def test_an_edit_that_changes_nothing(what):
    old, new = SAME[what]
    text = BEFORE.replace(old, new, 1)
    assert text != BEFORE
    ast.parse(text)
    assert meaning(text) == meaning(BEFORE)


@pytest.mark.parametrize("what", OTHER)
def test_an_edit_that_may_change_a_number(what):
    old, new = OTHER[what]
    text = BEFORE.replace(old, new, 1)
    assert text != BEFORE
    assert meaning(text) != meaning(BEFORE)


def test_annotations_count_where_a_decorator_may_read_them():
    one, other = "@d\ndef f(x: int): pass", "@d\ndef f(x: float): pass"
    assert meaning(one) != meaning(other)
    plain = [text.replace("@d", "@property") for text in (one, other)]
    assert meaning(plain[0]) == meaning(plain[1])


def test_empty_and_absent_parts_are_told_apart():
    """A dump without empty fields must not make different programs alike."""
    texts = "x[1:] x[:1] {**a} {None:a} {a:a} f(None) f() f(*a) f(**a) 1 -1 b'' '' f'' f'{x}'"
    texts += " f'{x!r}' f'{x:2}' f'{x:{y}}' [*a] [a] [] () {} yield"
    signatures = ["a", "*a", "*,a", "*,a=None", "a,/", "a=None", "**a", ""]
    programs = [f"def f():\n    z = {text}" for text in texts.split()]
    programs += [f"z = lambda {arguments}: 1" for arguments in signatures]
    programs += [f"def f({arguments}): pass" for arguments in signatures]
    programs += ["import a", "from . import a", "from .. import a", "from a import a", "return_"]
    programs += ["def f(): return", "def f(): return 1", "def f(): x: int", "try: x\nfinally: y"]
    programs += ["for x in y: z", "async def f(): z", "if x: y", "if x: pass\nelse: y"]
    assert len({meaning(program) for program in programs}) == len(programs)


def test_the_meaning_of_a_text_does_not_depend_on_the_version_of_python():
    text = BEFORE + run(
        "match half:",
        "    case [1, *rest] if rest:",
        "        text = f'{{a}} {rest!r:>{RATE}} b' f'c' 'd' f'{rest=}' 'é'",
        "    case Kind(size=3) | None:",
        "        del rest",
        "try:",
        "    async def g(a, /, b=1, *c, d: int, e=None, **f): return [x async for x in b if x]",
        "except* OSError as error:",
        "    raise",
        "with open(a) as b, c: x: int",
    )
    expected = "7375cfd4c59a4bcac9b0ca8745fb3cd6e6b56cef63d9c5b95aff19fb5ef54a61"
    assert meaning(text) == expected


def test_imports_are_found_wherever_they_stand():
    text = run(
        "import a.b, c",
        "try:",
        "    from d import e",
        "except ImportError:",
        "    import f",
        "else:",
        "    import g",
        "def h():",
        "    with i:",
        "        from . import j",
        "match k:",
        "    case 1:",
        "        import l",
        "if typing.TYPE_CHECKING:",
        "    import m",
        "else:",
        "    import n",
    )
    found = imported_by(ast.parse(text), "p.q")
    assert found == ("a.b", "c", "d", "d.e", "f", "g", "l", "n", "p.q", "p.q.j")


def test_a_script_and_what_it_imports(tmp_path):
    files = {
        "workflow/scripts/do_it.py": "from react24 import a\nfrom react24.log import tell\n",
        "src/react24/__init__.py": "",
        "src/react24/a.py": "import react24.errors\nfrom react24.workflow import paths\n",
        "src/react24/log.py": "tell = 1\n",
        "src/react24/errors.py": "from react24 import b\nclass Wrong(ValueError): pass\n",
        "src/react24/b.py": "",
        "src/react24/workflow/__init__.py": "",
        "src/react24/workflow/paths.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    source = tmp_path / "src"
    names = ["do_it.py", "react24", "react24.a", "react24.workflow.paths"]
    assert [m.name for m in follow("do_it.py", source=source)] == names
    before = code_digest("do_it.py", source=source)
    for name, counting in (
        ("workflow/scripts/do_it.py", True),
        ("src/react24/a.py", True),
        ("src/react24/workflow/paths.py", True),
        ("src/react24/log.py", False),
        ("src/react24/errors.py", False),
        ("src/react24/b.py", False),
    ):
        path = tmp_path / name
        path.write_text(files[name] + "changed = 1\n")
        forget()
        assert (code_digest("do_it.py", source=source) != before) == counting, name
        path.write_text(files[name])
    with pytest.raises(ModuleNotFoundError, match=r"other\.py"):
        code_digest("other.py", source=source)
    apart = (tmp_path / "workflow/scripts").rename(tmp_path / "apart")
    assert code_digest("do_it.py", source=source, scripts=apart) == before
    # Rules that were fetched without their scripts: the package stands for any of them.
    names = ["react24", "react24.a", "react24.b", "react24.workflow.paths"]
    assert [m.name for m in follow("do_it.py", source=source)] == names


@pytest.mark.parametrize("name", [name for name in NO_NUMBERS if name != "react24.workflow"])
def test_what_does_not_count_imports_nothing_that_computes(name):
    assert not counts(name)
    [module] = [m for m in follow(name) if m.name == name]
    ours = {i for i in module.imports if i.startswith("react24.")}
    assert not {i for i in ours if counts(i)}
    foreign = {i.partition(".")[0] for i in module.imports} - {"react24"}
    assert foreign <= sys.stdlib_module_names | {"tqdm"}


def test_nobody_computes_with_the_workflow():
    """Scripts take from it how a job starts, and their files; other modules nothing."""
    root, allowed = PACKAGE.parents[1], {"react24.workflow.job", "react24.workflow.paths"}
    for path in (*PACKAGE.rglob("*.py"), *(root / "workflow/scripts").glob("*.py")):
        if path.relative_to(root).parts[2] in ("workflow", "cli"):
            continue
        imports = imported_by(ast.parse(path.read_bytes()), "react24.a")
        used = {i for i in imports if re.fullmatch(r"react24\.workflow\.\w+", i)}
        assert used <= allowed, path


def test_what_is_kept_of_sources_changes_no_digest(tree, tmp_path):
    source, kept = tmp_path / "src", tmp_path / "kept" / "sources.json"
    shutil.copytree(tree / "p", source / "react24")
    module = source / "react24" / "b.py"
    before = code_digest("react24.b", source=source)
    forget()
    keep_sources(kept, write=True, source=source)
    sources = json.loads(kept.read_text())["sources"]
    assert sources.keys() == codedigest._KEPT.keys()
    assert {key.partition(":")[2] for key in sources} == set(map(str, source.rglob("*.py")))
    forget()
    keep_sources(kept, write=False, source=source)
    assert code_digest("react24.b", source=source) == before
    assert sources == codedigest._KEPT  # nothing was parsed

    module.write_text(module.read_text() + "x = 1\n")
    forget()
    keep_sources(kept, write=False, source=source)
    changed = code_digest("react24.b", source=source)
    assert changed != before
    forget()
    assert code_digest("react24.b", source=source) == changed


def test_what_is_kept_by_another_version_is_not_used(tmp_path):
    kept = tmp_path / "sources.json"
    keep_sources(kept, write=True)
    content = json.loads(kept.read_text())
    for text in (json.dumps({**content, "version": "1"}), "{}", "[]", "nonsense"):
        kept.write_text(text)
        forget()
        keep_sources(kept, write=False)
        assert codedigest._KEPT == {}


def test_where_sources_cannot_be_kept_they_are_read(tmp_path):
    (tmp_path / "file").touch()
    keep_sources(tmp_path / "file" / "sources.json", write=True)
    assert codedigest._KEPT


def test_a_text_that_is_not_python_counts_by_its_bytes(tree, tmp_path_factory):
    (tree / "p/d.py").write_text("def (:\n")
    assert changed(tree, tmp_path_factory, "p/d.py", "def (:  # x\n", module="p.d")


def test_data_counts_by_what_it_says(tree, tmp_path_factory):
    for name, before, same, other in (
        ("x.yaml", "a: 1\nb: [2, 3]\n", "# why\na:   1\nb:\n- 2\n- 3\n", "a: 1\nb: [3, 2]\n"),
        ("x.json", '{"a": 1}', '{ "a":\n1}', '{"a": 2}'),
        ("x.tsv", "a\tb\n1\t2\n", "a\tb \n\n1\t 2", "a\tb\n1\t3\n"),
        ("x.npy", "ab", "ab", "a b"),
        (
            "registry.yaml",
            "w: {file: f, sha256: null, licence: MIT}\n",
            "w: {file: f, sha256: null, licence: BSD, url: here}\n",
            "w: {file: f, sha256: '12', licence: MIT}\n",
        ),
    ):
        path = tree / "p/sub" / name
        path.write_text(before)
        forget()
        assert not changed(tree, tmp_path_factory, f"p/sub/{name}", same)
        assert changed(tree, tmp_path_factory, f"p/sub/{name}", other)
        path.unlink()


def test_every_script_of_the_workflow_has_a_digest_of_its_own():
    scripts = [path.name for path in (PACKAGE.parents[1] / "workflow/scripts").glob("*.py")]
    assert len({code_digest(name) for name in scripts}) == len(scripts) >= 19
    for name in scripts:
        followed = {module.name for module in follow(name)}
        assert len(followed) > 5
        assert not followed & {"react24.log", "react24.errors", "react24.workflow.codedigest"}
