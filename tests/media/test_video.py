"""From a file on disk to the pictures at the ticks."""

import json

import h5py
import numpy as np
import pytest
from helpers.media_factory import (
    cut_file,
    damage_packet,
    noisy,
    read_number,
    tone,
    write_media,
)

from react24.errors import InputError, InputErrors
from react24.media.damage import DamagedFileError
from react24.media.probe import RoleMedia, check_readable, probe_session
from react24.media.video import read_frames
from react24.media.video_scan import scan_video


def _probe(folder, video, *, other=None, audio=None, tolerate=False):
    media = folder / "media.h5"
    probe_session(
        media,
        session="s1",
        roles={
            "a": RoleMedia(video, audio, "ann", "expert"),
            "b": RoleMedia(other or video, audio, "bob", "novice"),
        },
        tolerate_damage=tolerate,
    )
    return media


def _frames(media, role="a"):
    with h5py.File(media) as file:
        return file[role]["source_frame"][:], file[role]["valid"][:], int(file.attrs["frames"])


def _numbers(media, **kwargs):
    return [read_number(picture) for _, picture in read_frames(media, "a", **kwargs)]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.ts", "v.mov"])
def test_25_fps_is_exact_in_every_container(tmp_path, name):
    video = write_media(tmp_path / name, frames=60, sound=tone(2.5, 16000))
    frame, valid, ticks = _frames(media := _probe(tmp_path, video))
    late = int((~valid).sum())  # MPEG-TS has its sound, and so the clock, start 0.064 s earlier
    assert late == (2 if name == "v.ts" else 0)
    assert ticks == (61 if late else 60)
    np.testing.assert_array_equal(frame[late:], np.arange(ticks - late))
    np.testing.assert_array_equal(_numbers(media), frame)


def test_30_fps_shows_the_nearest_pictures(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=60, fps=30, sound=tone(2, 16000))
    media = _probe(tmp_path, video)
    expected = np.floor(np.arange(50) * 30 / 25 + 0.5 - 1e-9).astype(int)
    np.testing.assert_array_equal(_frames(media)[0], expected)
    assert _numbers(media) == expected.tolist()


def test_variable_rate_shows_what_is_nearest_in_time(tmp_path):
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.015, 0.07, 60)).round(3)
    times -= times[0]
    video = write_media(tmp_path / "v.mkv", times=times.tolist(), sound=tone(4, 16000))
    media = _probe(tmp_path, video)
    frame, valid, ticks = _frames(media)
    expected = [int(np.abs(times - k / 25).argmin()) for k in range(ticks)]
    assert ticks in (int(times[-1] * 25) + 1, int(times[-1] * 25) + 2)
    np.testing.assert_array_equal(frame, expected)
    assert valid.all()
    assert _numbers(media) == expected


def test_late_pictures_wait_for_the_sound(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=50, video_start=0.4, sound=tone(2.4, 16000))
    frame, valid, ticks = _frames(_probe(tmp_path, video))
    assert ticks == 60
    np.testing.assert_array_equal(np.flatnonzero(~valid), np.arange(10))
    np.testing.assert_array_equal(frame[10:], np.arange(50))


def test_a_common_offset_is_no_delay(tmp_path):
    video = write_media(
        tmp_path / "v.mkv", frames=50, video_start=5, sound=tone(2, 16000), sound_start=5
    )
    frame, valid, ticks = _frames(_probe(tmp_path, video))
    assert ticks == 50
    assert valid.all()
    np.testing.assert_array_equal(frame, np.arange(50))


def test_reading_from_the_middle_gives_the_same_pictures(tmp_path):
    for name in ("v.mp4", "v.ts"):
        video = write_media(tmp_path / name, frames=80, fps=30, sound=tone(2.7, 16000))
        media = _probe(tmp_path, video)
        assert _numbers(media, start=31, stop=47) == _numbers(media)[31:47]
        assert [tick for tick, _ in read_frames(media, "a", start=31, stop=34)] == [31, 32, 33]


def test_session_is_as_long_as_its_shorter_role(tmp_path, caplog):
    long = write_media(tmp_path / "l.mp4", frames=75, sound=tone(3, 16000))
    short = write_media(tmp_path / "s.mp4", frames=40, sound=tone(1.6, 16000))
    media = _probe(tmp_path, long, other=short)
    with h5py.File(media) as file:
        assert file.attrs["frames"] == 40
        assert file["a/source_frame"].shape == file["b/valid"].shape == (40,)
        assert dict(file["b"].attrs)["subject"] == "bob"
        assert file["a"].attrs["source_frames"] == 75
        assert file["a"].attrs["source_fps"] == pytest.approx(25)
        assert json.loads(file.attrs["damage"]) == []
    assert "differ in length" in caplog.text


def test_rotation_is_applied(tmp_path):
    """A phone held upright stores a lying picture and asks for a quarter turn clockwise."""

    def lying(_):
        picture = np.full((64, 96, 3), 40, np.uint8)
        picture[:32, :48] = 220  # top left
        return picture

    video = write_media(tmp_path / "v.mp4", picture=lying, frames=10, sound=tone(0.4, 16000))
    data = bytearray(video.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # of the first track, the pictures
    turn = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in turn)
    video.write_bytes(data)
    media = _probe(tmp_path, video)
    with h5py.File(media) as file:
        assert (file["a"].attrs["width"], file["a"].attrs["height"]) == (64, 96)
    _, picture = next(read_frames(media, "a"))
    assert picture.shape == (96, 64, 3)
    assert picture[:40, 40:].mean() > 200  # now top right
    assert picture[56:, :].mean() < 60


def test_an_edit_list_hides_the_first_pictures(tmp_path):
    """An editor that trims without encoding again only moves the start in the file's edit list."""
    video = write_media(tmp_path / "v.mp4", frames=60, gop=60, sound=tone(2, 16000))
    data = bytearray(video.read_bytes())
    entry = data.index(b"elst") + 12  # of the first track, the pictures: duration, media time
    length, begin = (int.from_bytes(data[entry + i : entry + i + 4], "big") for i in (0, 4))
    data[entry : entry + 4] = (length - 400).to_bytes(4, "big")  # ms
    data[entry + 4 : entry + 8] = (begin + 36000).to_bytes(4, "big")  # 0.4 s in 1/90000 s
    video.write_bytes(data)
    frame, valid, ticks = _frames(media := _probe(tmp_path, video))
    assert ticks == 50
    assert valid.all()
    np.testing.assert_array_equal(frame, np.arange(50))  # counted among what is shown
    assert _numbers(media) == list(range(10, 60))
    assert _numbers(media, start=20, stop=23) == [30, 31, 32]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("v.webm", "libvpx-vp9"), ("v.avi", "mpeg4"), ("v.mov", "mjpeg"), ("v.mkv", "ffv1")],
)
def test_other_formats_are_whole_and_exact(tmp_path, name, codec):
    sound_codec = "libopus" if name.endswith("webm") else "pcm_s16le"
    video = write_media(
        tmp_path / name,
        frames=30,
        codec=codec,
        sound=tone(1.2, 48000),
        rate=48000,
        sound_codec=sound_codec,
    )
    assert scan_video(video, decode=True).damage is None
    assert _numbers(_probe(tmp_path, video)) == list(range(30))


def test_probing_twice_gives_the_same_bytes(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=30, sound=tone(1.2, 16000))
    first = _probe(tmp_path, video).read_bytes()
    assert _probe(tmp_path, video).read_bytes() == first


def test_packets_and_decoding_agree(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=60, fps=30, sound=tone(2, 16000))
    quick, thorough = (scan_video(video, decode=d) for d in (False, True))
    np.testing.assert_array_equal(quick.pts, thorough.pts)
    assert quick.end == thorough.end == 2


# Damage


def _noisy(path, **kwargs):
    return write_media(path, frames=100, picture=noisy, sound=tone(4, 16000), **kwargs)


def test_mp4_without_its_index_is_explained(tmp_path):
    video = cut_file(_noisy(tmp_path / "v.mp4"), 0.6)
    assert "moov" in check_readable(video)[0]
    with pytest.raises(InputError, match=r"v\.mp4.*cut short; copy it again"):
        _probe(tmp_path, video)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_cut_file_is_found_without_decoding_and_names_the_second(tmp_path, name):
    options = {"movflags": "faststart"} if name == "v.mp4" else None
    video = cut_file(_noisy(tmp_path / name, options=options), 0.6)
    with pytest.raises(InputErrors, match=r"(?s)session s1.*tolerate_damage.*role a\), second 2"):
        _probe(tmp_path, video)


def test_tolerated_cut_ends_the_session_there(tmp_path):
    whole = _noisy(tmp_path / "whole.mp4")
    cut = cut_file(_noisy(tmp_path / "cut.mp4", options={"movflags": "faststart"}), 0.6)
    media = _probe(tmp_path, whole, other=cut, tolerate=True)
    with h5py.File(media) as file:
        ticks = int(file.attrs["frames"])
        damage = json.loads(file.attrs["damage"])
    assert 50 < ticks < 62
    assert {d["role"] for d in damage} == {"b"}
    assert damage[0]["file"] == str(cut)
    assert ticks == min(int(d["second"] * 25 + 0.1) for d in damage)
    assert len(list(read_frames(media, "b"))) == ticks


def _broken_inside(folder):
    return damage_packet(_noisy(folder / "v.mp4"), "video", 2.0)


def test_damaged_middle_stops_the_reader_and_names_the_second(tmp_path):
    media = _probe(tmp_path, _broken_inside(tmp_path))
    with pytest.raises(DamagedFileError, match=r"v\.mp4, second [12]\.\d\d: .*tolerate") as caught:
        list(read_frames(media, "a"))
    # Pictures wait for up to a few others before they are shown, so the second is not exact.
    assert 1.8 <= caught.value.second <= 2.04


@pytest.mark.parametrize("threads", [1, 2])
def test_damaged_middle_is_cut_where_tolerated(tmp_path, threads):
    video = _broken_inside(tmp_path)
    media = _probe(tmp_path, video, tolerate=True)
    with h5py.File(media) as file:
        ticks = int(file.attrs["frames"])
        damage = json.loads(file.attrs["damage"])
    assert 45 <= ticks <= 51
    assert len(damage) == 2  # the same file serves both roles
    assert damage[0]["message"].startswith("the picture")
    assert _numbers(media, threads=threads) == list(range(ticks))


def test_check_readable_tells_what_is_missing(tmp_path):
    silent = write_media(tmp_path / "silent.mp4", frames=10)
    sound = write_media(tmp_path / "only.wav", sound=tone(1, 16000), sound_codec="pcm_s16le")
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    (tmp_path / "empty.mp4").touch()
    assert check_readable(silent, sound=False) == []
    assert "no sound stream" in check_readable(silent)[0]
    assert "no video stream" in check_readable(sound)[0]
    assert check_readable(sound, video=False) == []
    assert "cannot be opened" in check_readable(text)[0]
    assert "0 bytes" in check_readable(tmp_path / "empty.mp4")[0]
    assert "no such file" in check_readable(tmp_path / "gone.mp4")[0]


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.mp4").write_bytes(b"something")
    monkeypatch.setattr(type(tmp_path), "open", refuse)  # root may read everything
    assert "may not be read (permission denied)" in check_readable(tmp_path / "a.mp4")[0]
