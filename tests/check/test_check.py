"""The check of a whole project: drawn faces and noise, two seconds each."""

import json
import os
import shutil

import numpy as np
import pytest
from helpers.media_factory import cut_file, noisy, tone, write_media

from react24.check import run
from react24.check.looks import SessionLook, Task, look_at_session
from react24.check.run import check_project, look_at_all
from react24.check.table import format_json, format_report
from react24.cli.main import main
from react24.corpora.demo.corpus import make_demo_session
from react24.files import contract
from react24.files.notices import Notice
from react24.media.fingerprint import Fingerprint
from react24.media.probe import RoleMedia, probe_session
from react24.media.repeated import Recording
from react24.project.load import inspect_project

HEADER = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\n"
CONFIG = {"sessions": "s.tsv", "corpus": {"root": "videos"}, "demo": {"enabled": False}}
CONFIG |= {"models": {}, "baselines": ["GT"]}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    make_demo_session("demo01", folder / "good", seconds=2)
    write_media(folder / "noise.mp4", picture=noisy, frames=50, sound=tone(2.0, 16000))
    write_media(folder / "mute.mp4", picture=noisy, frames=50)
    (folder / "text.mp4").write_text("not a video at all")
    return folder


@pytest.fixture
def project(recordings, tmp_path, monkeypatch):
    """Make a project of rows (session, video a, video b); returns the checked sheet."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(recordings, tmp_path / "videos")

    def make(*rows, **config):
        lines = [
            f"{name}\ttest\t{a}\t{b}\t{name}_a\t{name}_b\n"
            for name, a, b in (row.split() for row in rows)
        ]
        (tmp_path / "s.tsv").write_text(HEADER + "".join(lines))
        (tmp_path / "c.yaml").write_text(json.dumps(CONFIG | config))
        return inspect_project(CONFIG | config, check_files=False)

    return make


def look_at(project):
    return look_at_session(Task(project.sessions[0], project.settings))


GOOD = "good good/a.mp4 good/b.mp4"


def test_a_good_session(project):
    look = look_at(project(GOOD))
    assert not look.errors
    assert look.seconds == pytest.approx(2.0, abs=0.08)
    assert look.clips == 0
    for role in look.roles.values():
        assert role.face > 0.9
        assert 60 < role.face_width < 256
        assert role.picture == (256, 256)
        assert role.sound == (16000, 1)


def test_a_recording_without_a_face_is_doubtful(project):
    look = look_at(project("s noise.mp4 good/b.mp4"))
    assert not look.errors
    (notice,) = [n for n in look.notices if n.kind == "face.none"]
    assert notice.role == "a"
    assert look.roles["a"].face < 0.5
    assert "noise.mp4 (role a): within 3 s from second 0, there is" in notice.message
    assert look.roles["b"].face > 0.9


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("s gone.mp4 good/b.mp4", ["column video_a", "gone.mp4: no such file"]),
        ("s good/a.mp4 text.mp4", ["text.mp4", "cannot be opened"]),
    ],
)
def test_files_that_cannot_be_used(project, row, words):
    (error,) = look_at(project(row)).errors
    for word in words:
        assert word in error


def test_what_is_wrong_with_one_person_hides_nothing_of_the_other(project, tmp_path):
    sheet = project("s gone.mp4 short.mkv")
    write_media(tmp_path / "videos/short.mkv", picture=noisy, frames=50)
    cut_file(tmp_path / "videos/short.mkv", 0.5)
    first, second = look_at(sheet).errors
    assert "column video_a: videos/gone.mp4: no such file" in first
    assert "short.mkv (role b), second " in second
    assert "the pictures end here" in second


def test_sound_is_wanted_where_a_stream_is_made_of_it(project):
    row = "s mute.mp4 good/b.mp4"
    assert not look_at(project(row)).errors
    (error,) = look_at(project(row, streams={"logmel": {"enabled": True}})).errors
    assert "no sound" in error


def test_faces_are_looked_for_with_the_networks_of_the_jobs(project, tmp_path):
    (tmp_path / "other.task").write_bytes(b"not a bundle")
    errors = look_at(project(GOOD, faces={"model": "other.task"})).errors
    assert errors
    assert all("other.task: not a TensorFlow Lite network" in error for error in errors)


def test_files_of_a_run_are_read_while_they_are_newer(project, tmp_path):
    sheet = project(GOOD)
    media = tmp_path / "results/media/good.h5"
    roles = {
        person.role: RoleMedia(person.video, None, person.subject, person.role)
        for person in sheet.sessions[0].people
    }
    probe_session(media, session="good", roles=roles, tolerate_damage=False, need_sound=False)
    with contract.open_hdf5(media, "r+") as file:
        file["a"].attrs["subject"] = "of the run"
    assert look_at(sheet).roles["a"].subject == "of the run"
    changed = media.stat().st_mtime + 10
    os.utime(tmp_path / "videos/good/b.mp4", (changed, changed))
    assert look_at(sheet).roles["a"].subject == "good_a"


def test_files_of_a_run_are_read_after_the_corpus_has_moved(project, tmp_path):
    sheet = project(GOOD)
    media = tmp_path / "results/media/good.h5"
    roles = {
        person.role: RoleMedia(person.video, None, person.subject, person.role)
        for person in sheet.sessions[0].people
    }
    probe_session(media, session="good", roles=roles, tolerate_damage=False, need_sound=False)
    with contract.open_hdf5(media, "r+") as file:
        file["a"].attrs["subject"] = "of the run"
    (tmp_path / "videos").rename(tmp_path / "moved")
    sheet = project(GOOD, corpus={"root": "moved"})
    look = look_at(sheet)
    assert look.roles["a"].subject == "of the run"
    assert look.roles["a"].video == "moved/good/a.mp4"
    assert [str(r.video) for r in look.recordings] == ["moved/good/a.mp4", "moved/good/b.mp4"]
    # another recording of that name is not the one that was read
    swapped = tmp_path / "moved/good/a.mp4"
    shutil.copy2(tmp_path / "moved/good/b.mp4", swapped)
    assert look_at(sheet).roles["a"].subject == "good_a"


def test_one_bad_session_does_not_stop_the_others(project):
    sheet = project("bad text.mp4 noise.mp4", GOOD)
    report = check_project(sheet, cores=1)
    assert list(report.looks) == ["bad", "good"]
    assert report.looks["good"].seconds > 1.9
    text = format_report(report)
    assert "session bad (row 2), column video_a: " in text
    assert "1 session(s) are shorter than a clip, 30 s, and give none: good (2.00 s)" in text
    assert "2 session(s): train 0, val 0, test 2. 1 problem found, " in text
    values = json.loads(format_json(report))
    assert values["ok"] is False
    assert values["sessions"][1]["people"]["a"]["picture"] == [256, 256]
    assert values["sessions"][0]["seconds"] is None


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("a.mp4: cut", "session good (row 2): a.mp4: cut"),
        ("session good: a.mp4 is cut", "session good (row 2): a.mp4 is cut"),
        ("session good, role a: cut", "session good (row 2), role a: cut"),
        ("column video_a: gone", "session good (row 2), column video_a: gone"),
        ("session goodly: cut", "session good (row 2): session goodly: cut"),
    ],
)
def test_sentences_name_the_row_once(project, told, shown):
    assert run._at_row(project(GOOD).sessions[0], told) == shown


@pytest.mark.parametrize(
    ("subjects", "kept", "words"),
    [
        ("pp", "warnings", "are the same recording twice in the split test"),
        ("pq", "errors", "are the same recording under two subjects, p and q"),
        ("pqr", "errors", "one recording stands in the sheet 3 times: s0.mp4 (session s0, role a"),
    ],
)
def test_a_recording_in_several_places(project, monkeypatch, subjects, kept, words):
    sheet = project(*(f"s{i} a{i} b{i}" for i in range(len(subjects))))
    (sheet.settings.corpus_root / "a0").touch()
    rng = np.random.default_rng(0)
    seen = Fingerprint(np.arange(0, 20, 0.2, np.float32), rng.uniform(0, 255, (100, 16, 16)))
    found = [
        SessionLook(
            f"s{i}", 60.0, recordings=(Recording(f"s{i}", "a", who, "test", f"s{i}.mp4", seen),)
        )
        for i, who in enumerate(subjects)
    ]
    monkeypatch.setattr(run, "look_at_all", lambda tasks, cores: iter(found))
    (sentence,) = getattr(check_project(sheet, cores=1), kept)
    assert words in sentence


def crash_at_bad(task):
    if task.session.session == "bad":
        os._exit(11)
    return SessionLook(task.session.session, seconds=60.0)


def test_a_session_that_ends_the_process_is_told(project):
    sheet = project("s1 a b", "bad c d", "s2 e f", "s3 g h")
    tasks = [Task(session, sheet.settings) for session in sheet.sessions]
    found = {look.session: look for look in look_at_all(tasks, 2, crash_at_bad)}
    assert found.keys() == {"s1", "bad", "s2", "s3"}
    assert "ended the process" in found["bad"].errors[0]
    assert not any(found[name].errors for name in ("s1", "s2", "s3"))


@pytest.mark.parametrize(
    ("seconds", "errors", "told"),
    [
        ([29.9, 12.0], [(), ()], True),
        ([29.9, 30.0], [(), ()], False),
        ([29.9, None], [(), ("gone",)], False),
    ],
)
def test_a_split_without_a_clip_is_told(project, monkeypatch, seconds, errors, told):
    sheet = project("s0 a b", "s1 c d", "s2 e f")
    (sheet.settings.corpus_root / "a").touch()  # else the root is wrong
    found = [SessionLook(f"s{i}", seconds[i], errors=errors[i]) for i in range(2)]
    found.append(SessionLook("s2", 3.0, notices=(Notice("sound.silent", "it is silent", "a"),)))
    monkeypatch.setattr(run, "look_at_all", lambda tasks, cores: iter(found))
    report = check_project(sheet, cores=1)
    text = "split test: none of its 3 session(s) is long enough for a clip of 30 s"
    assert any(text in error for error in report.errors) is told
    assert "session s2 (row 4): it is silent" in report.warnings


def test_clips_that_the_official_index_lacks_are_told(project, monkeypatch, tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((4, 4), np.uint8))
    (tmp_path / "i.csv").write_text("site,chat_index,clip_index\nNoXI,S0,1\nnoxi,s0,2\n")
    official = {"source": "official", "matrix": "m.npy", "index": "i.csv"}
    corpus = {"root": "videos", "name": "NoXI"}
    sheet = project("s0 a b", "s1 c d", appropriate=official, corpus=corpus)
    assert not sheet.problems
    (sheet.settings.corpus_root / "a").touch()
    found = [SessionLook("s0", 95.0), SessionLook("s1", 29.0)]
    monkeypatch.setattr(run, "look_at_all", lambda tasks, cores: iter(found))
    (error,) = check_project(sheet, cores=1).errors
    assert error == "appropriate.index: clip 3 of session S0 (NOXI) is in the index 0 times"


def test_a_wrong_root_is_told_once(project):
    sheet = project("s0 x/a x/b", "s1 x/c x/d")
    report = check_project(sheet, cores=1)
    (error,) = report.errors
    assert "none of its 4 files is below corpus.root (videos)" in error
    assert report.looks == {}


def test_sessions_that_cannot_be_used_are_noted_and_left_out(project, tmp_path, capsys):
    for place in ("other", "third"):
        shutil.copytree(tmp_path / "videos/good", tmp_path / "videos" / place)
    rows = ("bad text.mp4 noise.mp4", GOOD, "short other/a.mp4 short.mkv")
    corpus = {"corpus": {"root": "videos", "skip_broken": True}}
    write_media(tmp_path / "videos/short.mkv", picture=noisy, frames=50)
    cut_file(tmp_path / "videos/short.mkv", 0.5)
    project(*rows, **corpus)
    words = ["check", "--config", "c.yaml", "--cores", "1", "--json"]
    assert main(words) == 1
    found = json.loads(capsys.readouterr().out)
    assert list(found["left_out"]) == ["bad"]
    assert any("short.mkv" in error for error in found["errors"])
    assert "react24 check --write-broken" in " ".join(found["warnings"])
    main([*words, "--write-broken"])
    found = json.loads(capsys.readouterr().out)
    assert list(found["left_out"]) == ["bad", "short"]
    (error,) = found["errors"]  # two seconds are no clip
    assert "none of its 1 session(s) is long enough" in error
    sheet = inspect_project(json.loads((tmp_path / "c.yaml").read_text()), check_files=False)
    assert [s.session for s in sheet.sessions] == ["good"]
    main(["check", "--config", "c.yaml", "--quick"])
    out = capsys.readouterr().out
    assert "Left out (corpus.skip_broken):" in out
    assert "2 session(s) left out." in out


def test_the_command(project, capsys):
    project("s noise.mp4 good/b.mp4")
    assert main(["check", "--config", "c.yaml", "--cores", "1"]) == 1  # no clip
    out = capsys.readouterr().out
    assert "256x256, 25/s" in out
    assert "the session fails if less than 80% of all frames show one" in out
    assert main(["check", "--config", "c.yaml", "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
