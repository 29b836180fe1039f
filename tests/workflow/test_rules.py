"""The house rules that hold for every rule, checked in the text of the workflow."""

import re
from pathlib import Path

import pytest

from react24 import models as registry
from react24 import streams

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = {"extract_stream": ROOT / "workflow/rules/extract.smk"}
"""Script -> the file whose rules, one per row of a table, all have this text."""


def read_rules(path):
    """Name of each rule of a file -> its text; the text of a template is moved to the left."""
    text = path.read_text()
    for script, file in TEMPLATES.items():
        if path == file:
            body = text.partition("    rule:\n")[2]
            return {script: re.sub(r"^    ", "", body, flags=re.MULTILINE)}
    found = re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    return dict(found)


RULES = {}
for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
    RULES |= read_rules(path)


def section(body, directive):
    found = re.search(rf"^    {directive}:\n(.*?)(?=^    \w+:|\Z)", body, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def wildcards(text):
    return set(re.findall(r"(?<!\{)\{(\w+)\}", text.replace("{{", "{").replace("}}", "}")))


def test_there_are_rules():
    assert len(RULES) >= 18
    assert set(TEMPLATES) <= set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_rule_says_what_it_needs(name):
    found = set(re.findall(r"^    (\w+):", RULES[name], re.MULTILINE))
    needed = {"output", "log", "benchmark", "conda", "params", "threads", "resources", "message"}
    assert needed <= found
    if name in TEMPLATES:
        return  # its resources are those of each row, see test_jobs
    asked = section(RULES[name], "resources")
    for resource in ("mem_mb", "runtime"):  # more with each attempt
        assert re.search(rf"{resource}=(per_attempt\(\d+\)|JOBS\.\w+),", asked)


@pytest.mark.parametrize("name", RULES)
def test_script_has_the_name_of_the_rule_and_is_thin(name):
    script = ROOT / f"workflow/scripts/{name}.py"
    assert f'"../scripts/{name}.py"' in section(RULES[name], "script")
    lines = script.read_text().splitlines()
    assert len(lines) <= 60
    assert "start_job(snakemake)" in lines


BEFORE_CLIPS = {
    *("compare_recordings", "extract_stream", "find_neutral", "inspect_session"),
    *("make_demo_session", "probe_session", "track_faces"),
}
"""Rules that read nothing that is made from clips."""


@pytest.mark.parametrize("name", RULES)
def test_rule_asks_whether_its_output_is_current(name):
    inputs = section(RULES[name], "input")
    asked = re.findall(r"^        current=CURRENT\((.*)\),$", inputs, re.MULTILINE)
    # Clips wait for the comparison of all recordings: see `react24.workflow.recipes:Currency`.
    waits = name not in BEFORE_CLIPS and "repeated=" not in inputs
    assert asked == (["COMPARED"] if waits else [""])


@pytest.mark.parametrize("name", RULES)
def test_log_has_the_wildcards_of_the_output(name):
    body = RULES[name]
    output = re.sub(r"labels=\{.*?\}", "", section(body, "output"))
    assert wildcards(section(body, "log")) == wildcards(output)
    assert wildcards(section(body, "benchmark")) == wildcards(output)


@pytest.mark.parametrize("name", RULES)
def test_rule_follows_the_code_behind_it(name):
    assert "code=" in section(RULES[name], "params")


def test_every_stream_has_a_rule_of_its_own():
    text = TEMPLATES["extract_stream"].read_text()
    assert "for STREAM in JOBS.all_streams:" in text
    assert 'f"extract_{STREAM}"' in section(RULES["extract_stream"], "name")
    assert not [name for name in streams.names() if re.search(rf"\b{name}\b", text)]


@pytest.mark.parametrize("name", [name for name in RULES if name.startswith(("tabulate", "plot"))])
def test_tables_and_figures_go_into_the_report(name):
    assert "report(" in section(RULES[name], "output")


def test_every_stage_of_the_registry_has_a_rule_of_its_own():
    text = (ROOT / "workflow/rules/train.smk").read_text()
    found = re.findall(
        r"^use rule train_stage as (\w+) with:\n    wildcard_constraints:\n"
        r'        model=any_of\(JOBS\.trained_of\("(\w+)"\)\),\n        stage="(\w+)",$',
        text,
        re.MULTILINE,
    )
    kinds = [registry.get(name) for name in registry.names()]
    expected = {(k.name, s) for k in kinds for s in k.stage_names}
    assert {(kind, stage) for _, kind, stage in found} == expected
    for rule, kind, stage in found:
        single = len(registry.get(kind).stages) == 1
        assert rule == (f"train_{kind}" if single else f"train_{kind}_{stage}")
    assert len(found) == len(expected)


def test_no_script_without_a_rule():
    assert {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")} == set(RULES)
