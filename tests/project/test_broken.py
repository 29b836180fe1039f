"""Sessions whose recordings cannot be used: refused, or left out without moving any other."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from helpers.media_factory import cut_file, numbered, tone, write_media

from react24.errors import InputErrors
from react24.project.broken import BROKEN, note_broken, read_broken
from react24.project.load import inspect_project, load_project
from react24.workflow.broken import note_failures, tell_left_out

HEADER = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\n"
NAMES = [f"s{number}" for number in range(8)]
KEPT = Path(".snakemake/react24/project.json")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_media(
        tmp_path_factory.mktemp("video") / "v.mp4",
        picture=lambda index: numbered(index, 16),
        frames=2,
        sound=tone(0.1, 8000),
        rate=8000,
    ).read_bytes()


@pytest.fixture
def corpus(tmp_path, monkeypatch, video):
    """Eight sessions whose split is decided by react24, in a project of their own."""
    monkeypatch.chdir(tmp_path)
    Path("videos").mkdir()
    for name in NAMES:
        for role in "ab":
            Path(f"videos/{name}{role}.mp4").write_bytes(video)
    write_sheet({})
    return Path("videos")


def write_sheet(splits):
    rows = (f"{n}\t{splits.get(n, 'auto')}\t{n}a.mp4\t{n}b.mp4\t{n}p\t{n}q\n" for n in NAMES)
    Path("s.tsv").write_text(HEADER + "".join(rows))


def config(skip, **more):
    corpus = {"root": "videos", "skip_broken": skip}
    return {"sessions": "s.tsv", "corpus": corpus, "demo": {"enabled": False}, "models": {}} | more


def test_the_run_stops_and_says_how_to_go_on_without_them(corpus):
    cut_file(corpus / "s3a.mp4", 0.5)
    (corpus / "s3b.mp4").unlink()
    (corpus / "s5b.mp4").write_bytes(b"")
    with pytest.raises(InputErrors) as caught:
        load_project(config(False))
    first, *problems = str(caught.value).splitlines()
    assert "3 problems (2 of 8 session(s) have recordings that cannot be used, s3, s5;" in first
    assert "corpus.skip_broken: true leaves them out" in first
    assert len(problems) == 3


def test_they_are_left_out_and_no_other_moves(corpus, caplog):
    whole = load_project(config(True), kept=KEPT)
    assert whole.left_out == ()
    for name in ("s3", "s5"):
        cut_file(corpus / f"{name}a.mp4", 0.5)
    (corpus / "s5b.mp4").unlink()
    project = load_project(config(True), kept=KEPT)
    assert [left.session.session for left in project.left_out] == ["s3", "s5"]
    assert project.splits == whole.splits
    assert [s.session for s in project.sessions] == [n for n in NAMES if n not in ("s3", "s5")]
    split = whole.splits["s5"]
    assert f"session s5 (row 7, {split}) is left out (corpus.skip_broken)" in caplog.text
    why = project.why_left_out(split)["s5"]
    assert "video_a: videos/s5a.mp4: cannot be opened" in why
    assert "video_b: videos/s5b.mp4: no such file" in why
    told = tell_left_out(project)
    assert "2 session(s) left out (corpus.skip_broken):" in told
    # Jobs take it from the file that is kept, and find the same without it.
    found = load_project(config(True), check=False, kept=KEPT)
    assert found == replace(project, warnings=())
    KEPT.unlink()
    again = load_project(config(True), check=False, kept=KEPT)
    assert (again.sessions, again.left_out) == (project.sessions, project.left_out)


def test_what_else_is_wrong_is_told_nonetheless(corpus):
    cut_file(corpus / "s3a.mp4", 0.5)
    text = Path("s.tsv").read_text().replace("s5b.mp4", "s4b.mp4").replace("s6a.mp4", "../s6a.mp4")
    Path("s.tsv").write_text(text)
    problems = inspect_project(config(True)).problems
    assert len(problems) == 2
    assert "the same file as row 6" in problems[1]
    assert "'../s6a.mp4'" in problems[0]


def test_a_split_that_loses_all_its_sessions_is_an_error(corpus):
    write_sheet({"s2": "val", "s3": "val"} | dict.fromkeys(NAMES[4:], "test"))
    for name in ("s2", "s3"):
        cut_file(corpus / f"{name}a.mp4", 0.5)
    Path("s.tsv").write_text(Path("s.tsv").read_text().replace("auto", "train"))
    (problem,) = inspect_project(config(True)).problems
    assert "split val: none of its 2 session(s) can be used (s2, s3)" in problem


@dataclass
class Failed:
    """A job that failed, as the run knows it."""

    rule: str
    wildcards: str
    messages: list[str] = field(default_factory=list)


DAMAGED = (
    "InputErrors: session s3: damaged recordings\n  1. videos/s3a.mp4 (role a), second 7.00: x"
)


def test_what_a_job_found_out_is_remembered_until_the_recording_changes(corpus):
    project = load_project(config(True))
    failed = [
        Failed("probe_session", "session=s3", ["killed", DAMAGED]),
        Failed("track_faces", "session=s4", ["NoFaceError: role a: no face in videos/s4a.mp4"]),
        Failed("extract_vggish", "session=s5", ["InputError: weights vggish: not there"]),
        Failed("extract_swin", "session=s6", ["OSError: videos/s6a.mp4: input/output error"]),
        Failed("window_clips", "stream=graphau split=test", ["InputError: videos/s7a.mp4"]),
    ]
    told = note_failures(project, failed)
    assert "2 session(s) cannot be used as they are: s3, s4 (noted in results/broken.json)" in told
    assert "Start the run again: it leaves them out" in told
    again = load_project(config(True))
    assert {left.session.session for left in again.left_out} == {"s3", "s4"}
    assert (
        "probe_session: session s3: damaged recordings 1. videos/s3a.mp4"
        in (again.why_left_out()["s3"])
    )
    assert again.splits == project.splits
    # What is found later stands beside what was found before.
    assert note_failures(
        again, [Failed("track_faces", "session=s1", ["InputError: videos/s1a.mp4"])]
    )
    names = {left.session.session for left in load_project(config(True)).left_out}
    assert names == {"s1", "s3", "s4"}
    # A recording that was replaced is tried again, and so is one that is read in another way.
    os.utime(corpus / "s3a.mp4", (1e9, 1e9))
    names = {left.session.session for left in load_project(config(True)).left_out}
    assert names == {"s1", "s4"}
    tolerant = config(True, media={"tolerate_damage": True})
    assert load_project(tolerant).left_out == ()


def test_without_the_setting_they_are_tried_again_with_a_warning(corpus, caplog):
    project = load_project(config(False))
    told = note_failures(project, [Failed("probe_session", "session=s3", [DAMAGED])])
    assert "set corpus.skip_broken: true" in told
    assert len(load_project(config(False)).sessions) == len(NAMES)
    assert "session s3 (row 5) failed in an earlier run" in caplog.text
    assert note_failures(project, []) == ""


def test_a_file_that_is_no_such_list_is_none(corpus):
    project = load_project(config(True))
    note_broken({"s3": ["cut"]}, project.sessions, project.settings)
    assert read_broken(project.sessions, project.settings) == {"s3": ("cut",)}
    assert json.loads(BROKEN.read_text())["s3"]["why"] == ["cut"]
    BROKEN.write_text("[1")
    assert read_broken(project.sessions, project.settings) == {}


def test_splits_that_are_too_short_are_told_before_the_run(corpus, video):
    rows = dict.fromkeys(NAMES[:4], "train") | dict.fromkeys(NAMES[4:], "test")
    write_sheet(rows)
    warnings = inspect_project(config(False)).warnings
    for split in ("train", "test"):
        (told,) = [text for text in warnings if text.startswith(f"split {split}: none of its 4")]
        assert "is long enough for a clip of 30 s, the longest has 0.1" in told
    for role in "ab":
        write_media(Path(f"videos/s6{role}.mp4"), frames=31, fps=1)
    warnings = inspect_project(config(False)).warnings
    assert [text for text in warnings if "long enough" in text and "split test" in text] == []
