"""The renderer and the puppet that it draws."""

import numpy as np
import pytest

from react24.corpora.demo.puppet import SIZE, Look, Puppet, draw_look
from react24.rig.model import load_rig
from react24.rig.render import project, render

PLAIN = Look(1.0, 1.0, 1.0, 1.0, 0.0, (1.0, 1.0, 1.0), (150.0, 150.0, 150.0), 1.0)


@pytest.fixture(scope="module")
def puppet():
    return Puppet(load_rig(), PLAIN)


def _draw(puppet, turn=(0.0, 0.0, 0.0), **shapes):
    rig = load_rig()
    coefficients = np.zeros(52)
    for name, value in shapes.items():
        for side in ("", "Left", "Right"):
            if name + side in rig.names:
                coefficients[rig.index(name + side)] = value
    return puppet.draw(coefficients, puppet.rest_rotation + np.array(turn), puppet.rest)


def test_a_square_shows_its_texture_where_it_lies():
    texture = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    corners = np.array([[2, 3], [9, 3], [9, 10], [2, 10]], np.float32)
    points = np.concatenate([corners, np.full((4, 1), 2.0, np.float32)], axis=1)
    uv = corners - np.array([2, 3], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    background = np.full((16, 16, 3), 7, np.uint8)
    frame = render(points, triangles, uv, texture, background)
    assert np.array_equal(frame[3:11, 2:10], texture)
    frame[3:11, 2:10] = 7
    assert (frame == 7).all()


def test_the_nearer_triangle_hides_the_other():
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[:, 1] = 200
    shape = np.array([[0, 0], [7, 0], [0, 7]], np.float32)
    points = np.concatenate([np.c_[shape, [1, 1, 1]], np.c_[shape, [2, 2, 2]]]).astype(np.float32)
    uv = np.array([[1, 0]] * 3 + [[0, 0]] * 3, np.float32)
    for triangles in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        frame = render(points, np.array(triangles), uv, texture, np.zeros((8, 8, 3), np.uint8))
        assert (frame[1:3, 1:3] == 200).all()


def test_projection_by_hand():
    points = project(np.array([[0.5, -0.25, 0.0]]), np.zeros(3), np.array([0, 0, 2.0]), 256, 256)
    assert points[0] == pytest.approx([127.5 + 64, 127.5 - 32, 2.0])
    with pytest.raises(ValueError, match="behind the camera"):
        project(np.zeros((1, 3)), np.zeros(3), np.array([0, 0, -1.0]), 256, 256)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        render(
            np.zeros((3, 3), np.float32),
            np.array([[0, 1, 3]]),
            np.zeros((3, 2), np.float32),
            np.zeros((2, 2, 3), np.uint8),
            np.zeros((4, 4, 3), np.uint8),
        )


def test_frame_is_filled_and_repeatable(puppet, monkeypatch):
    frame = _draw(puppet)
    assert frame.shape == (SIZE, SIZE, 3)
    assert frame.dtype == np.uint8
    assert np.array_equal(frame, _draw(puppet))
    monkeypatch.setattr(puppet, "_background", np.full((SIZE, SIZE, 3), 255, np.uint8))
    for turn in ((0.0, 0.0, 0.0), (0.2, 0.2, 0.1), (-0.2, -0.2, -0.1)):
        assert (_draw(puppet, turn).min(axis=2) == 255).mean() < 0.001


def test_an_open_jaw_shows_a_dark_mouth(puppet):
    closed, opened = _draw(puppet), _draw(puppet, jawOpen=0.7)
    middle = slice(110, 140)
    dark = [(f[120:200, middle].max(axis=2) < 90).sum() for f in (closed, opened)]
    assert dark[0] < 30
    assert dark[1] > 200


def test_a_blink_covers_the_dark_of_the_eyes(puppet):
    # rows and columns around the two irises of the portrait
    eyes = (slice(85, 105), slice(75, 180))
    dark = [(_draw(puppet, eyeBlink=v)[eyes].max(axis=2) < 60).sum() for v in (0.0, 1.0)]
    assert dark[0] > 30
    assert dark[1] < 0.5 * dark[0]


def test_looks_differ():
    rng = np.random.default_rng(0)
    one, other = (_draw(Puppet(load_rig(), draw_look(rng))).astype(int) for _ in range(2))
    assert np.abs(one - other).mean() > 8
