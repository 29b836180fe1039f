import csv
import dataclasses

import numpy as np
import pytest
from helpers.session_factory import write_known, write_session

from react24.clips import windows
from react24.files import contract
from react24.files.notices import Notice, write_notices
from react24.report.notices import (
    describe_doubts,
    dropped_clips,
    gather_doubts,
    short_list,
    table_notes,
    write_list,
)

SILENT = Notice("sound.silent", "a.mp4 (role a): its sound is silent", "a")
OTHER = Notice("face.other", "role b, b.mp4: another face", "b", 12.0, 14.5)
WHERE = "results/tables/notices.md"


def write_told(path, session, notices, schema="media"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with contract.create(path, schema=schema, created_by="test") as file:
        file.attrs["session"] = session
        write_notices(file, session, notices)
    return path


@pytest.fixture
def files(tmp_path):
    return [
        write_told(tmp_path / "media/talk01.h5", "talk01", [SILENT]),
        write_told(tmp_path / "faces/talk01.h5", "talk01", [SILENT, OTHER], "faces"),
        write_told(tmp_path / "media/talk02.h5", "talk02", []),
    ]


@pytest.fixture
def clips(tmp_path):
    known = np.arange(1500) < 900
    one = write_session(tmp_path, "talk02", 1500)
    track = write_known(tmp_path / "track.h5", {"a": known, "b": known | True})
    path = tmp_path / "clips.h5"
    files = [dataclasses.replace(one, faces=track)]
    windows.window_clips(files, path, stream="graphau", split="test")
    return path


def test_doubts_of_all_files_of_a_session_come_together_once(files, clips):
    found = gather_doubts(files, [clips])
    assert found["talk01"] == [SILENT, OTHER]
    (lost,) = found["talk02"]
    assert (lost.kind, lost.start, lost.stop) == ("clips.dropped", 30.0, 60.0)
    assert "role a 20.0%" in lost.message
    assert dropped_clips(clips) == {"talk02": [lost]}


def test_short_list_has_every_session_before_the_second_doubt_of_any():
    doubts = {"s1": [Notice("k", f"one\n {n}") for n in range(5)], "s2": [Notice("k", "two")]}
    assert short_list(doubts, WHERE, limit=2) == [
        "s1: one 0",
        "s2: two",
        f"... and 4 more: {WHERE}",
    ]
    assert len(short_list(doubts, WHERE, limit=6)) == 6
    assert short_list({}, WHERE) == []


def test_what_is_told_of_several_sessions_is_one_line():
    doubts = {f"s{n}": [Notice("k", "no rest"), Notice("k", f"own {n}")] for n in range(5)}
    assert short_list(doubts, WHERE, limit=2) == [
        "s0, s1, s2 and 2 more: no rest",
        "s0: own 0",
        f"... and 4 more: {WHERE}",
    ]


def test_notes_of_a_table_count_those_of_training():
    doubts, train = {"t": [SILENT]}, {"u": [OTHER, SILENT]}
    lines = table_notes(doubts, train, WHERE)
    assert lines[0] == "t: a.mp4 (role a): its sound is silent"
    assert lines[1] == f"Training split: 2 doubts about 1 session: {WHERE}"
    assert table_notes(doubts, {}, WHERE) == lines[:1]


def test_list_of_all_doubts(files, clips, tmp_path):
    repeated = tmp_path / "repeated.json"
    repeated.write_text('["x.mp4 and y.mp4 are the same recording"]')
    splits = {"talk02": "test", "talk01": "train", "talk03": "val"}
    tsv, md = tmp_path / "n.tsv", tmp_path / "n.md"
    write_list(gather_doubts(files, [clips], repeated), splits, tsv=tsv, md=md)
    rows = list(csv.DictReader(tsv.open(encoding="utf-8"), delimiter="\t"))
    assert [(r["split"], r["session"], r["kind"]) for r in rows] == [
        ("", "", "recording.repeated"),
        ("test", "talk02", "clips.dropped"),
        ("train", "talk01", "sound.silent"),
        ("train", "talk01", "face.other"),
    ]
    assert (rows[3]["role"], rows[3]["start"], rows[3]["stop"]) == ("b", "12.00", "14.50")
    assert rows[2]["start"] == ""
    text = md.read_text(encoding="utf-8")
    assert "4 doubts, 2 of 3 sessions" in text
    assert "- role b, b.mp4: another face (12.0 to 14.5 s) `face.other`" in text
    assert "## val" not in text


def test_nothing_doubtful_is_said_so(tmp_path):
    tsv, md = tmp_path / "n.tsv", tmp_path / "n.md"
    write_list({}, {"s": "test"}, tsv=tsv, md=md)
    assert len(tsv.read_text().splitlines()) == 1
    assert "0 doubts, 0 of 1 sessions" in md.read_text()


def test_end_of_a_run_tells_what_was_made_and_no_more(files, clips, tmp_path):
    none = tmp_path / "none.json"
    text = describe_doubts([*files, tmp_path / "missing.h5"], [clips], none, where=WHERE)
    assert text.splitlines()[0] == "3 doubts about the recordings, 2 session(s):"
    assert "  talk01: a.mp4 (role a): its sound is silent" in text
    assert WHERE not in text
    assert f"... and 2 more: {WHERE}" in describe_doubts(files, [clips], none, where=WHERE, limit=1)
    assert describe_doubts(files[2:], [], none, where=WHERE) == ""


def test_a_file_that_cannot_be_read_does_not_hide_the_rest(files, tmp_path):
    broken = tmp_path / "media/talk09.h5"
    broken.write_bytes(b"not hdf5")
    repeated = tmp_path / "repeated.json"
    repeated.write_text('["x.mp4 is used twice"]')
    text = describe_doubts([broken, *files], [], repeated, where=WHERE)
    assert str(broken) in text
    assert "  x.mp4 is used twice" in text
    assert "its sound is silent" in text


def test_sessions_that_are_left_out_stand_first(files, tmp_path):
    why = "left out (corpus.skip_broken), because its recordings cannot be used: cut short"
    doubts = gather_doubts(files, left_out={"talk09": why})
    assert short_list(doubts, WHERE)[0] == f"talk09: {why}"
    assert table_notes(doubts, gather_doubts([], left_out={"talk08": why}), WHERE)[-1].startswith(
        "Training split: 1 doubt about 1 session"
    )
    tsv, md = tmp_path / "n.tsv", tmp_path / "n.md"
    write_list(doubts, {"talk01": "train", "talk02": "test", "talk09": "test"}, tsv=tsv, md=md)
    rows = list(csv.DictReader(tsv.open(), delimiter="\t"))
    (row,) = [row for row in rows if row["kind"] == "session.left_out"]
    assert (row["split"], row["session"], row["message"]) == ("test", "talk09", why)
    assert f"**talk09**\n\n- {why}" in md.read_text()
