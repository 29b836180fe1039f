"""Headers of recordings are looked at once, as long as files and code are the same."""

import json
import os

import pytest

from react24.media import container, probe
from react24.project.headers import Headers


@pytest.fixture
def looks(monkeypatch):
    """Every look at a file: (name, video, sound), or name alone where its length was asked."""
    seen = []

    def look(path, *, video, sound):
        seen.append((path.name, video, sound))
        return ["bad"] if path.read_text() == "bad" else []

    def seconds(path):
        seen.append(path.name)
        return 31.0 if path.read_text() == "long" else None

    monkeypatch.setattr(probe, "check_readable", look)
    monkeypatch.setattr(container, "header_seconds", seconds)
    return seen


@pytest.fixture
def files(tmp_path):
    for name in ("good", "bad", "long"):
        (tmp_path / name).write_text(name)
    return tmp_path


def look(folder, *names, kept="headers.json", video=True, sound=True):
    """One start of a run."""
    headers = Headers(kept and folder / kept)
    found = [headers.problems(folder / name, video=video, sound=sound) for name in names]
    headers.save()
    return found


def test_good_files_are_looked_at_once_and_bad_ones_every_time(files, looks):
    for _ in range(2):
        assert look(files, "good", "bad") == [[], ["bad"]]
    assert looks == [("good", True, True), ("bad", True, True), ("bad", True, True)]


def test_a_file_that_changed_is_looked_at_again(files, looks):
    look(files, "good")
    os.utime(files / "good", (1, 1))
    assert look(files, "good") == [[]]
    (files / "good").write_text("bad")
    os.utime(files / "good", (1, 1))  # as old as before, and of another size
    assert look(files, "good") == [["bad"]]
    assert len(looks) == 3


def test_what_was_not_asked_for_before_is_asked_now(files, looks):
    look(files, "good", sound=False)
    look(files, "good")
    look(files, "good", video=False)
    assert looks == [("good", True, False), ("good", True, True)]


def test_other_code_looks_at_everything(files, looks):
    look(files, "good")
    kept = json.loads((files / "headers.json").read_text())
    (files / "headers.json").write_text(json.dumps({**kept, "by": "other code"}))
    look(files, "good")
    (files / "headers.json").write_text("damaged")
    look(files, "good")
    (files / "headers.json").unlink()
    look(files, "good")
    assert len(looks) == 4


def test_nothing_is_kept_where_nothing_is_to_be(files, looks):
    before = set(files.iterdir())
    for _ in range(2):
        look(files, "good", kept=None)
    assert len(looks) == 2
    assert set(files.iterdir()) == before


def test_lengths_are_kept_where_the_header_states_one(files, looks):
    for _ in range(2):
        headers = Headers(files / "headers.json")
        assert headers.seconds(files / "long") == 31
        assert headers.seconds(files / "good") is None
        headers.save()
    assert looks == ["long", "good", "good"]
