"""The same recording, found by its pictures; different ones before one wall, told apart."""

import json
from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from helpers.media_factory import damage_packet, tone, write_media

from react24.errors import InputError, InputErrors
from react24.media import survey
from react24.media.fingerprint import Fingerprint, Likeness, compare
from react24.media.probe import RoleMedia, probe_session
from react24.media.repeated import (
    Recording,
    Repeat,
    compare_recordings,
    find_repeated,
    read_recordings,
    refuse_repeated,
)
from react24.media.survey import survey_pictures
from react24.project.choices import DEFAULT, Choices

SIDE = 64
WALL = np.random.default_rng(99).integers(60, 180, (8, 8)).repeat(8, 0).repeat(8, 1)


def motion(seed, seconds, fps):
    """Where a head is, pixels (n, 2), and how wide the mouth: smooth, of half a second or so."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * fps)) / fps
    knots = np.arange(-1, seconds + 2, 0.4)
    tracks = [np.interp(times, knots, rng.normal(0, scale, len(knots))) for scale in (2, 2, 3)]
    return np.stack(tracks, 1)


def person(seed, seconds=12, fps=Fraction(25, 2), start=0.0, side=SIDE):
    """Pictures (n, side, side, 3) of a head that moves before the one wall."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pictures = []
    for right, down, mouth in motion(seed, seconds, float(fps)):
        away = np.hypot((columns - 32 - right) / 16, (rows - 30 - down) / 20)
        picture = np.where(away < 1, 200 - 60 * away, WALL)
        lips = np.hypot((columns - 32 - right) / 6, (rows - 40 - down) / (4 + mouth))
        picture = np.where(lips < 1, 70, picture)
        pictures.append(picture.repeat(side // SIDE, 0).repeat(side // SIDE, 1))
    pictures = np.clip(pictures, 0, 255).astype(np.uint8)
    return np.repeat(pictures[int(start * fps) :, :, :, None], 3, axis=3)


def write(path, pictures, fps=Fraction(25, 2), codec="libx264", **settings):
    return write_media(
        path,
        picture=lambda i: pictures[i],
        frames=len(pictures),
        fps=fps,
        codec=codec,
        sound=tone(float(len(pictures) / fps), 16000),
        **settings,
    )


def fingerprint(path):
    return survey_pictures(path).fingerprint


def ideal(seed, seconds=12, change=lambda pictures: pictures):
    """The fingerprint of drawn pictures, without a file."""
    pictures = change(person(seed, seconds, Fraction(5))[..., 0].astype(np.float32))
    small = pictures.reshape(-1, 16, 4, 16, 4).mean((2, 4))
    times = np.arange(len(small), dtype=np.float32) / 5
    return Fingerprint(times, small.astype(np.float16))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("original") / "v.mp4", person(1))


@pytest.mark.parametrize(
    ("name", "settings", "drawn"),
    [
        ("v.mkv", {"gop": 250}, {}),
        ("v.mp4", {"gop": 50}, {"side": 128}),
        ("v.avi", {"codec": "mpeg4"}, {"side": 192}),
        ("v.mp4", {}, {"start": 2.4}),
        ("v.mp4", {"video_start": 3.3}, {}),
    ],
)
def test_the_same_encoded_in_another_way_is_the_same(tmp_path, original, name, settings, drawn):
    other = write(tmp_path / name, person(1, **drawn), **settings)
    found = compare(fingerprint(original), fingerprint(other))
    assert found.same
    assert found.correlation > 0.95
    assert found.shift == pytest.approx(drawn.get("start", 0), abs=0.11)


def test_another_frame_rate_is_the_same(tmp_path, original):
    other = write(tmp_path / "v.mp4", person(1, fps=Fraction(10)), fps=Fraction(10))
    assert compare(fingerprint(original), fingerprint(other)).same


def test_a_mirrored_one_is_the_same(tmp_path, original):
    """As calls show oneself; scaled and cut at the start as well."""
    mirrored = write(tmp_path / "m.mkv", person(1, start=2)[:, ::2, ::-2])
    found = compare(survey_pictures(original).fingerprint, survey_pictures(mirrored).fingerprint)
    assert found.same
    assert found.mirrored
    assert "+2.0 s apart, one of them mirrored" in found.describe()


def test_others_before_the_same_wall_are_others():
    """Sixty pairs; the light goes up and down alike for all."""

    def flicker(pictures):
        light = 1 + 0.2 * np.sin(np.arange(len(pictures)) / 2.5)
        return pictures * light[:, None, None]

    people = [ideal(seed, seconds=20, change=flicker) for seed in range(2, 14)]
    likeness = [
        found.correlation if (found := compare(one, other)) else 0.0
        for i, one in enumerate(people)
        for other in people[:i]
    ]
    assert len(likeness) == 66
    assert max(likeness) < 0.7


@pytest.mark.parametrize("begin", [0, 20])
def test_one_event_that_is_alike_makes_no_sameness(begin):
    """Both cameras go on (or both people come in) at the same second."""

    def dark(pictures):
        pictures[begin : begin + 15] = 16
        return pictures

    found = compare(ideal(20, change=dark), ideal(21, change=dark))
    assert found is None or not found.same


def test_still_pictures_tell_nothing():
    def still(pictures):
        noise = np.random.default_rng(3).normal(0, 0.1, pictures.shape)
        return pictures[:1] + noise

    assert compare(ideal(1, change=still), ideal(1, change=still)) is None


def test_a_few_seconds_tell_nothing():
    assert compare(ideal(1, seconds=6), ideal(1, seconds=6)) is None
    assert compare(ideal(1, seconds=10), ideal(1, seconds=10)).same


# In probe, and over sessions


def _probe(folder, a, b, name="s1", choices=DEFAULT, others=DEFAULT):
    media = folder / f"{name}.h5"
    roles = {
        "a": RoleMedia(a, None, f"{name}-ann", "expert", choices),
        "b": RoleMedia(b, None, f"{name}-bob", "novice", others),
    }
    probe_session(media, session=name, roles=roles, tolerate_damage=False)
    return media


def test_roles_with_the_same_pictures_are_refused(tmp_path, original):
    again = write(tmp_path / "again.mkv", person(1, side=128), gop=100)
    with pytest.raises(InputError, match=r"session s1.*v\.mp4.*again\.mkv.*the same.*crop_a"):
        _probe(tmp_path, original, again)


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        (Choices(crop=(0, 0, 32, 64)), Choices(crop=(32, 0, 32, 64))),
        (Choices(face="left"), Choices(face="right")),
    ],
)
def test_roles_may_share_pictures_that_hold_both(tmp_path, original, mine, others):
    media = _probe(tmp_path, original, original, choices=mine, others=others)
    with h5py.File(media) as file:
        stored = file["b/fingerprint/pictures"]
        assert stored.shape[1:] == (16, 16)
        assert len(stored) == len(file["b/fingerprint/times"]) == 60


def test_roles_with_different_pictures_pass(tmp_path, original):
    _probe(tmp_path, original, write(tmp_path / "w.mp4", person(2)))


def _recording(session, split, subject, seed, **settings):
    return Recording(session, "a", subject, split, Path(f"{session}.mp4"), ideal(seed), **settings)


def test_a_recording_in_two_splits_or_under_two_subjects_is_refused():
    recordings = [
        _recording("s1", "train", "ann", 1),
        _recording("s2", "train", "bob", 2),
        _recording("s3", "train", "ann", 1),
        _recording("s4", "test", "ann", 1),
        _recording("s5", "train", "bob", 1),
        _recording("s6", "test", "eve", 1, choices=Choices(crop=(0, 0, 32, 64))),
    ]
    repeats = find_repeated(recordings)
    found = {(r.first.session, r.second.session): r for r in repeats}
    assert set(found) == {
        ("s1", "s3"), ("s1", "s4"), ("s1", "s5"), ("s3", "s4"), ("s3", "s5"), ("s4", "s5"),
    }  # fmt: skip
    assert not found["s1", "s3"].refused
    assert "twice in the split train" in found["s1", "s3"].sentence()
    assert "in two splits, train and test" in found["s1", "s4"].sentence()
    assert "under two subjects, ann and bob" in found["s1", "s5"].sentence()
    with pytest.raises(InputErrors, match=r"s1\.mp4 \(session s1, role a\) and s4\.mp4") as caught:
        refuse_repeated(repeats)
    assert len(caught.value.problems) == 5


def test_repeats_that_may_be_pass():
    one = _recording("s1", "train", "ann", 1)
    refuse_repeated([Repeat(one, _recording("s2", "train", "ann", 1), Likeness(0.99, 0.0, 50))])


def test_recordings_are_read_from_media_files(tmp_path, original):
    other = write(tmp_path / "w.mp4", person(2))
    again = write(tmp_path / "again.mp4", person(1, start=1.6), gop=100)
    third = write(tmp_path / "x.mp4", person(3))
    media = [_probe(tmp_path, original, other), _probe(tmp_path, third, again, "s2")]
    recordings = read_recordings(media, {"s1": "train", "s2": "test"})
    assert [(r.session, r.role, r.subject, r.split) for r in recordings] == [
        ("s1", "a", "s1-ann", "train"),
        ("s1", "b", "s1-bob", "train"),
        ("s2", "a", "s2-ann", "test"),
        ("s2", "b", "s2-bob", "test"),
    ]
    with pytest.raises(InputErrors, match="under two subjects, s1-ann and s2-bob"):
        compare_recordings(media, tmp_path / "none.json", splits={"s1": "train", "s2": "train"})
    assert not (tmp_path / "none.json").exists()
    compare_recordings(media[:1], tmp_path / "repeated.json", splits={"s1": "train"})
    assert json.loads((tmp_path / "repeated.json").read_text()) == []
    (repeat,) = find_repeated(recordings)
    assert (repeat.first.video.name, repeat.second.video.name) == ("v.mp4", "again.mp4")
    assert repeat.likeness.shift == pytest.approx(1.6, abs=0.11)


def test_a_survey_ends_at_damage(tmp_path):
    """Telling of damage is for those who read all pictures."""
    video = damage_packet(write(tmp_path / "v.mp4", person(1)), "video", 6.0)
    with av.open(str(video)) as container:
        assert container.streams.video[0].frames == 150
    assert 20 < len(fingerprint(video).times) < 40


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.ts"])
def test_key_pictures_follow_the_start(tmp_path, monkeypatch, name):
    monkeypatch.setattr(survey, "WHOLE", Fraction(2))
    monkeypatch.setattr(survey, "KEY_STEP", Fraction(3))
    codec = "mpeg4" if name == "v.avi" else "libx264"
    video = write(tmp_path / name, person(1, fps=Fraction(10)), fps=10, gop=10, codec=codec)
    times = fingerprint(video).times
    np.testing.assert_allclose(times[:11], np.arange(11) / 5, atol=0.02)
    np.testing.assert_allclose(np.diff(times[10:]), 3, atol=1.01)
    np.testing.assert_allclose(times[11:], np.round(times[11:]), atol=0.02)  # of key pictures
    assert 9 <= times[-1] <= 12
