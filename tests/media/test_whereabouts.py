"""A corpus that has moved: what was read of it stays, and its recordings are opened there."""

import shutil

import numpy as np
import pytest
import torch
from helpers.faces_factory import write_session
from helpers.media_factory import tone, write_media

from react24 import streams
from react24.errors import InputError
from react24.files import contract
from react24.media import whereabouts
from react24.media.probe import RoleMedia, probe_session
from react24.media.repeated import read_recordings
from react24.media.sound import read_sound
from react24.media.video import read_frames
from react24.streams.extract import extract_session
from react24.training.dataset import FaceFiles, FrameReader

FRAMES = 40


@pytest.fixture(autouse=True)
def nothing_declared(monkeypatch):
    monkeypatch.setattr(whereabouts, "_now", {})


def read_all(media):
    """Pictures and sound of both roles."""
    pictures = [p for role in "ab" for _, p in read_frames(media, role)]
    return np.stack(pictures), np.stack([read_sound(media, role, 16000) for role in "ab"])


def moved(folder, session="s1"):
    """Move the videos of a session; returns where they are now, as a job's inputs name them."""
    shutil.move(folder / "videos", folder / "moved")
    return {f"video_{role}": str(folder / "moved" / session / f"{role}.mp4") for role in "ab"}


def features_of(folder, media, name):
    """Features of a stream of sound, extracted now."""
    path = folder / f"{name}.h5"
    extract_session(streams.get("mfcc", {}), {"media": media}, path, settings={})
    return contract.read_features(path)


def test_recordings_are_opened_where_they_are_declared_to_be(tmp_path):
    media, _ = write_session(tmp_path, "s1", FRAMES)
    pictures, sound = read_all(media)
    before, written = features_of(tmp_path, media, "before"), contract.sha256_file(media)
    files = moved(tmp_path)
    whereabouts.declare("s1", {"media": str(media), **files})
    again = read_all(media)
    np.testing.assert_array_equal(again[0], pictures)
    np.testing.assert_array_equal(again[1], sound)
    after = features_of(tmp_path, media, "after")
    for role in "ab":
        np.testing.assert_array_equal(after[role].values, before[role].values)
    assert contract.sha256_file(media) == written
    [one, other] = read_recordings([media], {"s1": "train"})
    assert [str(one.video), str(other.video)] == [files["video_a"], files["video_b"]]


def test_sound_that_lies_apart_is_opened_where_it_is_declared_to_be(tmp_path):
    roles = {}
    for role in "ab":
        video = write_media(tmp_path / f"{role}.mp4", frames=FRAMES)
        audio = write_media(tmp_path / f"{role}.wav", sound=tone(2, 16000), sound_codec="pcm_s16le")
        roles[role] = RoleMedia(video, audio, role, role)
    media = tmp_path / "s2.h5"
    probe_session(media, session="s2", roles=roles, tolerate_damage=False)
    sound = read_sound(media, "b", 8000)
    now = tmp_path / "new.wav"
    (tmp_path / "b.wav").rename(now)
    whereabouts.declare("s2", {"video_b": tmp_path / "b.mp4", "audio_b": now})
    np.testing.assert_array_equal(read_sound(media, "b", 8000), sound)
    with pytest.raises(InputError, match=r"b\.wav"):
        whereabouts.declare("s2", {"video_b": tmp_path / "b.mp4"})
        read_sound(media, "b", 8000)


def test_the_pictures_of_a_training_are_found(tmp_path):
    files = {name: FaceFiles(*write_session(tmp_path, name, FRAMES)) for name in ("s1", "s2")}
    index = np.zeros(4, contract.INDEX_DTYPE)
    index["session"], index["role"] = [b"s1", b"s1", b"s2", b"s2"], [b"a", b"b", b"a", b"b"]
    before = windows_of(files, index)
    shutil.move(tmp_path / "videos", tmp_path / "moved")
    videos = [tmp_path / "moved" / name / f"{role}.mp4" for name in files for role in "ab"]
    whereabouts.declare_videos([f.media for f in files.values()], videos)
    np.testing.assert_array_equal(windows_of(files, index), before)


def windows_of(files, index):
    reader = FrameReader(files, index, size=64)
    return list(reader.read(torch.tensor([0, 3]), torch.tensor([0, 8]), 4).numpy())


def test_without_a_declaration_they_are_sought_where_they_lay(tmp_path):
    media, _ = write_session(tmp_path, "s1", FRAMES)
    whereabouts.declare("another", {"video_a": "nowhere.mp4"})
    assert len(list(read_frames(media, "a"))) == FRAMES
    moved(tmp_path)
    with pytest.raises(InputError, match=r"videos/s1/a\.mp4: no such file"):
        next(read_frames(media, "a"))


def test_a_recording_that_is_only_where_it_lay_is_read_there(tmp_path):
    media, _ = write_session(tmp_path, "s1", FRAMES)
    whereabouts.declare("s1", {"video_a": tmp_path / "nowhere.mp4"})
    assert len(list(read_frames(media, "a"))) == FRAMES


def test_one_that_is_nowhere_is_named_with_both_places(tmp_path):
    media, _ = write_session(tmp_path, "s1", FRAMES)
    moved(tmp_path)
    whereabouts.declare("s1", {"video_b": tmp_path / "elsewhere/b.mp4"})
    with pytest.raises(InputError) as told:
        next(read_frames(media, "b"))
    assert "session s1, role b" in str(told.value)
    assert str(tmp_path / "elsewhere/b.mp4") in str(told.value)
    assert str(tmp_path / "videos/s1/b.mp4") in str(told.value)
    assert "corpus.root" in str(told.value)
