"""Which sound is read, and what is told of it."""

import h5py
import numpy as np
import pytest
import soundfile
from helpers.media_factory import click, numbered, remux, talk, tone, write_media

from react24.errors import InputError
from react24.files.notices import read_notices
from react24.media.probe import RoleMedia, probe_session
from react24.media.sound import read_sound
from react24.media.sound_checks import check_channels, check_levels
from react24.media.sound_scan import scan_sound
from react24.project.choices import DEFAULT, Choices


def _probe(folder, video, audio=None, other=None, **choices):
    media = folder / "media.h5"
    roles = {"a": RoleMedia(video, audio, "ann", "expert", Choices(**choices))}
    if other:
        roles["b"] = RoleMedia(other, None, "bob", "novice")
    probe_session(media, session="s1", roles=roles, tolerate_damage=False)
    return media


def _listen(path, choices=DEFAULT):
    scan = scan_sound(path, choices)
    return check_channels(path, "a", scan, choices) + check_levels(path, "a", scan.sketch.levels)


def _kinds(notices):
    return [notice.kind for notice in notices]


@pytest.fixture
def two_tracks(tmp_path):
    """A video with two sound tracks: a click at 0.5 s (Desktop), and at 1.5 s (Mic)."""
    files = [
        write_media(
            tmp_path / f"{at}.mkv",
            frames=50,
            b_frames=0,
            sound=click(2, 16000, at),
            sound_codec="pcm_s16le",
        )
        for at in (0.5, 1.5)
    ]
    return remux(
        tmp_path / "v.mkv",
        [(files[0], "video"), (files[0], "audio"), (files[1], "audio")],
        tags=[{}, {"title": "Desktop", "language": "eng"}, {"title": "Mic"}],
    )


@pytest.mark.parametrize(
    ("track", "second"), [("", 0.5), ("0", 0.5), ("1", 1.5), ("mic", 1.5), ("Desktop", 0.5)]
)
def test_the_track_that_is_chosen_is_read(tmp_path, two_tracks, track, second):
    media = _probe(tmp_path, two_tracks, audio_track=track)
    assert int(np.abs(read_sound(media, "a", 16000)).argmax()) == second * 16000
    told = [n.message for n in read_notices(media) if n.kind == "sound.tracks"]
    assert len(told) == (track == "")
    if told:
        assert "0 'Desktop' (eng); 1 'Mic'" in told[0]
        assert "track 0 'Desktop' (eng) was taken" in told[0]


@pytest.mark.parametrize("track", ["2", "Micro"])
def test_a_track_that_is_not_there_is_refused(tmp_path, two_tracks, track):
    with pytest.raises(InputError, match=rf"v\.mkv: no sound track '{track}'.*0 'Desktop'"):
        _probe(tmp_path, two_tracks, audio_track=track)


def _voices(channels, rate=16000, seconds=2):
    """A tone of its own in each channel, (n, channels)."""
    time = np.arange(seconds * rate)[:, None] / rate
    return 0.5 * np.sin(2 * np.pi * 200 * (1 + np.arange(channels)) * time).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 10, 16])
def test_any_number_of_channels(tmp_path, channels):
    video = write_media(tmp_path / "v.mp4", frames=50)
    sound, path = _voices(channels), tmp_path / "s.wav"
    soundfile.write(path, sound, 16000, subtype="FLOAT")
    heard = read_sound(_probe(tmp_path, video, path), "a", 16000)
    np.testing.assert_allclose(heard, sound.mean(axis=1), atol=1e-6)
    last = channels - 1
    heard = read_sound(_probe(tmp_path, video, path, audio_channel=str(last)), "a", 16000)
    np.testing.assert_allclose(heard, sound[:, last], atol=1e-6)
    with h5py.File(tmp_path / "media.h5") as file:
        assert file["a"].attrs["sound_channels"] == channels
        assert file["a"].attrs["sound_channel"] == str(last)
    with pytest.raises(InputError, match=rf"s\.wav: no channel '{channels}'; its sound has"):
        _probe(tmp_path, video, path, audio_channel=str(channels))


@pytest.mark.parametrize(("codec", "suffix"), [("pcm_s16le", "wav"), ("aac", "m4a")])
def test_left_and_right(tmp_path, codec, suffix):
    video = write_media(tmp_path / "v.mp4", frames=50)
    sound = np.concatenate([click(2, 16000, 0.5), click(2, 16000, 1.5)])
    path = write_media(tmp_path / f"s.{suffix}", sound=sound, sound_codec=codec)
    for side, second in (("left", 0.5), ("right", 1.5)):
        heard = read_sound(_probe(tmp_path, video, path, audio_channel=side), "a", 16000)
        assert np.abs(heard).argmax() == pytest.approx(second * 16000, abs=16)
    mono = write_media(tmp_path / "m.wav", sound=tone(2, 16000), sound_codec="pcm_s16le")
    with pytest.raises(InputError, match="no channel 'left'; its sound has 1 channel"):
        _probe(tmp_path, video, mono, audio_channel="left")


def _stereo(folder, left, right):
    path = folder / "s.wav"
    soundfile.write(path, np.stack([left, right], 1), 16000, subtype="PCM_16")
    return path


def test_channels_with_different_voices_are_told(tmp_path):
    one, other = talk(0, 8, 1), talk(1, 8, 2)
    path = _stereo(tmp_path, one + 0.02 * other, other + 0.02 * one)
    (told,) = _listen(path)
    assert told.kind == "sound.channels"
    assert "hear different things" in told.message
    assert "audio_channel_a" in told.message
    assert _listen(path, Choices(audio_channel="left")) == []


def test_stereo_of_one_voice_is_no_reason_for_a_word(tmp_path):
    voice = talk(0, 8, 1)
    later = np.concatenate([np.zeros(40, np.float32), voice[:-40]])  # a microphone 0.8 m away
    assert _listen(_stereo(tmp_path, voice, 0.6 * later)) == []


def test_a_channel_that_is_silent_is_told(tmp_path):
    voice = talk(0, 8, 1)
    (told,) = _listen(_stereo(tmp_path, voice, 0 * voice))
    assert told.kind == "sound.channels"
    assert "silent channels: 1 of 2" in told.message


def test_channels_that_cancel_are_told(tmp_path):
    voice = talk(0, 8, 1)
    told = _listen(_stereo(tmp_path, voice, -0.98 * voice))
    assert _kinds(told)[0] == "sound.cancelled"
    assert _listen(tmp_path / "s.wav", Choices(audio_channel="right")) == []


def test_clipping_is_told(tmp_path):
    voice = talk(0, 8, 1)
    for gain, kinds in ((1.0, []), (8.0, ["sound.clipped"])):
        loud = np.clip(gain * voice, -1, 1)
        assert _kinds(_listen(_stereo(tmp_path, loud, loud))) == kinds


def test_clipping_is_told_of_a_recording_that_was_turned_down(tmp_path):
    loud = 0.5 * np.clip(8 * talk(0, 8, 1), -1, 1)
    assert _kinds(_listen(_stereo(tmp_path, loud, loud))) == ["sound.clipped"]
    hum = 0.5 * tone(8, 16000)[0]
    assert "sound.clipped" not in _kinds(_listen(_stereo(tmp_path, hum, hum)))


@pytest.mark.parametrize(
    ("sound", "kinds"),
    [
        (lambda t, rng: 0.02 * np.ones_like(t), ["sound.silent"]),
        (lambda t, rng: 0.05 * np.sin(100 * np.pi * t), ["sound.even"]),
        (lambda t, rng: 0.05 * rng.normal(size=len(t)), ["sound.even"]),
        (lambda t, rng: talk(0, 8, 1) + 0.05 * rng.normal(size=len(t)), []),
    ],
    ids=["constant", "hum", "noise", "noisy voice"],
)
def test_what_is_no_voice_is_told(tmp_path, sound, kinds):
    path = tmp_path / "s.wav"
    wave = sound(np.arange(8 * 16000) / 16000, np.random.default_rng(0))
    soundfile.write(path, wave, 16000, subtype="PCM_16")
    assert _kinds(_listen(path)) == kinds


@pytest.mark.parametrize(
    ("gain_db", "noise_db", "kinds"),
    [
        (0, -70, []),
        (-25, -90, []),
        (-40, -90, ["sound.quiet"]),
        (-200, -75, ["sound.silent"]),
        (-200, -200, ["sound.silent"]),
    ],
)
def test_levels(tmp_path, gain_db, noise_db, kinds):
    rng = np.random.default_rng(0)
    sound = 10 ** (gain_db / 20) * talk(0, 8, 1)
    sound = sound + 10 ** (noise_db / 20) * rng.normal(size=len(sound))
    path = tmp_path / "s.wav"
    soundfile.write(path, sound, 16000, subtype="PCM_24")
    assert _kinds(_listen(path)) == kinds


def test_muted_microphone_in_a_session(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=75, sound=np.zeros((1, 48000), np.float32))
    (told,) = read_notices(_probe(tmp_path, video))
    assert (told.kind, told.role) == ("sound.silent", "a")
    assert "v.mp4 (role a): the sound is silence" in told.message


def test_long_stretches_of_silence_are_told_with_their_seconds():
    levels = np.full(3000, -30, np.float32)
    levels[500:2300] = -100
    levels[2500:2600] = -100  # a gate between words
    (told,) = check_levels("s.wav", "b", levels)
    assert (told.kind, told.start, told.stop) == ("sound.silent", 5.0, 23.0)
    assert "60 % of the sound" in told.message
    levels[500:1200] = -60
    assert check_levels("s.wav", "b", levels) == []


def _another(index):
    """A picture of another recording."""
    return numbered(7 * index + 1500)


@pytest.mark.parametrize(
    ("suffix", "codec", "gain", "late"),
    [("mp4", "aac", 1.0, 0.0), ("webm", "libopus", 0.1, 0.4), ("mkv", "pcm_s16le", 0.5, -0.7)],
)
def test_the_same_sound_for_both_is_told(tmp_path, suffix, codec, gain, late):
    voice = talk(0, 9, 1, 16000)
    a = write_media(tmp_path / "a.mp4", frames=200, sound=voice[None, 16000 : 8 * 16000])
    begin = 16000 - round(late * 16000)
    part = gain * voice[None, begin : begin + 7 * 16000]
    b = write_media(
        tmp_path / f"b.{suffix}",
        frames=200,
        picture=_another,
        codec="libvpx" if suffix == "webm" else "libx264",
        sound=part,
        sound_codec=codec,
        rate=16000,
    )
    media = _probe(tmp_path, a, other=b)
    (told,) = [n for n in read_notices(media) if n.kind == "sound.same"]
    way = f"{abs(late):.2f} s {'later' if late > 0 else 'earlier'} in b"
    assert (way if late else "at the same time") in told.message


def test_two_microphones_in_one_room_are_not_the_same_sound(tmp_path):
    rng = np.random.default_rng(0)
    one, other = talk(0, 10, 1), talk(1, 10, 2)
    for name, own, far in (("a", one, other), ("b", other, one)):
        sound = 0.5 * own + 0.15 * np.roll(far, 60) + 1e-3 * rng.normal(size=len(own))
        write_media(
            tmp_path / f"{name}.mp4",
            frames=250,
            picture=_another if name == "b" else numbered,
            sound=sound[None].astype(np.float32),
        )
    media = _probe(tmp_path, tmp_path / "a.mp4", other=tmp_path / "b.mp4")
    assert "sound.same" not in _kinds(read_notices(media))


def test_one_pass_keeps_levels_and_sketch_at_any_rate(tmp_path):
    for rate in (8000, 11025, 22050, 44100):
        path = tmp_path / f"{rate}.wav"
        soundfile.write(path, tone(2, rate)[0], rate, subtype="FLOAT")
        scan = scan_sound(path)
        assert len(scan.sketch.levels) == len(scan.sketch.bands) == 200
        np.testing.assert_allclose(scan.sketch.levels, 10 * np.log10(0.045), atol=0.5)
        assert scan.sketch.bands.mean(axis=0).argmax() == 0  # 220 Hz
        assert scan.levels.power[0] == pytest.approx(0.045, rel=0.01)
        assert scan.levels.peak[0] == pytest.approx(0.3, rel=0.01)
