"""Demo sessions as files: streams, rates, truth, repeatability, interruption."""

import csv
import hashlib
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from react24.corpora.demo import corpus
from react24.corpora.demo.corpus import FILES, make_demo_session
from react24.corpora.demo.sessions import DEMO_SESSIONS
from react24.errors import InputError
from react24.files.contract import open_file
from react24.rig.model import load_rig

SECONDS = {"demo03": 4.0}  # long enough for a sentence and for the card
SHEET = Path(__file__).parents[3] / "config" / "sessions.tsv"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Session name -> folder of a short version, made once."""
    folders = {}

    def make(name):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            make_demo_session(name, folders[name], seconds=SECONDS.get(name, 2.0))
        return folders[name]

    return make


def _digests(folder):
    return {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in FILES}


def _frame_times(path):
    with av.open(str(path)) as container:
        return np.array([frame.time for frame in container.decode(video=0)])


def _sound(path):
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
        stream = container.streams.audio[0]
        return np.concatenate(parts, axis=1), stream.rate, stream.channels


def test_corpus_is_large_enough_and_keeps_subjects_apart():
    splits = [spec.split for spec in DEMO_SESSIONS.values()]
    assert (splits.count("train"), splits.count("val"), splits.count("test")) == (3, 1, 2)
    where = {}
    for spec in DEMO_SESSIONS.values():
        for person in spec.persons.values():
            where.setdefault(person.subject, set()).add(spec.split)
    assert len(where) == 12
    assert all(len(found) == 1 for found in where.values())
    assert all(spec.seconds >= 31 for spec in DEMO_SESSIONS.values())


def test_sample_sheet_lists_the_corpus():
    with SHEET.open(newline="") as file:
        rows = {row["session"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert set(rows) == set(DEMO_SESSIONS)
    for name, spec in DEMO_SESSIONS.items():
        row = rows[name]
        assert (row["split"], row["site"]) == (spec.split, spec.site)
        for role, person in spec.persons.items():
            assert row[f"video_{role}"] == f"{name}/{role}.mp4"
            assert row[f"subject_{role}"] == person.subject
            assert row[f"role_{role}"] == person.role_name


def test_same_seed_same_bytes(made, tmp_path):
    make_demo_session("demo05", tmp_path, seconds=2.0)
    assert _digests(tmp_path) == _digests(made("demo05"))
    make_demo_session("demo05", tmp_path, seconds=2.0, seed=25)
    assert all(v != _digests(made("demo05"))[k] for k, v in _digests(tmp_path).items())


def test_codecs_and_size(made):
    for role in "ab":
        with av.open(str(made("demo05") / f"{role}.mp4")) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec.name, video.pix_fmt) == ("h264", "yuv420p")
            assert (video.width, video.height) == (256, 256)
            assert audio.codec.name == "aac"


@pytest.mark.parametrize(
    ("name", "role", "fps"), [("demo02", "a", 25.0), ("demo02", "b", 30.0), ("demo05", "a", 25.0)]
)
def test_even_frame_times(made, name, role, fps):
    times = _frame_times(made(name) / f"{role}.mp4")
    assert times == pytest.approx(np.arange(round(2 * fps)) / fps, abs=1e-4)


def test_uneven_frame_times(made):
    times = _frame_times(made("demo04") / "a.mp4")
    expected = corpus.frame_times(
        DEMO_SESSIONS["demo04"].a, 2.0, corpus._generator(24, "demo04", "a", "clock")
    )
    assert times == pytest.approx(expected, abs=1e-4)
    assert len(set(np.round(np.diff(times), 3))) >= 3


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("demo04", 16_000, 1), ("demo02", 48_000, 1), ("demo05", 44_100, 2)],
)
def test_sound(made, name, rate, channels):
    samples, found_rate, found_channels = _sound(made(name) / "a.mp4")
    assert (found_rate, found_channels) == (rate, channels)
    assert samples.shape[1] / rate == pytest.approx(2.0, abs=0.07)


def test_sound_is_ones_own_voice(made):
    """In the first two seconds only role a speaks; b's file has the noise of the room."""
    spoken = {r: _sound(made("demo03") / f"{r}.mp4")[0][0, :32_000].std() for r in "ab"}
    assert spoken["a"] > 0.02
    assert 0 < spoken["b"] < 0.002


def test_truth(made):
    rig = load_rig()
    with open_file(made("demo03") / "truth.h5", "truth") as file:
        for role, person in DEMO_SESSIONS["demo03"].persons.items():
            group = file[role]
            assert group["coefficients"].shape == (100, 52)
            assert group["rotation"].shape == group["translation"].shape == (100, 3)
            assert tuple(n.decode() for n in group["names"]) == rig.names
            assert group.attrs["subject"] == person.subject
            coefficients = group["coefficients"][:]
            assert coefficients.min() >= 0.0
            assert coefficients.max() <= 1.0
            assert not coefficients[:, ~rig.observable].any()
            assert (group["translation"][:, 2] > 2.0).all()
        assert file["a/coefficients"][:, rig.index("jawOpen")].max() > 0.4
        assert file["a/covered"][:].any()
        assert not file["b/covered"][:].any()
        assert file["cues"].dtype == corpus.CUE_DTYPE


def test_cover_hides_the_face(made):
    """While covered the middle of the picture is the card's even grey."""
    with av.open(str(made("demo03") / "a.mp4")) as container:
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    spread = np.array([p[64:192, 80:176].std() for p in pictures])
    assert spread[:35].min() > 25
    assert spread[44:64].max() < 5


def test_interrupted_rerun_leaves_the_session(made, tmp_path, monkeypatch):
    make_demo_session("demo05", tmp_path, seconds=2.0)
    before = _digests(tmp_path)
    real = corpus.draw_pictures
    drawn = []

    def draw_then_fail(puppet, *rest):
        for picture in real(puppet, *rest):
            drawn.append(1)
            if len(drawn) > 70:  # in the second video
                raise KeyboardInterrupt
            yield picture

    monkeypatch.setattr(corpus, "draw_pictures", draw_then_fail)
    with pytest.raises(KeyboardInterrupt):
        make_demo_session("demo05", tmp_path, seconds=2.0, seed=99)
    assert _digests(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)


def test_bad_requests():
    with pytest.raises(InputError, match="demo01"):
        make_demo_session("demo99", Path("unused"))
    with pytest.raises(InputError, match="at least 1"):
        make_demo_session("demo01", Path("unused"), seconds=0.5)


def test_variable_clock_rises_and_ends_in_time():
    person = DEMO_SESSIONS["demo04"].a
    times = corpus.frame_times(person, 31.0, np.random.default_rng(0))
    assert times[0] == 0.0
    assert all(0.03 < after - before < 0.09 for before, after in pairwise(times))
    assert 30.85 < times[-1] < 31.0
    assert 22 < len(times) / 31.0 < 28
