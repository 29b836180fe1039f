import h5py
import pytest

from react24.files.notices import Notice, gather_notices, read_notices, write_notices
from react24.project.choices import ChoiceError, Choices, parse_choices


def test_every_column_is_understood():
    cells = {
        "offset_a": "7",
        "audio_offset_a": "-48,5",
        "audio_track_a": "Mic",
        "audio_channel_a": "Left",
        "crop_a": "0, 10, 640, 720",
        "face_a": "RIGHT",
        "neutral_a": "12.0-15.5",
        "face_b": "left",
    }
    found = parse_choices(cells, "a")
    assert found == Choices(7.0, -48.5, "Mic", "left", (0, 10, 640, 720), "right", (12.0, 15.5))
    assert Choices.from_json(found.to_json()) == found
    assert parse_choices(cells, "b") == Choices(face="left")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("offset_a", "soon"),
        ("offset_a", "nan"),
        ("audio_channel_a", "-1"),
        ("crop_a", "0,0,0,720"),
        ("crop_a", "0,0,640"),
        ("face_a", "middle"),
        ("neutral_a", "15-12"),
        ("neutral_a", "12"),
    ],
)
def test_what_cannot_be_understood_is_named(column, cell):
    with pytest.raises(ChoiceError, match=f"column {column}: found '{cell}'; accepted: "):
        parse_choices({column: cell}, "a")


def test_all_that_cannot_be_understood_is_told_at_once():
    with pytest.raises(ChoiceError) as error:
        parse_choices({"face_b": "middle", "neutral_b": "15-12", "offset_b": "7"}, "b")
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "column face_b",
        "column neutral_b",
    ]


def test_notices_come_back_from_their_files(tmp_path, caplog):
    silent = Notice("sound.silent", "a.mp4 (role a): its sound is silent", "a")
    other = Notice("face.other", "another face from second 4.0 to 7.0", "b", 4.0, 7.0)
    for name, notices in (("one", [silent]), ("two", []), ("three", [other])):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.attrs["session"] = "talk01" if name != "three" else "talk02"
            if name != "two":
                write_notices(file, "talk01", notices)
    assert "session talk01: a.mp4 (role a): its sound is silent" in caplog.text
    assert read_notices(tmp_path / "one.h5") == [silent]
    assert read_notices(tmp_path / "two.h5") == []
    paths = [tmp_path / f"{name}.h5" for name in ("one", "two", "three")]
    assert gather_notices(paths) == {"talk01": [silent], "talk02": [other]}
