"""The cepstra against the values of the published data set, and the extractor around them."""

import numpy as np
import pytest
from helpers.media_factory import tone, write_media
from parity import mfcc_recipes as recipes

from react24 import streams
from react24.files import contract
from react24.media.probe import RoleMedia, probe_session
from react24.streams.extract import extract_session
from react24.streams.mfcc import BLOCK, MFCC, compute_rows, name_columns
from react24.streams.sources import SoundSource

RATE = 44100
TOLERANCE = 5e-4


def make_sound(frames, seed=0):
    noise = np.random.default_rng(seed).standard_normal(frames * RATE // 25)
    return (0.1 * noise).astype(np.float32)


@pytest.fixture(params=sorted(recipes.CASES))
def tag(request):
    return request.param


def test_reference_values(tag):
    expected = recipes.read_reference(tag)
    found = compute_rows(recipes.make_ticks(tag).ravel(), recipes.CASES[tag].rate)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_columns_that_say_nothing_new_are_so_in_the_reference(tag):
    expected = recipes.read_reference(tag).reshape(-1, 3, 13, 2)
    np.testing.assert_allclose(expected[:, 1, :, 0], expected[:, 1, :, 1], atol=1e-6)
    np.testing.assert_allclose(expected[:, 2], 0, atol=1e-6)


def test_names_tell_kind_coefficient_and_window():
    names = name_columns()
    assert len(set(names)) == 78
    assert (names[0], names[25], names[26], names[77]) == (
        "mfcc_00_0",
        "mfcc_12_1",
        "delta_00_0",
        "delta2_12_1",
    )


def test_energy_column_is_floored():
    """At a sum of squares of 1 in the window of 1102 samples, that is at 0.030 of RMS."""
    wave = tone(1, RATE)[0] / 0.3 * np.sqrt(2)  # RMS 1
    loud, quiet = (compute_rows(level * wave, RATE) for level in (0.04, 0.02))
    assert (loud[:, :2] > 0.4).all()
    assert (quiet[:, :2] == 0).all()
    assert np.abs(quiet[:, 2:26]).max() > 10  # the cepstra are not floored


def test_cepstra_do_not_depend_on_loudness():
    one, other = (compute_rows(level * make_sound(5), RATE)[:, 2:26] for level in (1.0, 0.5))
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert np.abs(one).max() > 5


def test_silence_is_finite_and_zero():
    np.testing.assert_allclose(compute_rows(np.zeros(2 * 1764), RATE), 0, atol=TOLERANCE)


def test_one_call_equals_a_call_per_frame():
    """As the published data set computes it; windows must not reach into the next frame."""
    samples = make_sound(20)
    alone = [compute_rows(tick, RATE) for tick in samples.reshape(20, -1)]
    np.testing.assert_allclose(compute_rows(samples, RATE), np.concatenate(alone), atol=2e-5)


def test_blocks_do_not_show():
    frames = 2 * BLOCK + 3
    samples = make_sound(frames)
    features = MFCC().extract(SoundSource(samples, frames))
    np.testing.assert_allclose(features.values, compute_rows(samples, RATE), atol=2e-5)
    assert features.valid.all()
    assert features.pretrained
    assert features.weights == "none needed"
    assert features.feature_names == name_columns()


@pytest.mark.parametrize("frames", [1, 749, 751])
def test_one_row_per_tick(frames):
    assert MFCC().extract(SoundSource(make_sound(frames), frames)).values.shape == (frames, 78)


def test_padding_and_unknown_sound_are_not_valid():
    known = np.ones(10, bool)
    known[3] = False
    samples = make_sound(10)[: 9 * 1764 + 100]
    valid = MFCC().extract(SoundSource(samples, 10, known)).valid
    assert np.flatnonzero(~valid).tolist() == [3, 9]


def test_a_session_from_its_videos(tmp_path):
    """Sound at another rate, decoded to 44.1 kHz."""
    videos = {}
    for role, level in (("a", 1.0), ("b", 0.3)):
        sound = level * tone(2, 16000)
        videos[role] = write_media(tmp_path / f"{role}.mp4", frames=50, sound=sound)
    media, output = tmp_path / "media.h5", tmp_path / "features.h5"
    roles = {r: RoleMedia(path, None, f"p{r}", r) for r, path in videos.items()}
    probe_session(media, session="s", roles=roles, tolerate_damage=False, created_by="test")
    extract_session(streams.get("mfcc"), {"media": media}, output, settings={})
    features = contract.read_features(output)
    assert features["a"].values.shape == features["b"].values.shape == (50, 78)
    middle = slice(5, 45)
    difference = features["a"].values[middle, 0] - features["b"].values[middle, 0]
    np.testing.assert_allclose(difference, 2 * np.log(1 / 0.3), atol=0.1)
