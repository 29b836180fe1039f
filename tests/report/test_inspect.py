"""Contact sheets: which frames and words are on them, and that nothing on them overlaps."""

import struct
from dataclasses import replace

import h5py
import numpy as np
import pytest
from helpers.faces_factory import write_session as write_recordings
from helpers.media_factory import read_number

from react24.cli.main import main
from react24.conventions import EMOTION_NAMES as EMOTION_COLUMNS
from react24.errors import InputError
from react24.files import contract
from react24.files.notices import Notice, write_notices
from react24.report import inspect_draw
from react24.report.inspect import choose_frames, describe_emotion, gather_sheet
from react24.rig.model import load_rig
from react24.streams.faceverse.landmarks import FEATURE_NAMES as POSE_COLUMNS

FRAMES = 75
GAP = slice(30, 40)


def _features(stream, names, values, valid):
    return contract.Features(values, valid, names, stream, "landmarks", True, "some networks")


def _emotion(frames=FRAMES, **units):
    """The 25-D stream with single frames of action units: AU12=(60, 0.9)."""
    values = np.zeros((frames, 25), np.float32)
    values[:, EMOTION_COLUMNS.index("Neutral")] = 0.7
    for name, (tick, value) in units.items():
        values[tick, EMOTION_COLUMNS.index(name)] = value
    return _features("graphau", EMOTION_COLUMNS, values, np.ones(frames, bool))


def _add_landmarks(faces):
    """A frontal face in the middle of the picture."""
    points = load_rig().neutral * 20 + (32, 24, 0)
    with h5py.File(faces, "r+") as file:
        file.attrs["weights"] = "mediapipe 0.10.14"
        for role in "ab":
            file[role]["landmarks"] = np.tile(points, (FRAMES, 1, 1)).astype(np.float32)
            file[role]["found"][GAP] = file[role]["valid"][GAP] = False
        notices = [
            Notice("face.lost", "a.mp4: no face from 1.2 to 1.6 s.", "a", 1.2, 1.6),
            Notice("face.lost", "$100 _and_ a.mp4: " + "a long story " * 40, "a"),
        ]
        write_notices(file, "s1", notices)


def _add_features(folder, session="s1"):
    valid = np.ones(FRAMES, bool)
    valid[GAP] = False
    emotion = _emotion(AU12=(60, 0.9), AU1=(8, 0.5), AU25=(20, 1.0)).values
    emotion[:, EMOTION_COLUMNS.index("valence")] = np.linspace(-1, 1, FRAMES)
    pose = np.zeros((FRAMES, 58), np.float32)
    pose[:, POSE_COLUMNS.index("rotation_y")] = np.radians(12)
    for stream, names, values in (
        ("graphau", EMOTION_COLUMNS, emotion),
        ("faceverse", POSE_COLUMNS, pose),
    ):
        path = folder / "features" / stream / f"{session}.h5"
        part = _features(stream, names, values, valid)
        error = np.full(FRAMES, 1.25, np.float32)
        known = replace(part, extra={"neutral": load_rig().neutral, "pose_error": error})
        contract.write_features(
            path, {"a": known, "b": part}, subjects={"a": "anna", "b": "bert"}, created_by="test"
        )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    _, faces = write_recordings(folder, "s1", FRAMES)
    _add_landmarks(faces)
    _add_features(folder)
    return folder


@pytest.fixture(scope="module")
def sheet(results):
    return gather_sheet("s1", results)


# Which frames


def test_frames_are_in_order_and_of_all_kinds(sheet):
    shots = sheet.people[0].shots
    assert len(shots) == 8
    ticks = [shot.tick for shot in shots]
    assert ticks == sorted(set(ticks))
    why = {shot.tick: shot.why for shot in shots if shot.why}
    assert why == {
        8: "strongest AU1",
        35: "not valid, 1.2 to 1.6 s",
        60: "strongest AU12",
    }
    assert [shot.tick for shot in shots if not shot.valid] == [35]
    assert [read_number(shot.picture) for shot in shots] == ticks


def test_the_rest_is_spread_and_valid():
    valid = np.ones(1000, bool)
    valid[:500] = False
    chosen = choose_frames(valid, None, 6)
    assert [tick for tick, why in chosen.items() if why] == [250]
    rest = [tick for tick, why in chosen.items() if not why]
    assert min(rest) >= 500
    assert np.diff(rest).min() > 50


@pytest.mark.parametrize(("frames", "count"), [(1, 8), (3, 8), (40, 2)])
def test_few_frames(frames, count):
    chosen = choose_frames(np.ones(frames, bool), _emotion(frames), count)
    assert len(chosen) == min(frames, count)
    assert set(chosen) <= set(range(frames))


def test_nothing_valid():
    chosen = choose_frames(np.zeros(50, bool), None, 4)
    assert len(chosen) == 4
    assert "not valid, 0.0 to 2.0 s" in chosen.values()


def test_strong_frames_are_apart_and_of_different_units():
    emotion = _emotion(200, AU12=(100, 0.9), AU6=(101, 0.8), AU4=(180, 0.3), AU1=(10, 0.05))
    chosen = choose_frames(np.ones(200, bool), emotion, 8)
    assert {tick: why for tick, why in chosen.items() if why} == {
        100: "strongest AU12",
        180: "strongest AU4",
    }


# What is written


def test_readings(sheet):
    assert sheet.people[0].shots[-1].readings[-1] == "0.70 Neutral"
    emotion = _emotion(5, AU12=(2, 0.9), AU25=(2, 0.4), AU1=(2, 0.05))
    assert describe_emotion(emotion, 2) == (
        "0.90 AU12 smile",
        "0.40 AU25 lips parted",
        "0.70 Neutral",
    )
    assert describe_emotion(emotion, 3)[0] == "no AU above 0.1"


def test_facts_and_doubts(sheet):
    assert sheet.session == "s1"
    assert [person.role for person in sheet.people] == ["a", "b"]
    text = "\n".join(sheet.people[0].facts)
    assert "64 x 64 pixels at 25 per second, 3.0 s; sound at -13 dB" in text
    assert "face found in 86.7% of the frames, valid 86.7%; mediapipe 0.10.14" in text
    made_by = "graphau and faceverse: landmarks (some networks)"
    assert f"{made_by}; head pose within 1.2 pixels (median)" in text
    assert sheet.people[1].facts[-1] == made_by
    assert sheet.notices[0] == "a.mp4: no face from 1.2 to 1.6 s."
    assert sheet.missing == ()
    assert sheet.people[0].neutral is not None
    assert sheet.people[1].neutral is None


def test_sound_level(sheet):
    level = sheet.people[0].curves.level
    assert len(level) == 30
    # A sine of amplitude 0.3: 20 log10(0.3 / sqrt 2).
    assert np.abs(level[5:25] - -13.5).max() < 1


@pytest.mark.parametrize(
    ("rotation", "text"),
    [
        ((5, -12, 3), "head ↓5°  →12°  ↻3°"),
        ((-5, 12, -3), "head ↑5°  ←12°  ↺3°"),
        (None, ""),
    ],
)
def test_pose_in_words(rotation, text):
    given = None if rotation is None else np.radians(rotation)
    assert inspect_draw._describe_pose(given) == text


# What is drawn


def _texts(figure):
    return [text.get_text() for text in _all_texts(figure)]


def _all_texts(figure):
    found = list(figure.texts)
    for axis in figure.axes:
        found += [axis.title, axis._left_title, *axis.texts]
    return [text for text in found if text.get_text()]


def test_the_sheet_says_what_was_gathered(sheet):
    texts = _texts(inspect_draw.lay_out(sheet))
    for expected in (
        "Session s1",
        "! a.mp4: no face from 1.2 to 1.6 s.",
        "Role b: b",
        "head ↓0°  ←12°  ↻0°",
        "0.90 AU12 smile",
        "no face",
        "not stored in the features",
    ):
        assert expected in texts
    assert any(text.endswith("not valid, 1.2 to 1.6 s") for text in texts)


def test_no_text_lies_on_another_or_leaves_the_sheet(sheet):
    figure = inspect_draw.lay_out(sheet)
    figure.draw_without_rendering()
    texts = _all_texts(figure)
    boxes = [text.get_window_extent() for text in texts]
    for i, box in enumerate(boxes):
        assert figure.bbox.contains(*box.min), texts[i]
        assert figure.bbox.contains(*box.max), texts[i]
        for j in range(i):
            overlap = (
                min(box.x1, boxes[j].x1) - max(box.x0, boxes[j].x0),
                min(box.y1, boxes[j].y1) - max(box.y0, boxes[j].y0),
            )
            assert min(overlap) < 2, (texts[i], texts[j])


def test_the_command_writes_a_png(results, tmp_path, capsys):
    words = ["inspect", "s1", "--results", str(results)]
    assert main(words) == 0
    made = results / "inspect" / "s1.png"
    assert capsys.readouterr().out.strip() == str(made)
    content = made.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width == inspect_draw.WIDTH * 130
    assert 1000 < height < 3000
    assert main([*words, "-o", str(tmp_path / "again.png")]) == 0
    assert (tmp_path / "again.png").read_bytes() == content


def test_a_session_without_features(tmp_path):
    media, faces = write_recordings(tmp_path, "s2", 30)
    with h5py.File(media, "r+") as file:
        file["a"].attrs["sound_rate"] = 0
    with h5py.File(faces, "r+") as file:
        for role in "ab":
            points = load_rig().neutral * 20 + (32, 24, 0)
            file[role]["landmarks"] = np.tile(points, (30, 1, 1)).astype(np.float32)
    sheet = gather_sheet("s2", tmp_path)
    assert len(sheet.missing) == 2
    assert sheet.missing[0].startswith("No graphau features yet")
    assert all(not shot.readings for person in sheet.people for shot in person.shots)
    assert [person.curves.level is None for person in sheet.people] == [True, False]
    assert sheet.people[0].facts[0].endswith("; no sound")
    texts = _texts(inspect_draw.lay_out(sheet))
    assert texts.count("no sound") == 1
    assert "no valence and arousal yet" in texts
    assert any(text.startswith("- No faceverse features yet") for text in texts)


def test_what_is_not_there_is_named(results, tmp_path):
    with pytest.raises(InputError, match=r"media/s9\.h5: no such file.*probe_session.*: s1$"):
        gather_sheet("s9", results)
    write_recordings(tmp_path, "s3", 5)
    (tmp_path / "faces" / "s3.h5").unlink()
    with pytest.raises(InputError, match=r"faces/s3\.h5: no such file.*track_faces.*none"):
        gather_sheet("s3", tmp_path)


def test_long_curves_are_summarised():
    values = np.zeros(30000, np.float32)
    values[12345] = 1
    time, least, mean, largest = inspect_draw.summarise(values, 1500)
    assert len(time) == len(least) == len(mean) == 1500
    assert largest.max() == 1
    assert abs(mean.max() - 1 / 20) < 1e-6
    assert abs(time[largest.argmax()] - 12345 / 25) < 1
    assert len(inspect_draw.summarise(values[:7])[0]) == 7


def test_outlines_are_on_both_sides():
    rows = inspect_draw.outlines()
    mirror = load_rig().mirror
    assert {tuple(mirror[row]) for row in rows} == {tuple(row) for row in rows}
    assert max(max(row) for row in rows) < 478
