"""Edits of a finished project -> the jobs that are planned (the table of ``docs/reruns.md``)."""

import contextlib
import csv
import os
import re
import shutil
import subprocess
from collections import Counter

import pytest
import yaml
from helpers.forked import run_forked
from helpers.small_project import ROOT, clean_environment
from helpers.tiny_workflow import counts

from react24.cli.status import find_outputs

pytestmark = pytest.mark.slow

SCORED = {"score_reactions": 16, "tabulate_metrics": 1}
SAMPLED = SCORED | {"plot_variance": 1, "plot_clip": 3}
TRAINED = {
    "train_belfusion_vae": 2,
    "train_belfusion_ldm": 2,
    "train_tranvae_codebook": 2,
    "train_tranvae_predictor": 2,
    "train_regnn": 2,
    "plot_training": 3,
    "sample_reactions": 6,
}
HEARING = {
    "extract_wav2vec2": 3,
    "window_clips": 3,
    "list_notices": 1,
    "train_tranvae_predictor": 2,
    "train_regnn": 2,
    "plot_training": 2,
    "sample_reactions": 4,
    "plot_clip": 2,
    "plot_variance": 1,
    "score_reactions": 4,
    "tabulate_metrics": 1,
}
"""What depends on wav2vec2: two of three models."""

EVERY_CLIP = (
    TRAINED
    | SAMPLED
    | {
        "window_clips": 9,
        "appropriate_reactions": 3,
        "sample_baseline": 10,
        "list_notices": 1,
    }
)


def plan(project, *arguments):
    """Rule -> number of jobs of a dry run, without ``all``."""
    status, text = run_forked(["-n", *arguments], project.folder, clean_environment())
    assert status == 0, text
    return counts(text)


@contextlib.contextmanager
def edited(path, change):
    """Change the text of a file for the time of the block; as an editor does, it is newer."""
    kept, times = path.read_text(), path.stat()
    try:
        path.write_text(change(kept))
        assert path.read_text() != kept
        yield
    finally:
        path.write_text(kept)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def source(name, change):
    """An edit of a module."""
    return lambda folder: edited(folder / f"src/react24/{name}.py", change)


def setting(*keys, value):
    """An edit of the configuration; ``*`` stands for all keys."""

    def put(section, key, *further):
        for name in list(section) if key == "*" else [key]:
            if further:
                put(section.setdefault(name, {}), *further)
            else:
                section[name] = value

    def change(text):
        config = yaml.safe_load(text)
        put(config, *keys)
        return yaml.safe_dump(config)

    return lambda folder: edited(folder / "config/config.yaml", change)


def add_session(folder):
    """One more session of the split val."""
    text = (ROOT / "config/sessions.tsv").read_text()
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    last = rows[-1] | {"split": "val"}
    return edited(
        folder / "config/sessions.tsv", lambda text: text + "\t".join(last.values()) + "\n"
    )


def docstring(text):
    return re.sub('"""(\\w)', r'"""Edited: \1', text, count=1)


def comment(text):
    return text + "\n# A comment.\n"


def constant(text):
    return text + "\nADDED = 1\n"


EDITS = {
    "a docstring in an extractor": (source("streams/wav2vec2", docstring), {}),
    "a comment in the log": (source("log", comment), {}),
    "a line in the log": (source("log", constant), {}),
    "the way recipes are kept": (source("files/provenance", constant), {}),
    "how often checkpoints are stored": (
        setting("models", "*", "overrides", "training", "checkpoint_seconds", value=7),
        {},
    ),
    "the name of the corpus": (setting("corpus", "name", value="other"), {}),
    "code of an extractor": (
        source("streams/wav2vec2", constant),
        HEARING,
    ),
    "clips.min_valid": (setting("clips", "min_valid", value=0.4), EVERY_CLIP),
    "code of a metric": (source("metrics/frvar", constant), SCORED),
    "sampling.samples": (
        setting("sampling", "samples", value=3),
        SAMPLED | {"sample_reactions": 6, "sample_baseline": 10},
    ),
    "a session more of the split val": (
        add_session,
        TRAINED
        | SAMPLED
        | {
            "make_demo_session": 1,
            "probe_session": 1,
            "compare_recordings": 1,
            "track_faces": 1,
            "extract_graphau": 1,
            "extract_faceverse": 1,
            "extract_wav2vec2": 1,
            "window_clips": 3,
            "appropriate_reactions": 1,
            "list_notices": 1,
            "score_reactions": 6,  # not of the baselines
        },
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_what_depends_on_it(finished, name):
    edit, expected = EDITS[name]
    with edit(finished.folder):
        assert plan(finished) == expected


@contextlib.contextmanager
def without_records(folder):
    """The project without ``.snakemake``; it is put back."""
    kept = folder / ".snakemake-kept"
    (folder / ".snakemake").rename(kept)
    try:
        yield
    finally:
        shutil.rmtree(folder / ".snakemake", ignore_errors=True)
        kept.rename(folder / ".snakemake")


def test_without_snakemakes_records_the_plan_is_the_same(finished):
    with without_records(finished.folder):
        assert plan(finished) == {}
        for name in ("code of an extractor", "sampling.samples"):
            edit, expected = EDITS[name]
            with edit(finished.folder):
                assert plan(finished) == expected


def test_outputs_that_snakemake_has_no_record_of_are_rerun_with_the_others(finished):
    features = sorted((finished.folder / "results/features/wav2vec2").glob("*.h5"))[:2]
    names = [str(path.relative_to(finished.folder)) for path in features]
    records = finished.folder / ".snakemake"
    shutil.copytree(records / "metadata", records / "kept")
    try:
        finished.snakemake("--cleanup-metadata", *names)
        assert plan(finished) == {}
        edit, expected = EDITS["code of an extractor"]
        with edit(finished.folder):
            assert plan(finished) == expected
    finally:
        shutil.rmtree(records / "metadata")
        (records / "kept").rename(records / "metadata")


def test_a_corpus_that_moved_reruns_nothing(finished):
    shutil.copytree(finished.folder / "resources/demo", finished.folder / "moved")
    config = finished.folder / "config/config.yaml"
    try:
        with edited(config, lambda text: re.sub("root: resources/demo", "root: moved", text)):
            config.write_text(
                re.sub("enabled: true", "enabled: false", config.read_text(), count=1)
            )
            assert plan(finished) == {}
    finally:
        shutil.rmtree(finished.folder / "moved")


def test_a_feature_file_of_another_recipe_is_remade_and_what_follows(finished):
    folder = finished.folder / "results/features/wav2vec2"
    first, second = sorted(folder.glob("*.h5"))[:2]
    kept = finished.folder / "kept.h5"
    shutil.copy2(first, kept)
    shutil.copy2(second, first)
    try:
        planned = plan(finished)
    finally:
        shutil.copy2(kept, first)
        kept.unlink()
    assert planned["extract_wav2vec2"] == planned["window_clips"] == 1
    assert "track_faces" not in planned


def test_a_copy_of_the_folder_plans_no_less(finished, tmp_path):
    subprocess.run(["cp", "-r", finished.folder, tmp_path / "copy"], check=True)  # times are lost
    copy = type(finished)(tmp_path / "copy")
    assert plan(copy) == {}
    shutil.rmtree(copy.folder / ".snakemake")
    edit, expected = EDITS["code of an extractor"]
    with edit(copy.folder):
        planned = plan(copy)
    # Without records of contents, Snakemake also goes by the times of the copy.
    assert all(planned[rule] >= count for rule, count in expected.items())


def test_a_fresh_checkout_reruns_nothing(finished):
    scripts = list((finished.folder / "workflow").rglob("*.*"))
    times = {path: path.stat() for path in scripts}
    for path in scripts:
        os.utime(path)
    try:
        assert plan(finished) == {}
    finally:
        for path, then in times.items():
            os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))


def files_per_job(rule):
    several = {"make_demo_session": 3, "tabulate_metrics": 3, "list_notices": 2}
    return 3 if rule.startswith("train_") else several.get(rule, 1)


STATES = {
    "finished": lambda folder: contextlib.nullcontext(),
    "a constant in an extractor": EDITS["code of an extractor"][0],
    "a session more": add_session,
}


@pytest.mark.parametrize("state", STATES)
def test_status_agrees_with_the_plan(finished, state, monkeypatch):
    monkeypatch.chdir(finished.folder)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with STATES[state](finished.folder):
        status, text = run_forked(["-n"], finished.folder, clean_environment())
        outputs = find_outputs()
    assert status == 0
    to_do = Counter(output.rule for output in outputs if output.state in ("stale", "missing"))
    assert to_do == {rule: n * files_per_job(rule) for rule, n in counts(text).items()}
    for output in outputs:
        if output.state == "stale":
            assert output.reasons, output
            assert all(output.reasons), output
    if state == "a constant in an extractor":
        reasons = {r for o in outputs if o.rule == "extract_wav2vec2" for r in o.reasons}
        assert reasons == {"code of extract_wav2vec2"}
