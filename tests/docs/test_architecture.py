"""``docs/architecture.md`` names rules, scripts, functions and folders that there are."""

import re
from pathlib import Path

import pytest

from react24.contracts.entry_points import resolve

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)`[^|]*\| `(\w+\.py)` \| `([\w.:]+)` \|", PAGE, re.MULTILINE)


def rules():
    """Names of the rules as the table calls them."""
    found = {"extract_{stream}"}
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"^rule (\w+):", text, re.MULTILINE))
    return found


def test_every_rule_is_in_the_table():
    assert {rule for rule, _, _ in ROWS} == rules()


@pytest.mark.parametrize(("rule", "script", "function"), ROWS, ids=[row[0] for row in ROWS])
def test_scripts_call_the_functions(rule, script, function):
    text = (ROOT / "workflow" / "scripts" / script).read_text(encoding="utf-8")
    module, _, name = function.partition(":")
    assert callable(resolve(function))
    assert f"from {module} import" in text
    assert re.search(rf"\b{name}\(", text)


def test_every_folder_is_told():
    package = ROOT / "src" / "react24"
    folders = {p.name for p in package.iterdir() if (p / "__init__.py").exists()}
    told = set(re.findall(r"`(\w+)/`", PAGE))
    assert folders <= told


def test_files_of_the_walks_exist():
    walks = PAGE.partition("## Two walks")[2].partition("## Reruns")[0]
    files = re.findall(r"`([\w/]+\.(?:py|smk))`", walks)
    places = [ROOT, ROOT / "src" / "react24", ROOT / "src" / "react24" / "models" / "belfusion"]
    for name in files:
        assert any((place / name).is_file() for place in places), name
    belfusion, frdist = (part for part in walks.split("\n\n**") if "→" in part)
    assert len(re.findall(r"`[\w/]+\.py`", belfusion)) <= 8
    assert len(re.findall(r"`[\w/]+(?:\.py|\.smk|/)`", frdist)) <= 6
