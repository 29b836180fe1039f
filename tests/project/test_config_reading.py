"""How paths and numbers of a configuration are read."""

import json
from pathlib import Path

import pytest

from react24.errors import InputError, InputErrors
from react24.project.config import inspect_settings, load_settings, read_config
from react24.project.yaml_file import read_yaml

REPOSITORY = Path(__file__).parents[2]


# Paths


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~/talks", "{home}/talks"),
        ("$HOME/talks", "{home}/talks"),
        ("${DISK}/talks", "{home}/disk/talks"),
        ("talks", "talks"),
        ("odd$name", "odd$name"),
    ],
)
def test_paths_are_filled_in(tmp_path, monkeypatch, written, meant):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISK", str(tmp_path / "disk"))
    monkeypatch.chdir(tmp_path)
    for folder in ("talks", "disk/talks", "odd$name"):
        (tmp_path / folder).mkdir(parents=True)
    config = {"corpus": {"root": written}, "demo": {"enabled": False}, "models": {}}
    settings = load_settings(config, tmp_path)
    assert settings["corpus"]["root"] == meant.format(home=tmp_path)


def test_every_path_of_the_configuration_is_filled_in(monkeypatch):
    monkeypatch.setenv("DISK", "/disk")
    config = {
        "sessions": "$DISK/s.tsv",
        "streams": {"vggish": {"weights": "$DISK/v"}, "wav2vec2": {"weights": "$DISK/w"}},
        "appropriate": {"source": "official", "matrix": "$DISK/m", "index": "$DISK/i"},
        "models": {"belfusion": {"settings": "$DISK/b", "checkpoint": {"vae": "$DISK/c"}}},
        "metrics": {"own": ["$DISK/o.py"]},
    }
    values, _, _ = inspect_settings(config, REPOSITORY)
    assert "$" not in json.dumps(values.values)


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("$NOWHERE_AT_ALL/x", "the environment has no variable NOWHERE_AT_ALL"),
        ("${NOWHERE_AT_ALL}/x", "the environment has no variable NOWHERE_AT_ALL"),
        ("~nobody-of-this-name/x", "there is no user 'nobody-of-this-name' here"),
        ("talks{1}", "in braces"),
    ],
)
def test_paths_that_cannot_be_filled_in(root, words):
    config = {"corpus": {"root": root}, "demo": {"enabled": False}, "models": {}}
    with pytest.raises(InputErrors) as error:
        load_settings(config, REPOSITORY)
    problems = error.value.problems
    assert any(f"corpus.root: found {root!r}; " in p and words in p for p in problems)


def test_paths_that_lead_to_nothing_here_are_sought_in_the_checkout(tmp_path, monkeypatch):
    checkout, here = tmp_path / "checkout", tmp_path / "here"
    for folder in (checkout / "talks", checkout / "both", here / "both"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)

    def root(written):
        config = {"corpus": {"root": written}, "demo": {"enabled": False}, "models": {}}
        return load_settings(config, start=checkout)["corpus"]["root"]

    assert root("talks") == str(checkout / "talks")
    assert root("both") == "both"
    settings = load_settings({"models": {"tranvae": {}}}, start=REPOSITORY)
    assert settings["corpus"]["root"] == "resources/demo"  # made where the results are
    assert settings["sessions"] == str(REPOSITORY / "config/sessions.tsv")
    assert settings.models["tranvae"]["type"] == "tranvae"


# YAML


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 010", ["line 1", "found 010", "octal", "8"]),
        ("a: 1\nsampling: {seeds: [1, 08, 011]}", ["line 2", "found 011", "9"]),
        ("streams: {wav2vec2: {window: 1:30}}", ["1:30", "base of 60", "90"]),
        ("sessions: a.tsv\nseed: 1\nsessions: b.tsv", ["line 3", "'sessions'", "line 1 too"]),
        ("faces:\n  max_gap: 3\n  max_gap: 4", ["line 3", "'max_gap'", "line 2 too"]),
    ],
)
def test_what_yaml_reads_otherwise_than_people_is_refused(tmp_path, text, words):
    path = tmp_path / "c.yaml"
    path.write_text(text + "\n")
    with pytest.raises(InputError) as error:
        read_config(path)
    for word in ("c.yaml", *words):
        assert word in str(error.value)


def test_other_numbers_are_read(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("[0, 10, -3, 0x1F, 0.5, 1.0e-3, .inf, 1_000, 00.5]")
    assert read_yaml(path) == [0, 10, -3, 31, 0.5, 1e-3, float("inf"), 1000, 0.5]


def test_words_that_yaml_takes_for_something_else_are_explained():
    with pytest.raises(InputErrors) as error:
        load_settings({"corpus": {"name": False}, "models": {}}, REPOSITORY)
    (problem,) = error.value.problems
    assert "corpus.name: found false; accepted is text" in problem
    assert "put it in quotes" in problem


def test_all_that_yaml_misreads_is_told_at_once(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("seed: 010\nfaces: {max_gap: 3, max_gap: 4}\nseed: 1:30\n")
    with pytest.raises(InputErrors) as caught:
        read_config(path)
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    for words in ("line 1: found 010", "'max_gap'", "'seed', which stands in line 1", "found 1:30"):
        assert words in found
