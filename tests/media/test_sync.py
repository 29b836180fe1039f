"""The offset of two recordings from their sound."""

import numpy as np
import pytest
import soundfile
from helpers.media_factory import remux, talk, write_media

from react24.media.probe import RoleMedia
from react24.media.sync import estimate_offset
from react24.project.choices import Choices

RATE = 16000


def _room(seconds, faint_db, noise_db=-60, seed=0):
    """What two microphones record of a conversation, each its own person and faintly the other."""
    rng = np.random.default_rng(seed)
    one, other = talk(0, seconds, seed + 1), talk(1, seconds, seed + 2)
    gain = 10 ** (faint_db / 20)
    noise = 10 ** (noise_db / 20) * rng.normal(size=(2, len(one)))
    return one + gain * other + noise[0], other + gain * one + noise[1]


def _roles(folder, a, b, *, offset_b=0.0):
    """Recordings of two microphones beside a picture each."""
    roles = {}
    for role, sound in (("a", a), ("b", b)):
        picture = write_media(folder / f"{role}0.mp4", frames=len(sound) * 25 // RATE, fps=25)
        wav = folder / f"{role}.wav"
        soundfile.write(wav, np.clip(sound, -1, 1), RATE, subtype="PCM_16")
        video = remux(folder / f"{role}.mkv", [(picture, "video"), (wav, "audio")])
        said = Choices(offset=offset_b if role == "b" else 0.0)
        roles[role] = RoleMedia(video, None, role, role, said)
    return roles


@pytest.mark.parametrize(("offset", "faint_db"), [(2.3, -20), (-3.7, -25), (0.0, -10)])
def test_microphones_that_hear_each_other(tmp_path, offset, faint_db):
    a, b = _room(24, faint_db)
    late = round(abs(offset) * RATE)
    a, b = (a, b[late:]) if offset >= 0 else (a[late:], b)
    found = estimate_offset(_roles(tmp_path, a, 0.3 * b))
    assert found.decidable
    assert found.confidence > 0.5
    assert found.seconds == pytest.approx(offset, abs=0.02)
    if offset > 0:
        assert "write offset_b 2.30" in found.sentence()
    elif offset < 0:
        assert "write offset_a 3.70" in found.sentence()
    else:
        assert "the sheet agrees" in found.sentence()


def test_an_offset_that_the_sheet_has_is_confirmed(tmp_path):
    a, b = _room(24, -20)
    found = estimate_offset(_roles(tmp_path, a, b[2 * RATE :], offset_b=2.0))
    assert found.seconds == pytest.approx(2.0, abs=0.02)
    assert found.said == 2.0
    assert "the sheet agrees" in found.sentence()


@pytest.mark.parametrize("seed", range(3))
def test_microphones_that_do_not_hear_each_other(tmp_path, seed):
    found = estimate_offset(_roles(tmp_path, *_room(20, -90, seed=10 * seed)))
    assert not found.decidable
    assert found.seconds == 0
    assert found.confidence < 0.5
    assert "not decidable" in found.sentence()


def test_silence_is_not_decidable(tmp_path):
    silence = np.zeros(8 * RATE)
    assert not estimate_offset(_roles(tmp_path, talk(0, 8, 1), silence)).decidable


def test_clocks_that_drift_apart(tmp_path, monkeypatch):
    from react24.corpora.demo.speech import resample

    monkeypatch.setattr("react24.media.sketch.MIN_HALF", 800)
    a, b = _room(24, -10)
    slow = resample(b, int(len(b) * 0.996))  # 4 ms per second, 48 ms from half to half
    found = estimate_offset(_roles(tmp_path, a, slow))
    assert found.drift == pytest.approx(0.048, abs=0.02)
