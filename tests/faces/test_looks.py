"""What a face looks like: steady under light and place, different from person to person."""

import numpy as np
import pytest
from skimage import data

from react24.faces.looks import (
    MOST,
    RIGID,
    SPAN,
    Exemplars,
    describe,
    distance,
    shape_distance,
    spread,
    unlikeness,
)
from react24.faces.mesh import POINTS, Detector, LandmarkModel, region_of

PORTRAIT = np.ascontiguousarray(data.astronaut()[:256, 96:352])


@pytest.fixture(scope="module")
def look_at():
    with Detector() as detector, LandmarkModel() as landmarks:

        def look(picture):
            picture = np.ascontiguousarray(picture)
            picture.flags.writeable = False
            mesh = landmarks.find(picture, detector.find(picture)[0].region)
            mesh = landmarks.find(picture, region_of(mesh.points))
            return describe(picture, mesh.points, region_of(mesh.points))

        yield look


def _in_corner(size, x, y, scale=1):
    picture = np.full((size, size, 3), 120, np.uint8)
    part = PORTRAIT[::scale, ::scale]
    picture[y : y + len(part), x : x + len(part)] = part
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        _in_corner(512, 200, 250),
        _in_corner(512, 11, 7),
        _in_corner(300, 100, 100, scale=2),
        (PORTRAIT * 0.6).astype(np.uint8),
        np.clip(PORTRAIT * 1.15 + 10, 0, 255).astype(np.uint8),
    ],
    ids=["elsewhere", "corner", "half as large", "darker", "brighter"],
)
def test_a_person_looks_the_same_elsewhere_smaller_and_in_other_light(look_at, picture):
    assert distance(look_at(PORTRAIT), look_at(picture)) < 1


def test_colours_of_skin_and_hair_make_another_person(look_at):
    warm = np.clip(PORTRAIT * np.array([0.8, 1.0, 1.25]), 0, 255).astype(np.uint8)
    assert distance(look_at(PORTRAIT), look_at(warm)) > 2


def test_proportions_make_another_person(look_at):
    import cv2

    broad = cv2.resize(PORTRAIT, (320, 256))
    assert shape_distance(look_at(PORTRAIT), look_at(broad)) > 1


def test_a_black_picture_looks_like_nothing():
    points = np.random.default_rng(0).normal(100, 20, (POINTS, 3)).astype(np.float32)
    rng = np.random.default_rng(1)
    one, other = (
        describe(rng.integers(0, 3, (200, 200, 3)).astype(np.uint8), points, region_of(points))
        for _ in range(2)
    )
    assert distance(one[3 * len(RIGID) :], other[3 * len(RIGID) :]) < 0.5


def test_a_face_at_the_edge_of_the_picture_is_described():
    points = np.random.default_rng(0).normal(0, 20, (POINTS, 3)).astype(np.float32)
    look = describe(np.zeros((60, 60, 3), np.uint8), points, region_of(points))
    assert np.isfinite(look).all()


def test_exemplars_keep_what_was_seen_in_little_memory():
    exemplars = Exemplars()
    sides = np.eye(20)[:5] * 10
    for _ in range(10):
        for side in sides:
            for _ in range(SPAN):
                exemplars.add(side)
    looks = exemplars.looks()
    assert len(looks) <= MOST + 1
    for side in sides:
        assert np.linalg.norm(looks - side, axis=1).min() < 1e-9


def test_few_frames_are_an_exemplar_where_there_is_nothing_else():
    exemplars = Exemplars()
    exemplars.add(np.array([1.0, 3.0]))
    exemplars.add(np.array([3.0, 3.0]))
    np.testing.assert_array_equal(exemplars.looks(), [[2, 3]])


def test_unlikeness_compares_with_the_side_that_was_seen():
    person = np.array([[0.0, 0], [5, 0], [10, 0]])
    assert unlikeness(person, np.array([[5.0, 1]])) == pytest.approx(1)
    assert unlikeness(np.array([[5.0, 1]]), person) == pytest.approx(1)
    assert unlikeness(person, person + np.array([0, 2])) == pytest.approx(2)


def test_spread_is_the_step_to_the_next_exemplar():
    assert spread(np.array([[0.0, 0], [3, 0], [6, 0], [6, 1]])) == pytest.approx(2)
    assert spread(np.array([[0.0, 0], [3, 0]])) == 0
