import dataclasses
import os

import numpy as np
import pytest
from helpers.session_factory import window_sessions, write_known, write_session

from react24.clips import plan, windows
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.files.contract import StoreError


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(749, []), (750, [(1, 0)]), (751, [(1, 0)]), (1500, [(1, 0), (2, 750)])],
)
def test_clip_starts_at_the_edges(frames, starts):
    assert plan.clip_starts(frames) == starts


def test_segments_keep_their_own_clip_numbers():
    segments = np.array([[3, 0, 751], [7, 751, 740], [9, 1491, 750]])
    assert plan.clip_starts(2241, segments) == [(3, 0), (9, 1491)]


def test_listener_rows():
    np.testing.assert_array_equal(windows.listener_rows(6), [3, 4, 5, 0, 1, 2])


def test_rows_in_react_order(tmp_path):
    path = window_sessions(tmp_path, [1500, 800])
    with windows.open_clips(path) as clips:
        assert clips.rows == 6
        assert clips.native.shape == (6, 750, 25)
        assert clips.native.chunks == (1, 750, 25)
        sessions = [s.decode() for s in clips.index["session"]]
        assert sessions == ["s0", "s0", "s1"] * 2
        assert list(clips.index["role"]) == [b"a"] * 3 + [b"b"] * 3
        np.testing.assert_array_equal(clips.index["partner"], windows.listener_rows(6))
        assert list(clips.index["clip"]) == [1, 2, 1] * 2
        assert list(clips.index["start"]) == [0, 750, 0] * 2
        features = contract.read_features(tmp_path / "features" / "graphau" / "s0.h5")
        np.testing.assert_array_equal(clips.native[4], features["b"].values[750:1500])
        restored = clips.zscored[4] * clips.std[4] + clips.mean[4]
        np.testing.assert_allclose(restored, clips.native[4], atol=1e-5)


def test_streams_without_targets_have_no_native(tmp_path):
    path = window_sessions(tmp_path, [750], stream="wav2vec2", channels=16, keep_native=False)
    with windows.open_clips(path) as clips:
        assert clips.native is None
        assert clips.zscored.shape == (2, 750, 16)


def test_streams_that_are_read_as_they_are_have_native(tmp_path):
    path = window_sessions(tmp_path, [750], stream="vggish", channels=3)
    features = contract.read_features(tmp_path / "features/vggish/s0.h5")
    with windows.open_clips(path) as clips:
        np.testing.assert_array_equal(clips.native[0], features["a"].values)


def test_split_without_a_full_clip_is_an_error(tmp_path):
    with pytest.raises(InputError, match="split test: none of its 2 sessions"):
        window_sessions(tmp_path, [749, 100])


def test_sessions_of_other_channels_are_refused(tmp_path):
    first = write_session(tmp_path, "one", 750, channels=3)
    second = write_session(tmp_path, "two", 750, channels=4)
    with pytest.raises(StoreError, match="channels differ"):
        windows.window_clips([first, second], tmp_path / "c.h5", stream="graphau", split="test")
    assert not (tmp_path / "c.h5").exists()


def test_one_random_stream_marks_the_split(tmp_path):
    sessions = [
        write_session(tmp_path, "one", 750, stream="vggish"),
        write_session(tmp_path, "two", 750, stream="vggish", pretrained=False),
    ]
    windows.window_clips(sessions, tmp_path / "c.h5", stream="vggish", split="test")
    with windows.open_clips(tmp_path / "c.h5") as clips:
        assert clips.pretrained is False


def test_different_index_is_found(tmp_path):
    one = window_sessions(tmp_path / "1", [750, 750])
    two = window_sessions(tmp_path / "2", [1500])
    with windows.open_clips(one) as first, windows.open_clips(two) as second:
        windows.check_same_index(first.index, first.index, ("x", "y"))
        with pytest.raises(StoreError, match="from row 1 on"):
            windows.check_same_index(first.index, second.index, ("x", "y"))


def normalized_files(folder):
    """Name -> time of change of the normalized files of a stream."""
    return {path.stem: path.stat().st_mtime for path in folder.glob("normalized/graphau/*.h5")}


def test_another_session_normalizes_itself_alone(tmp_path):
    first = [write_session(tmp_path, name, 750, seed=n) for n, name in enumerate(("one", "two"))]
    path = tmp_path / "c.h5"
    windows.window_clips(first, path, stream="graphau", split="test")
    for name in normalized_files(tmp_path):
        os.utime(tmp_path / f"normalized/graphau/{name}.h5", (1, 1))
    more = [*first, write_session(tmp_path, "three", 750, seed=3)]
    windows.window_clips(more, path, stream="graphau", split="test")
    times = normalized_files(tmp_path)
    assert times.pop("three") > 1
    assert times == {"one": 1, "two": 1}


def test_clips_are_the_same_whether_z_scores_are_kept_read_or_left_out(tmp_path):
    sessions = [write_session(tmp_path, name, 800, seed=n) for n, name in enumerate("ab")]
    read = []
    for keep in (True, True, False):
        path = tmp_path / "c.h5"
        windows.window_clips(
            sessions, path, stream="graphau", split="test", keep_normalized=keep, normalizing="1"
        )
        read.append(path.read_bytes())
        assert sorted(normalized_files(tmp_path)) == (["a", "b"] if keep else [])
    assert read[0] == read[1] == read[2]


def test_sessions_without_a_valid_frame_are_told_together_and_cost_no_other(tmp_path):
    nowhere = np.zeros(750, bool)
    sessions = [
        write_session(tmp_path, "bad", 750, valid=nowhere),
        write_session(tmp_path, "good", 750),
        write_session(tmp_path, "worse", 750, valid=nowhere),
    ]
    with pytest.raises(InputErrors, match="2 of 3 sessions") as caught:
        windows.window_clips(sessions, tmp_path / "c.h5", stream="graphau", split="test")
    assert ["bad" in caught.value.problems[0], "worse" in caught.value.problems[1]] == [True] * 2
    assert list(normalized_files(tmp_path)) == ["good"]
    assert not (tmp_path / "c.h5").exists()


def known_until(frames, length):
    return np.arange(length) < frames


def with_track(folder, files, a, b):
    track = write_known(folder / "faces" / f"{files.session}.h5", {"a": a, "b": b})
    return dataclasses.replace(files, faces=track)


def test_clips_with_too_few_known_faces_are_dropped_alike_in_all_streams(tmp_path, caplog):
    # Role a is known everywhere; role b in all of clip 1, just half of clip 2, less of clip 3.
    known = np.concatenate([known_until(n, 750) for n in (750, 375, 374)])
    whole = np.ones(2250, bool)
    paths = []
    for stream in ("graphau", "vggish"):
        # What a stream itself holds for valid must not matter.
        valid = known if stream == "graphau" else known_until(10, 2250)
        one = write_session(tmp_path, "one", 2250, stream=stream, valid=valid)
        two = write_session(tmp_path, "two", 750, stream=stream)
        sessions = [
            with_track(tmp_path, one, whole, known),
            with_track(tmp_path, two, whole[:750], whole[:750]),
        ]
        paths.append(tmp_path / f"{stream}.h5")
        windows.window_clips(sessions, paths[-1], stream=stream, split="test")
    with windows.open_clips(paths[0]) as first, windows.open_clips(paths[1]) as second:
        windows.check_same_index(first.index, second.index, ("x", "y"))
        names = [s.decode() for s in first.index["session"]]
        assert names == ["one", "one", "two"] * 2
        assert list(first.index["clip"]) == [1, 2, 1] * 2
        assert first.min_valid == 0.5
        (dropped,) = first.dropped
        assert (dropped["session"], dropped["clip"], dropped["start"]) == (b"one", 3, 1500)
        np.testing.assert_allclose(dropped["valid"], [1, 374 / 750], rtol=1e-6)
    assert "session one: clip 3 (60 to 90 s) is left out" in caplog.text
    assert "role b 49.9%" in caplog.text


def test_another_limit_keeps_more_or_less(tmp_path):
    known = np.concatenate([known_until(n, 750) for n in (750, 600, 20)])
    files = with_track(tmp_path, write_session(tmp_path, "s", 2250), known, known)
    for limit, clips in ((0, 3), (0.8, 2), (0.81, 1)):
        path = tmp_path / "c.h5"
        windows.window_clips([files], path, stream="graphau", split="test", min_valid=limit)
        with windows.open_clips(path) as found:
            assert (found.rows, len(found.dropped)) == (2 * clips, 3 - clips)


def test_split_whose_clips_are_all_dropped_says_why(tmp_path):
    known = known_until(100, 750)
    files = with_track(tmp_path, write_session(tmp_path, "s", 750), known, known)
    with pytest.raises(
        InputError, match=r"split test: .* 1 full clip.* session s, clip 1 .* clips\.min_valid"
    ):
        windows.window_clips([files], tmp_path / "c.h5", stream="graphau", split="test")


def test_track_of_another_length_is_refused(tmp_path):
    known = known_until(700, 740)
    files = with_track(tmp_path, write_session(tmp_path, "s", 750), known, known)
    with pytest.raises(StoreError, match=r"740 frames, but .* has 750"):
        windows.window_clips([files], tmp_path / "c.h5", stream="graphau", split="test")
