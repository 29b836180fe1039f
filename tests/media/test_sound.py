"""Sound: aligned with tick 0, mono, exactly as long as the session."""

import h5py
import numpy as np
import pytest
from helpers.media_factory import click, cut_file, damage_packet, noisy, tone, write_media

from react24.errors import InputError, InputErrors
from react24.media.probe import RoleMedia, probe_session
from react24.media.sound import read_sound
from react24.media.sound_scan import scan_sound


def _probe(folder, video, audio=None, tolerate=False):
    media = folder / "media.h5"
    role = RoleMedia(video, audio, "ann", "expert")
    probe_session(media, session="s1", roles={"a": role}, tolerate_damage=tolerate)
    return media


@pytest.mark.parametrize("wanted", [16000, 44100, 48000])
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_click_in_a_wav_file_stays_where_it_is(tmp_path, rate, wanted):
    video = write_media(tmp_path / "v.mp4", frames=50)
    sound = write_media(
        tmp_path / "s.wav", sound=click(2, rate, 1.25), rate=rate, sound_codec="pcm_s16le"
    )
    samples = read_sound(_probe(tmp_path, video, sound), "a", wanted)
    assert len(samples) == 50 * wanted // 25
    assert samples.dtype == np.float32
    assert abs(int(np.abs(samples).argmax()) - 1.25 * wanted) <= 1


@pytest.mark.parametrize(("name", "rate"), [("v.mp4", 16000), ("v.mp4", 44100), ("v.mkv", 48000)])
def test_click_in_aac_is_within_a_millisecond(tmp_path, name, rate):
    video = write_media(
        tmp_path / name, frames=50, sound=click(2, rate, 1.0, channels=2), rate=rate
    )
    samples = read_sound(_probe(tmp_path, video), "a", 16000)
    assert len(samples) == 32000
    assert abs(int(np.abs(samples).argmax()) - 16000) <= 16


def test_late_sound_is_padded_in_front(tmp_path):
    video = write_media(
        tmp_path / "v.mkv",
        frames=50,
        sound=click(1.5, 16000, 0.5),
        sound_start=0.5,
        sound_codec="pcm_s16le",
    )
    samples = read_sound(_probe(tmp_path, video), "a", 16000)
    assert int(np.abs(samples).argmax()) == 16000
    assert not samples[:8000].any()


def test_late_pictures_do_not_shift_the_sound(tmp_path):
    video = write_media(
        tmp_path / "v.mkv",
        frames=50,
        video_start=0.4,
        sound=click(2.4, 16000, 1.0),
        sound_codec="pcm_s16le",
    )
    samples = read_sound(_probe(tmp_path, video), "a", 16000)
    assert int(np.abs(samples).argmax()) == 16000
    assert len(samples) == 60 * 640


def test_channels_are_averaged(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=25)
    stereo = tone(1, 16000, channels=2)
    stereo[1] *= 0.2
    sound = write_media(tmp_path / "s.wav", sound=stereo, sound_codec="pcm_s16le")
    samples = read_sound(_probe(tmp_path, video, sound), "a", 16000)
    np.testing.assert_allclose(samples, stereo.mean(axis=0), atol=2 / 32768)


def test_resampling_keeps_the_wave(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=50)
    sound = write_media(
        tmp_path / "s.wav", sound=tone(2, 44100), rate=44100, sound_codec="pcm_s16le"
    )
    samples = read_sound(_probe(tmp_path, video, sound), "a", 16000)
    inner = slice(200, -200)
    np.testing.assert_allclose(samples[inner], tone(2, 16000)[0][inner], atol=2e-3)


def test_a_gap_in_the_sound_is_filled_with_silence(tmp_path):
    """Two seconds of sound, the first click at 0.2 s, a hole of 0.5 s, a click after it."""
    import av

    video = write_media(tmp_path / "v.mp4", frames=60)
    path = tmp_path / "s.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for begin in (0.0, 1.5):
            wave = np.round(click(1.0, 16000, 0.2) * 32767).astype(np.int16)
            for at in range(0, 16000, 1000):
                part = np.ascontiguousarray(wave[:, at : at + 1000])
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                frame.sample_rate = 16000
                frame.pts = round(begin * 16000) + at
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = read_sound(_probe(tmp_path, video, path), "a", 16000)
    np.testing.assert_array_equal(np.flatnonzero(samples > 0.5), [3200, 27200])


def test_sound_a_little_short_is_padded(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=50)
    sound = write_media(tmp_path / "s.wav", sound=tone(1.7, 16000), sound_codec="pcm_s16le")
    samples = read_sound(_probe(tmp_path, video, sound), "a", 16000)
    assert len(samples) == 32000
    assert not samples[27200:].any()
    assert samples[:27200].any()


def test_sound_much_shorter_ends_the_role(tmp_path, caplog):
    video = write_media(tmp_path / "v.mp4", frames=100)
    sound = write_media(tmp_path / "s.wav", sound=tone(2.6, 16000), sound_codec="pcm_s16le")
    media = _probe(tmp_path, video, sound)
    with h5py.File(media) as file:
        assert file.attrs["frames"] == 65
    assert "1.40 s (53.8 %) apart" in caplog.text


def test_sound_of_another_recording_is_refused(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=100)
    sound = write_media(tmp_path / "s.wav", sound=tone(1, 16000), sound_codec="pcm_s16le")
    with pytest.raises(InputError, match=r"s\.wav \(role a\).*lasts until 1\.0 s.*4\.0 s"):
        _probe(tmp_path, video, sound)


def test_missing_sound_is_refused_by_name(tmp_path):
    video = write_media(tmp_path / "v.mp4", frames=25)
    with pytest.raises(InputError, match=r"v\.mp4 \(role a\): no sound stream"):
        _probe(tmp_path, video)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_damaged_sound_is_found_when_probing(tmp_path, rate):
    video = write_media(tmp_path / "v.mp4", frames=75, sound=tone(3, rate), rate=rate)
    damage_packet(video, "audio", 1.0)
    with pytest.raises(InputErrors, match=r"v\.mp4 \(role a\), second (0\.9|1\.0)\d: the sound"):
        _probe(tmp_path, video)
    media = _probe(tmp_path, video, tolerate=True)
    with h5py.File(media) as file:
        assert 22 <= file.attrs["frames"] <= 26
    samples = read_sound(media, "a", 16000)
    assert len(samples) == 640 * h5py.File(media).attrs["frames"]
    assert samples[-320:].any()


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "pcm_mulaw"])
def test_whole_wav_of_any_codec_is_whole(tmp_path, codec):
    sound = write_media(tmp_path / "s.wav", sound=tone(6, 44100), rate=44100, sound_codec=codec)
    assert scan_sound(sound).damage is None
    cut = scan_sound(cut_file(sound, 0.5))
    early = float(cut.damage[1].split()[4])
    assert float(cut.end) + early == pytest.approx(6, abs=0.2)


def test_cut_wav_is_found(tmp_path):
    sound = write_media(tmp_path / "s.wav", sound=tone(4, 16000), sound_codec="pcm_s16le")
    assert scan_sound(sound).damage is None
    scan = scan_sound(cut_file(sound, 0.5))
    assert scan.damage is not None
    assert float(scan.damage[0]) == pytest.approx(2.0, abs=0.05)


def test_same_bytes_twice(tmp_path):
    video = write_media(
        tmp_path / "v.mp4", frames=25, picture=noisy, sound=tone(1, 44100), rate=44100
    )
    media = _probe(tmp_path, video)
    np.testing.assert_array_equal(read_sound(media, "a", 16000), read_sound(media, "a", 16000))
