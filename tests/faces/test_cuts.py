"""Cuts and what is none."""

import numpy as np
import pytest
from skimage import data

from react24.faces.cuts import CutWatch

PERSON = np.ascontiguousarray(data.astronaut()[:256, 96:352])
SCENE = np.ascontiguousarray(data.coffee()[:256, :256])


def _is_cut(one, other):
    watch = CutWatch()
    assert not watch.is_cut(one)
    return watch.is_cut(other)


@pytest.mark.parametrize("light", [1.0, 0.15])
def test_another_scene_is_a_cut_also_in_the_dark(light):
    assert _is_cut((PERSON * light).astype(np.uint8), (SCENE * light).astype(np.uint8))


def test_a_switched_light_is_a_cut():
    assert _is_cut(PERSON, (PERSON * 0.3).astype(np.uint8))


@pytest.mark.parametrize(
    "after",
    [
        np.roll(PERSON, (3, 6), axis=(0, 1)),
        np.clip(PERSON.astype(int) + 12, 0, 255).astype(np.uint8),
    ],
    ids=["movement", "a little more light"],
)
def test_movement_is_no_cut(after):
    assert not _is_cut(PERSON, after)


def test_noise_in_a_black_picture_is_no_cut():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, (2, 100, 120, 3)).astype(np.uint8)
    assert not _is_cut(one, other)


def test_pictures_smaller_than_the_grid_are_compared():
    assert _is_cut(np.zeros((16, 20, 3), np.uint8), np.full((16, 20, 3), 200, np.uint8))
