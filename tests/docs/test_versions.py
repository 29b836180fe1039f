"""One version everywhere; tools pinned outside the lock as in it."""

import re
from pathlib import Path

import yaml

import react24

ROOT = Path(__file__).resolve().parents[2]
LOCK = dict(
    re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
)


def test_changelog_and_citation_have_the_version_of_the_package():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## ([\d.]+)", changelog, re.MULTILINE)[1] == react24.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == react24.__version__


def test_hooks_run_the_versions_of_the_lock():
    content = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    revisions = {repo["repo"].rpartition("/")[2]: repo["rev"] for repo in content["repos"]}
    assert revisions["ruff-pre-commit"] == f"v{LOCK['ruff']}"
    assert revisions["snakefmt"] == f"v{LOCK['snakefmt']}"


def test_github_runs_what_has_to_pass():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["tests-and-lint"]["steps"]
    assert ".ci/run" in [step.get("run") for step in steps]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
