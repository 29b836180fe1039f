"""Every stream on its clock: offsets, sound beside the video, jumps, drift, starts."""

import h5py
import numpy as np
import pytest
from helpers.media_factory import click, remux, talk, tone, write_media

from react24.errors import InputError, InputErrors
from react24.files.notices import read_notices
from react24.media.probe import RoleMedia, probe_session
from react24.media.sound import read_sound
from react24.media.video import read_frames
from react24.project.choices import Choices


def _media(video, audio=None, **choices):
    return RoleMedia(video, audio, "ann", "expert", Choices(**choices))


def _probe(folder, a, b=None, **options):
    media = folder / "media.h5"
    roles = {"a": a} if b is None else {"a": a, "b": b}
    probe_session(media, session="s1", roles=roles, **{"tolerate_damage": False, **options})
    return media


def _told(media, kind):
    return [notice for notice in read_notices(media) if notice.kind == kind]


def _click_at(media, role="a"):
    return int(np.abs(read_sound(media, role, 16000)).argmax()) / 16000


# Offsets of the two recordings


@pytest.mark.parametrize(
    ("offset_a", "offset_b"), [(0.0, 0.52), (-0.52, 0.0), (1.0, 1.52)], ids=["b", "a", "both"]
)
def test_offset_is_a_delay_and_only_the_difference_counts(tmp_path, offset_a, offset_b):
    early = write_media(tmp_path / "a.mp4", frames=60, sound=click(2.4, 16000, 1.0))
    late = write_media(tmp_path / "b.mp4", frames=60, sound=click(2.4, 16000, 1.0))
    media = _probe(tmp_path, _media(early, offset=offset_a), _media(late, offset=offset_b))
    with h5py.File(media) as file:
        assert file.attrs["frames"] == 47
        np.testing.assert_array_equal(file["a/source_frame"], np.arange(13, 60))
        np.testing.assert_array_equal(file["b/source_frame"], np.arange(47))
        assert file["a"].attrs["cut"] == pytest.approx(0.52)
        assert file["a/valid"][:].all()
    assert _click_at(media, "a") == pytest.approx(0.48, abs=1e-3)
    assert _click_at(media, "b") == pytest.approx(1.0, abs=1e-3)


def test_offset_beyond_the_recording_is_refused(tmp_path):
    video = write_media(tmp_path / "a.mp4", frames=25, sound=tone(1, 16000))
    with pytest.raises(InputError, match=r"session s1.*5\.00 s after.*a\.mp4.*1\.00 s only"):
        _probe(tmp_path, _media(video), _media(video, offset=5.0))


def test_neutral_is_told_on_the_timeline_of_the_session(tmp_path):
    video = write_media(tmp_path / "a.mp4", frames=75, sound=tone(3, 16000))
    other = write_media(tmp_path / "b.mp4", frames=75, sound=tone(3, 16000))
    media = _probe(tmp_path, _media(video, neutral=(1.5, 2.5)), _media(other, offset=1.0))
    with h5py.File(media) as file:
        np.testing.assert_allclose(file["a"].attrs["neutral"], [0.5, 1.5])
        assert "neutral" not in file["b"].attrs
    with pytest.raises(InputError, match=r"neutral_a says second 0\.2 to 0\.8.*1\.00 to 3\.00"):
        _probe(tmp_path, _media(video, neutral=(0.2, 0.8)), _media(other, offset=1.0))


# Sound beside the video


def _late_sound(folder, name="v.mkv", at=1.0):
    """A video whose sound starts 0.6 s late; a click at second ``at`` of its timeline."""
    sound = np.clip(0.2 * talk(0, 5.4, 1)[None] + click(5.4, 16000, at - 0.6), -1, 1)
    return write_media(
        folder / name,
        frames=150,
        b_frames=0,
        sound=sound,
        sound_start=0.6,
        sound_codec="pcm_s16le",
    )


def test_a_copied_sound_track_keeps_its_late_start(tmp_path):
    video = _late_sound(tmp_path)
    sound = remux(tmp_path / "s.mka", [(video, "audio")])
    media = _probe(tmp_path, _media(video, sound))
    assert _click_at(media) == pytest.approx(1.0, abs=1e-3)
    silent = remux(tmp_path / "silent.mkv", [(video, "video")])
    assert _click_at(_probe(tmp_path, _media(silent, sound))) == pytest.approx(1.0, abs=1e-3)


def test_a_wav_file_that_lost_the_late_start_is_put_where_it_is_heard(tmp_path):
    video = _late_sound(tmp_path)
    sound = remux(tmp_path / "s.wav", [(video, "audio")])
    media = _probe(tmp_path, _media(video, sound))
    assert _click_at(media) == pytest.approx(1.0, abs=1e-3)
    (notice,) = _told(media, "time.sound_moved")
    assert "s.wav (role a)" in notice.message
    assert "0.60 s later" in notice.message
    assert "audio_offset_a 0.600" in notice.message
    # The same, said in the sheet: nothing left to tell.
    media = _probe(tmp_path, _media(video, sound, audio_offset=0.6))
    assert _click_at(media) == pytest.approx(1.0, abs=1e-3)
    assert not _told(media, "time.sound_moved") + _told(media, "time.sound_offset")
    # Where the video holds no sound nothing can be known: the first sample is at tick 0.
    silent = remux(tmp_path / "silent.mkv", [(video, "video")])
    assert _click_at(_probe(tmp_path, _media(silent, sound))) == pytest.approx(0.4, abs=1e-3)
    media = _probe(tmp_path, _media(silent, sound, audio_offset=0.6))
    assert _click_at(media) == pytest.approx(1.0, abs=1e-3)


def test_sound_of_a_video_whose_pictures_start_late_begins_with_the_sound(tmp_path):
    video = write_media(
        tmp_path / "v.mkv",
        frames=50,
        b_frames=0,
        video_start=0.8,
        sound=click(2.8, 16000, 1.0),
        sound_codec="pcm_s16le",
    )
    sound = remux(tmp_path / "s.wav", [(video, "audio")])
    assert _click_at(_probe(tmp_path, _media(video, sound))) == 1.0
    # Without its sound the video still says that something began earlier; lengths tell.
    silent = remux(tmp_path / "silent.mkv", [(video, "video")])
    media = _probe(tmp_path, _media(silent, sound))
    with h5py.File(media) as file:
        assert file["a/valid"][:].all()
    assert _click_at(media) == pytest.approx(0.2, abs=1e-3)
    # If they do not, that is said.
    short = write_media(tmp_path / "t.wav", sound=tone(1.6, 16000), sound_codec="pcm_s16le")
    media = _probe(tmp_path, _media(silent, short))
    assert "audio_offset_a -0.800" in _told(media, "time.sound_apart")[0].message


@pytest.mark.parametrize("clock", [0.0, 1_700_000_000.0])
def test_video_and_sound_file_on_the_time_of_day(tmp_path, clock):
    video = write_media(tmp_path / "v.mkv", frames=50, video_start=1_700_000_000)
    sound = write_media(
        tmp_path / "s.mka",
        sound=click(1.7, 16000, 0.5),
        sound_start=clock + 0.3,
        sound_codec="pcm_s16le",
    )
    media = _probe(tmp_path, _media(video, sound))
    assert _click_at(media) == pytest.approx(0.8, abs=2e-3)
    with h5py.File(media) as file:
        assert file["a/valid"][:].all()


def test_a_recorder_that_ran_earlier(tmp_path):
    voice = talk(0, 6, 1)
    video = write_media(tmp_path / "v.mp4", frames=150, sound=voice[None])
    silent = remux(tmp_path / "silent.mp4", [(video, "video")])
    long = np.concatenate([np.zeros(48 * 16000, np.float32), 0.5 * voice])[None]
    sound = write_media(tmp_path / "s.wav", sound=long, sound_codec="pcm_s16le")
    expected = read_sound(_probe(tmp_path, _media(video)), "a", 16000)
    for recording, options in ((video, {}), (silent, {"audio_offset": -48.0})):
        media = _probe(tmp_path, _media(recording, sound, **options))
        heard = read_sound(media, "a", 16000)
        assert np.corrcoef(heard, expected)[0, 1] > 0.98
        # The sheet, or the ear, knows where it belongs: what surrounds the pictures is no doubt.
        assert not _told(media, "time.drift")
        assert not _told(media, "time.start")
    media = _probe(tmp_path, _media(silent, sound))
    assert "48.00 s" in _told(media, "time.drift")[0].message
    assert "is silence" in _told(media, "sound.silent")[0].message


def test_a_recorder_whose_clock_is_another(tmp_path, monkeypatch):
    from react24.corpora.demo.speech import resample

    monkeypatch.setattr("react24.media.sketch.MIN_HALF", 800)
    voice = talk(0, 24, 1)
    video = write_media(tmp_path / "v.mp4", frames=600, sound=voice[None])
    longer = resample(voice, int(len(voice) * 1.004))  # by 0.096 s
    sound = write_media(tmp_path / "s.wav", sound=longer[None], sound_codec="pcm_s16le")
    (told,) = _told(_probe(tmp_path, _media(video, sound)), "time.sound_drift")
    assert "grows late, by 0.1" in told.message
    sound = write_media(tmp_path / "t.wav", sound=voice[None], sound_codec="pcm_s16le")
    assert not _told(_probe(tmp_path, _media(video, sound)), "time.sound_drift")


def test_a_recorder_that_ran_around_pictures_that_run_fast(tmp_path):
    """The sound in the video shows that its pictures run fast, wherever the sound file lies."""
    voice = talk(0, 6, 1)
    video = write_media(
        tmp_path / "v.avi", frames=120, codec="mpeg4", sound=voice[None], sound_codec="pcm_s16le"
    )
    around = np.pad(voice, (2 * 16000, 3 * 16000))[None]
    sound = write_media(tmp_path / "s.wav", sound=around, sound_codec="pcm_s16le")
    told = _told(_probe(tmp_path, _media(video, sound)), "time.drift")
    # 11 s of sound against 4.8 s of pictures.
    assert "audio_offset_a -6.2" in told[0].message


# Times inside one file


def test_a_wild_stamp_is_ignored_and_its_picture_left_out(tmp_path):
    plain = write_media(tmp_path / "p.mkv", frames=100, b_frames=0, sound=tone(4, 16000))
    video = remux(
        tmp_path / "v.mkv",
        [(plain, "video"), (plain, "audio")],
        shift=lambda kind, t: (9000.0, 0.0) if kind == "video" and abs(t - 2) < 0.03 else 0.0,
    )
    media = _probe(tmp_path, _media(video))
    with h5py.File(media) as file:
        assert file.attrs["frames"] >= 100
        assert file["a/valid"][3:].all()
    (notice,) = _told(media, "time.stamp")
    assert "v.mkv (role a), second" in notice.message
    assert abs(notice.start - 2) < 0.4
    assert len(list(read_frames(media, "a"))) >= 100


def test_wild_stamps_of_the_sound_are_ignored(tmp_path):
    plain = write_media(
        tmp_path / "p.mkv",
        frames=50,
        b_frames=0,
        sound=click(2, 16000, 1.5),
        sound_codec="pcm_s16le",
    )
    video = remux(
        tmp_path / "v.mkv",
        [(plain, "video"), (plain, "audio")],
        shift=lambda kind, t: (500.0, 0.0) if kind == "audio" and 0.6 < t < 0.66 else 0.0,
    )
    media = _probe(tmp_path, _media(video))
    assert _click_at(media) == pytest.approx(1.5, abs=1e-3)
    assert "sound contradicts" in _told(media, "time.stamp")[0].message


@pytest.mark.parametrize("overlap", [0.5, 1.8])
def test_glued_pieces_that_jump_back_are_refused(tmp_path, overlap):
    pieces = []
    for name, start in (("1.ts", 0.0), ("2.ts", 2.0 - overlap)):
        made = write_media(
            tmp_path / name,
            frames=50,
            b_frames=0,
            video_start=start,
            sound=tone(2, 16000),
            sound_start=start,
        )
        pieces.append(made.read_bytes())
    video = tmp_path / "v.ts"
    video.write_bytes(b"".join(pieces))
    with pytest.raises(InputErrors, match=r"v\.ts \(role a\), second 2\.\d\d: .*jump back by"):
        _probe(tmp_path, _media(video))
    media = _probe(tmp_path, _media(video), tolerate_damage=True)
    with h5py.File(media) as file:
        assert 48 <= file.attrs["frames"] <= 53
    assert len(list(read_frames(media, "a"))) == h5py.File(media).attrs["frames"]


def test_glued_pieces_whose_times_go_on_are_used_and_told(tmp_path):
    pieces = []
    for name, start in (("1.ts", 0.0), ("2.ts", 2.0)):
        made = write_media(
            tmp_path / name, frames=50, b_frames=0, video_start=start,
            sound=tone(2, 16000), sound_start=start,
        )  # fmt: skip
        pieces.append(made.read_bytes())
    video = tmp_path / "v.ts"
    video.write_bytes(b"".join(pieces))
    media = _probe(tmp_path, _media(video))
    with h5py.File(media) as file:
        assert file.attrs["frames"] >= 100
    (notice,) = _told(media, "time.joint")
    assert 1.8 < notice.start < 2.2


def _with_hole(folder, kinds, size=0.9):
    plain = write_media(folder / "p.mkv", frames=125, b_frames=0, sound=tone(5, 16000))
    return remux(
        folder / "v.mkv",
        [(plain, "video"), (plain, "audio")],
        shift=lambda kind, t: size if kind in kinds and t >= 1.99 else 0.0,
    )


def test_a_jump_forward_of_both_streams_is_told(tmp_path):
    media = _probe(tmp_path, _media(_with_hole(tmp_path, ("video", "audio"))))
    (notice,) = _told(media, "time.jump")
    assert "pictures and sound jump forward by 0." in notice.message
    assert notice.start == pytest.approx(2.0, abs=0.1)
    assert notice.stop == pytest.approx(2.9, abs=0.1)
    with h5py.File(media) as file:
        assert not file["a/valid"][54:70].any()
        assert len(file["a/sound_gaps"]) == 1
    assert not read_sound(media, "a", 16000)[int(2.2 * 16000) : int(2.8 * 16000)].any()


def test_a_hole_in_the_pictures_is_told(tmp_path):
    plain = write_media(tmp_path / "p.mkv", frames=75, b_frames=0, gop=1, sound=tone(3, 16000))
    video = remux(
        tmp_path / "v.mkv",
        [(plain, "video"), (plain, "audio")],
        shift=lambda kind, t: None if kind == "video" and 1 <= t < 1.9 else 0.0,
    )
    media = _probe(tmp_path, _media(video))
    (notice,) = _told(media, "time.hole")
    assert "no pictures for 0.9" in notice.message
    assert not _told(media, "time.jump") + _told(media, "time.pictures")


def test_a_clock_that_was_set_on_the_way_is_refused(tmp_path):
    video = _with_hole(tmp_path, ("video", "audio"), size=1_000_000.0)
    with pytest.raises(InputErrors, match=r"second 2\.\d\d: .*jump forward by"):
        _probe(tmp_path, _media(video))


@pytest.mark.parametrize(("fps", "pace"), [(25, "fast"), (20, None), (16, "slow")])
def test_pictures_that_run_away_from_the_sound_are_told(tmp_path, fps, pace):
    """80 pictures beside 4 s of sound in a file without a time per picture."""
    video = write_media(
        tmp_path / "v.avi", frames=80, fps=fps, codec="mpeg4", sound=tone(4, 16000),
        sound_codec="pcm_s16le",
    )  # fmt: skip
    told = _told(_probe(tmp_path, _media(video)), "time.drift")
    if pace is None:
        assert not told
        return
    assert f"its pictures run {pace}" in told[0].message
    assert {"fast": "0.80 s (20.0 %)", "slow": "1.00 s (25.0 %)"}[pace] in told[0].message


# Against each other


def test_recordings_that_say_when_they_started(tmp_path):
    plain = write_media(tmp_path / "p.mp4", frames=50, sound=tone(2, 16000))
    parts = [(plain, "video"), (plain, "audio")]
    a = remux(tmp_path / "a.mp4", parts, created="2024-05-01T10:00:00Z")
    b = remux(tmp_path / "b.mp4", parts, created="2024-05-01T10:00:01Z")

    def told(**offsets):
        roles = [_media(file, offset=offsets.get(role, 0.0)) for role, file in (("a", a), ("b", b))]
        return [notice.message for notice in _told(_probe(tmp_path, *roles), "time.offset")]

    (text,) = told()
    assert "b.mp4 (role b) was started 1.0 s after" in text
    assert "write offset_b 1.0" in text
    assert told(b=1.3) == told(a=-1.0) == []
    (text,) = told(b=-1.0)
    assert "makes it -1.00 s" in text


def test_different_lengths_are_told(tmp_path):
    long = write_media(tmp_path / "l.mp4", frames=75, sound=tone(3, 16000))
    short = write_media(tmp_path / "s.mp4", frames=60, sound=tone(2.4, 16000))
    (told,) = _told(_probe(tmp_path, _media(long), _media(short)), "time.length")
    assert "by 0.60 s" in told.message
    assert "ends with the shorter, b" in told.message


# Sound that is not needed


def test_a_video_without_sound_where_no_stream_hears(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=25)
    media = _probe(tmp_path, _media(video), need_sound=False)
    with h5py.File(media) as file:
        assert file.attrs["frames"] == 25
        assert file["a"].attrs["sound_rate"] == 0
    with pytest.raises(InputError, match=r"role a: .*v\.mp4 has no sound"):
        read_sound(media, "a", 16000)


def test_short_sound_does_not_end_a_session_that_does_not_need_it(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=75, sound=tone(1, 16000))
    with pytest.raises(InputError, match="sound lasts until"):
        _probe(tmp_path, _media(video))
    media = _probe(tmp_path, _media(video), need_sound=False)
    with h5py.File(media) as file:
        assert file.attrs["frames"] == 75
    assert _told(media, "time.drift")


def test_a_recorder_that_was_switched_off(tmp_path):
    """A transport stream ends within a packet: the session ends before what is not whole."""
    voice = talk(0, 4, 1)[None]
    video = write_media(tmp_path / "v.ts", frames=100, sound=voice)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) - 500])
    media = _probe(tmp_path, _media(video))
    assert "was switched off" in _told(media, "time.end")[0].message
    with h5py.File(media) as file:
        frames = int(file.attrs["frames"])
    assert 93 <= frames <= 100
    assert len(list(read_frames(media, "a"))) == frames
    assert len(read_sound(media, "a", 16000)) == frames * 640
