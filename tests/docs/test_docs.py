import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_stream_and_schema_is_in_the_data_dictionary():
    from react24 import streams
    from react24.files.contract import SCHEMAS

    text = (ROOT / "docs/data_dictionary.md").read_text(encoding="utf-8")
    missing = [name for name in SCHEMAS if f"schema `{name}`" not in text]
    assert not missing
    assert len(streams.names()) > 4
    rows = [f"| `{name}` | {stream.width} |" for name, stream in streams.STREAMS.items()]
    assert not [row for row in rows if row not in text]


def test_every_benchmark_is_explained():
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    missing = [path.name for path in ROOT.glob("benchmarks/*.py") if path.name not in text]
    assert not missing


COMMIT = re.compile(r"`([0-9a-f]{7})`")


def tables_of_figures(page):
    """(first line, paragraphs before and after) of each table that has a number in its rows."""
    blocks = re.split(r"\n\s*\n", page.read_text(encoding="utf-8"))
    for number, block in enumerate(blocks):
        rows = block.splitlines()[2:]
        if block.startswith("|") and any(re.search(r"\| *\**\d", row) for row in rows):
            yield block.splitlines()[0], "\n".join(blocks[max(0, number - 1) : number + 2])


def test_every_table_of_benchmarks_names_the_commit_it_was_measured_at():
    tables = list(tables_of_figures(ROOT / "benchmarks/README.md"))
    assert len(tables) >= 7
    assert [head for head, around in tables if not COMMIT.search(around)] == []


def test_commits_that_are_named_exist():
    pages = [ROOT / "benchmarks/README.md", ROOT / "docs/metrics.md"]
    named = sorted({c for page in pages for c in COMMIT.findall(page.read_text("utf-8"))})
    assert len(named) > 10
    git = ["git", "-C", str(ROOT)]
    shallow = subprocess.run([*git, "rev-parse", "--is-shallow-repository"], capture_output=True)
    if shallow.stdout.strip() != b"false":
        return  # no repository, or one without its history: nothing to look them up in
    checks = [subprocess.run([*git, "cat-file", "-e", f"{c}^{{commit}}"]) for c in named]
    assert [c for c, done in zip(named, checks, strict=True) if done.returncode] == []


def test_every_published_file_that_a_model_takes_is_listed():
    from react24 import models as registry

    text = (ROOT / "docs/checkpoints.md").read_text(encoding="utf-8")
    expected = [
        f"| `{kind.name}` | `{name}` | {what} | {needed} |"
        for kind in map(registry.get, registry.names())
        if kind.convert
        for files, needed in ((kind.convert.files, "yes"), (kind.convert.optional, "no"))
        for name, what in files.items()
    ]
    table = text.partition("## Which files")[2].partition("##")[0].splitlines()
    assert [line for line in table if line.startswith("| `")] == expected
