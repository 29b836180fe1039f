"""Turns, cues and reactions: the structure that a model is meant to find."""

from itertools import pairwise

import numpy as np
import pytest

from react24.conventions import FPS
from react24.corpora.demo.behaviour import DELAY, REACTIONS, Actor, bump, perform
from react24.corpora.demo.corpus import perform_session
from react24.corpora.demo.sessions import DEMO_SESSIONS
from react24.corpora.demo.speech import SPEECH_RATE, load_voice

SECONDS = 120.0


@pytest.fixture(scope="module")
def performance():
    persons = {
        "a": Actor(load_voice("en-us+m3"), "smiler"),
        "b": Actor(load_voice("en-gb+f2"), "nodder"),
    }
    return perform(persons, SECONDS, np.random.default_rng(5))


def test_lengths_and_ranges(performance):
    for track in performance.tracks.values():
        assert track.rotation.shape == track.translation.shape == (3000, 3)
        assert len(track.voice) == SECONDS * SPEECH_RATE
        for name, channel in track.coefficients.items():
            assert channel.shape == (3000,)
            assert 0.0 <= channel.min() <= channel.max() <= 1.0, name
        assert np.degrees(np.abs(track.rotation)).max() < 30


def test_turns_alternate_without_overlap(performance):
    said = performance.utterances
    assert all(after.start > before.stop for before, after in pairwise(said))
    turns = [u.role for u in said]
    changes = sum(one != other for one, other in pairwise(turns))
    assert changes > 10
    assert 0.3 < sum(u.stop - u.start for u in said) / SECONDS < 0.85


def test_measured_shapes_are_all_exercised(performance):
    for track in performance.tracks.values():
        for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkRight", "browInnerUp"):
            assert (track.coefficients[name] > 0.5).mean() > 0.005, name
        for name in ("browDownLeft", "mouthPucker"):
            assert (track.coefficients[name] > 0.5).mean() > 0.03, name


def test_reactions_follow_cues_within_the_stated_delay(performance):
    delays = np.array([c.reaction - c.time for c in performance.cues])
    answered = delays[np.isfinite(delays)]
    assert len(answered) / len(delays) > 0.75
    assert answered.min() >= DELAY[0]
    assert answered.max() <= DELAY[2]
    assert answered.std() > 0.1


@pytest.mark.parametrize(("listener", "speaker"), [("a", "b"), ("b", "a")])
def test_listener_motion_lags_the_cues(performance, listener, speaker):
    """Cross-correlation of cue times with the onset of the listener's favourite reaction."""
    track = performance.tracks[listener]
    # a smiles, b nods
    signal = track.coefficients["mouthSmileLeft"] if listener == "a" else track.rotation[:, 0]
    onset = np.clip(np.gradient(signal), 0, None)
    cues = np.zeros(len(onset))
    kinds = ("phrase_end", "smile")
    for cue in performance.cues:
        if cue.role == speaker and cue.kind in kinds:
            cues[min(round(cue.time * FPS), len(cues) - 1)] += 1
    onset, cues = onset - onset.mean(), cues - cues.mean()
    lags = np.arange(-50, 51)
    strength = np.array([np.sum(cues[60:-60] * onset[60 + k : len(onset) - 60 + k]) for k in lags])
    best = lags[np.argmax(strength)] / FPS
    assert DELAY[0] <= best <= DELAY[2] + 0.2


def test_styles_answer_differently():
    for kind in ("phrase_end", "brow_raise", "smile"):
        assert REACTIONS["smiler"][kind] != REACTIONS["nodder"][kind]
    styles = {p.style for s in DEMO_SESSIONS.values() for p in s.persons.values()}
    assert styles == set(REACTIONS)


def test_same_seed_same_performance_and_other_seed_another():
    one, two = (perform_session("demo01", seed=3, seconds=10) for _ in range(2))
    other = perform_session("demo01", seed=4, seconds=10)
    assert np.array_equal(one.tracks["a"].voice, two.tracks["a"].voice)
    assert np.array_equal(one.tracks["b"].rotation, two.tracks["b"].rotation)
    assert not np.array_equal(one.tracks["b"].rotation, other.tracks["b"].rotation)


def test_bump_rises_holds_and_falls():
    shape = bump(np.array([0.9, 1.0, 1.1, 1.2, 1.5, 1.7, 2.0]), 1.0, 0.2, 0.4, 0.2)
    assert shape == pytest.approx([0, 0, 0.5, 1, 1, 0.5, 0], abs=1e-9)
