"""Reruns by the recipes in the files, on a workflow of five rules."""

import json
import os
import shutil
import time

import pytest
from helpers.tiny_workflow import CONFIG, counts, make_tiny

from react24.files import carriers

ALL = {"read": 3, "compare": 1, "join": 2, "tabulate": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The workflow, run to its end."""
    tiny = make_tiny(tmp_path_factory.mktemp("tiny"))
    tiny.snakemake()
    return tiny


@pytest.fixture
def tiny(made, tmp_path):
    """A copy of it that a test may change."""
    return made.copy(tmp_path / "tiny")


def test_afterwards_nothing_is_to_be_done(tiny):
    assert tiny.plan() == {}
    assert sorted(p.name for p in (tiny.folder / "results/tables").iterdir())[:2] == [
        ".one.md.recipe",
        ".one.tsv.recipe",
    ]


@pytest.mark.parametrize(
    ("changed", "planned"),
    [
        ({"read": "r2"}, ALL),
        ({"gain": 2.0}, ALL),
        ({"compare": "c2"}, {"compare": 1}),
        ({"join": "j2"}, {"join": 2, "tabulate": 2}),
        ({"tabulate": "t2"}, {"tabulate": 2}),
        # Here Snakemake asks no rule downstream of `compare` about itself.
        ({"compare": "c2", "join": "j2"}, {"compare": 1, "join": 2, "tabulate": 2}),
        ({"compare": "c2", "tabulate": "t2"}, {"compare": 1, "tabulate": 2}),
        (
            {"splits": {"one": ["a"], "two": ["c"]}},
            {"compare": 1, "join": 1, "tabulate": 1},
        ),
    ],
)
def test_what_is_edited_is_rerun(tiny, changed, planned):
    tiny.configure(**changed)
    assert tiny.plan() == planned
    shutil.rmtree(tiny.folder / ".snakemake")
    assert tiny.plan() == planned


def test_recordings_that_moved_rerun_nothing(tiny):
    (tiny.folder / "raw").rename(tiny.folder / "elsewhere")
    tiny.configure(folder="elsewhere")
    assert tiny.plan() == {}


def test_a_copy_without_times_plans_the_same(tiny, tmp_path):
    copy = tiny.copy(tmp_path / "copy", keep_times=False)
    late = time.time() + 5  # whatever the order of copying
    for path in (copy.folder / "results/read").iterdir():
        os.utime(path, (late, late))
    assert copy.plan() == {}
    copy.configure(tabulate="t2")
    assert copy.plan() == {"tabulate": 2}


def test_the_reason_is_told(tiny):
    tiny.configure(gain=2.0, tabulate="t2")
    text = tiny.snakemake("-n")
    assert "the outputs of 5 jobs are stale" in text
    assert "gain: 1.5 -> 2.0 (3); code of tabulate (2)" in text
    assert "the outputs of 5 jobs are stale" in tiny.snakemake("--until", "read")


def test_a_rerun_makes_all_current(tiny):
    tiny.configure(read="r2", join="j2")
    tiny.snakemake()
    assert tiny.plan() == {}


def test_a_run_that_was_killed_halfway_is_made_good(tiny):
    tiny.configure(read="r2")
    tiny.snakemake("--until", "read")
    shutil.rmtree(tiny.folder / ".snakemake")
    later = time.time() + 5  # as after cp -r: by their times, all seems to be in order
    for path in (tiny.folder / "results").rglob("*"):
        if "read" not in path.parts:
            os.utime(path, (later, later))
    assert tiny.plan() == {"compare": 1, "join": 2, "tabulate": 2}


def test_an_output_of_another_recipe_is_remade(tiny):
    read = tiny.folder / "results/read"
    shutil.copy2(read / "b.h5", read / "a.h5")
    assert tiny.plan() == {"read": 1, "compare": 1, "join": 1, "tabulate": 1}


def test_an_output_without_a_recipe_is_remade(tiny):
    (tiny.folder / "results/tables/.one.tsv.recipe").unlink()
    text = tiny.snakemake("-n")
    assert "made outside the workflow or by an older react24 (1)" in text
    assert tiny.plan() == {"tabulate": 1}


def test_missing_intermediate_files_hide_no_edit(tiny):
    shutil.rmtree(tiny.folder / "results/read")
    shutil.rmtree(tiny.folder / ".snakemake")
    assert tiny.plan() == {}
    tiny.configure(read="r2")
    assert tiny.plan() == ALL


def test_files_from_outside_count_by_name_and_size(tiny):
    raw = tiny.folder / "raw/a.bin"
    shutil.rmtree(tiny.folder / ".snakemake")
    times = raw.stat()
    raw.write_bytes(b"raw, but longer")
    os.utime(raw, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert tiny.plan() == {"read": 1, "compare": 1, "join": 1, "tabulate": 1}


def test_records_of_another_project_change_nothing(tiny, tmp_path):
    other = make_tiny(tmp_path)
    other.configure(read="other")
    other.snakemake()
    shutil.rmtree(tiny.folder / ".snakemake")
    shutil.copytree(other.folder / ".snakemake", tiny.folder / ".snakemake", symlinks=True)
    assert tiny.plan() == {}
    tiny.configure(join="j2")
    assert tiny.plan() == {"join": 2, "tabulate": 2}


def test_stamps_that_were_kept_are_used_and_checked(tiny):
    kept = tiny.folder / ".snakemake/react24/stamps.json"
    tiny.plan()
    stamps = json.loads(kept.read_text())
    assert len(stamps) == 3 + 1 + 2 + 4
    # Used: a wrong one for a file that has not changed is believed.
    place = "results/read/a.h5"
    kept.write_text(json.dumps(stamps | {place: [*stamps[place][:-1], "wrong"]}))
    assert tiny.plan() == {"compare": 1, "join": 1, "tabulate": 1}
    # Checked: for one that has changed since, it is not.
    kept.write_text(json.dumps(stamps | {place: [0, 0, 0, "wrong"]}))
    assert tiny.plan() == {}
    kept.write_text("no JSON")
    assert tiny.plan() == {}


def test_touch_makes_current(tiny):
    tiny.configure(read="r2", tabulate="t2")
    (tiny.folder / "results/tables/.one.md.recipe").unlink()
    before = carriers.read_stamp(tiny.folder / "results/read/a.h5")
    tiny.snakemake("--touch")
    assert carriers.read_stamp(tiny.folder / "results/read/a.h5") != before
    assert tiny.plan() == {}
    shutil.rmtree(tiny.folder / ".snakemake")
    assert tiny.plan() == {}


def test_a_dry_run_touches_nothing(tiny):
    tiny.configure(read="r2")
    before = carriers.read_stamp(tiny.folder / "results/read/a.h5")
    tiny.snakemake("-n", "--touch")
    assert carriers.read_stamp(tiny.folder / "results/read/a.h5") == before
    assert tiny.plan() == ALL


def test_touching_a_part_accepts_that_part(tiny):
    tiny.configure(read="r2")
    tiny.snakemake("--touch", "results/read/a.h5")
    assert tiny.plan()["read"] == 2


def test_the_table_of_a_failed_job_has_no_recipe(tiny):
    tiny.configure(tabulate="t2", fail="tabulate")
    tiny.snakemake("--keep-incomplete", "results/tables/one.tsv", check=False)
    table = tiny.folder / "results/tables/one.tsv"
    assert table.exists()
    tiny.configure(tabulate="t2")
    assert carriers.read_recipe(table).code == "t1"


def test_a_dry_run_beside_a_run_disturbs_nothing(tiny):
    # After a job, Snakemake refuses outputs that are older than an input.
    script = tiny.folder / "make.py"
    script.write_text(
        script.read_text()
        + """
import os, subprocess, sys
if snakemake.rule == "join":
    command = [sys.executable, "-m", "snakemake", "-n", "--nolock", "--rerun-incomplete"]
    subprocess.run([*command, "--configfile", "config.json"], check=True)
"""
    )
    tiny.configure(join="j2")
    tiny.snakemake()
    assert tiny.plan() == {}


def test_without_the_profile_nothing_more_is_needed_after_a_rerun(tiny):
    tiny.configure(join="j2")
    tiny.snakemake(profile=None)
    assert tiny.plan(profile=None) == {}


def test_rules_derived_from_another_have_recipes_of_their_own(tiny):
    with (tiny.folder / "Snakefile").open("a") as file:
        file.write(
            "\nuse rule join as join_two with:\n"
            '    output:\n        out="results/join/{split,two}.h5",\n'
            '    params:\n        code="own",\n\n'
            "ruleorder: join_two > join\n"
        )
    assert tiny.plan() == {"join_two": 1, "tabulate": 1}
    tiny.snakemake()
    assert tiny.plan() == {}


def test_as_a_module_with_a_prefix(tiny):
    outer = tiny.folder / "outer.smk"
    outer.write_text(
        'configfile: "config.json"\n\n'
        'module inner:\n    snakefile: "Snakefile"\n    config: config\n    prefix: "sub"\n\n'
        "use rule * from inner as inner_*\n\n"
        "rule target:\n    default_target: True\n    input: rules.inner_all.input\n"
    )
    shutil.copytree(tiny.folder / "raw", tiny.folder / "sub/raw")
    run = ("--snakefile", "outer.smk")
    tiny.snakemake(*run)
    assert tiny.plan(*run) == {}
    shutil.rmtree(tiny.folder / ".snakemake")
    tiny.configure(join="j2")
    assert tiny.plan(*run) == {"inner_join": 2, "inner_tabulate": 2, "target": 1}


def test_what_cannot_be_judged_is_made_again_and_told(tiny):
    # Errors of input functions are not told where the output is there.
    path = tiny.folder / "Snakefile"
    path.write_text(path.read_text().replace("gain=lambda wc:", "gain=lambda wc, threads:"))
    text = tiny.snakemake("-n")
    assert "rule read, params gain: the function asks for threads" in text
    assert counts(text) == ALL


def test_the_table_is_of_this_workflow():
    assert set(CONFIG["code"]) == set(ALL)
