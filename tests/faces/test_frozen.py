"""Faces whose picture is repeated."""

import numpy as np
import pytest

from react24.faces.follow import Sighting
from react24.faces.frozen import LONG, FrozenWatch
from react24.faces.mesh import Mesh

MESH = Mesh(np.zeros((478, 3)), 1.0)
ALIVE, STALLED = np.array([0.0, 0, 60, 60]), np.array([60.0, 0, 120, 60])


def _watch(pictures):
    watch = FrozenWatch()
    for tick, picture in enumerate(pictures):
        faces = [Sighting(n, MESH, box, None, None) for n, box in enumerate((ALIVE, STALLED))]
        watch.see(tick, picture, faces)
    return watch


def _pictures(ticks, stalled):
    """Noise everywhere, but for one half of the picture while it is stalled."""
    random = np.random.default_rng(0)
    last = None
    for tick in range(ticks):
        picture = random.integers(100, 103, (60, 120, 3), np.uint8)
        if tick in stalled:
            picture[:, 60:] = last[:, 60:]
        yield picture
        last = picture


def test_a_face_that_stalls_is_frozen_and_the_one_beside_it_is_not():
    watch = _watch(_pictures(200, range(80, 150)))
    assert not watch.frozen([0], 200).any()
    np.testing.assert_array_equal(np.flatnonzero(watch.frozen([1], 200)), np.arange(80, 150))


@pytest.mark.parametrize(
    ("ticks", "stalled"),
    [(200, range(80, 80 + LONG - 1)), (100, range(1, 100))],
    ids=["short", "photograph"],
)
def test_what_is_short_or_a_photograph_is_not_frozen(ticks, stalled):
    assert not _watch(_pictures(ticks, stalled)).frozen([1], ticks).any()


def test_a_slow_camera_is_not_frozen():
    pictures = [picture for picture in _pictures(40, ()) for _ in range(5)]
    assert not _watch(pictures).frozen([0], 200).any()


def test_a_key_picture_does_not_end_a_stall():
    stalled = [*range(80, 120), *range(122, 160)]
    frozen = _watch(_pictures(240, stalled)).frozen([1], 240)
    np.testing.assert_array_equal(np.flatnonzero(frozen), np.arange(80, 160))


def test_ticks_without_a_picture_are_not_frozen():
    shown = np.arange(200) >= 100
    assert not _watch(_pictures(200, range(1, 110))).frozen([1], 200, shown).any()
