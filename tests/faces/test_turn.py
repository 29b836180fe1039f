"""Pictures upside down and on their side, with the real detector and a portrait."""

import numpy as np
import pytest
from skimage import data

from react24.faces.follow import Sighting
from react24.faces.mesh import Detector, Mesh
from react24.faces.turn import TurnWatch, turn_needed

PORTRAIT = np.ascontiguousarray(data.astronaut()[:256, 96:352])


@pytest.fixture(scope="module")
def detector():
    with Detector() as found:
        yield found


def _turned(degrees, picture=PORTRAIT):
    """Turned clockwise, as the camera would have been."""
    picture = np.ascontiguousarray(np.rot90(picture, -degrees // 90))
    picture.flags.writeable = False
    return picture


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_turn_that_makes_a_face_upright_is_found(detector, degrees):
    assert turn_needed(detector, _turned(degrees)) == degrees


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_large_face_is_looked_at_coarsely(detector, degrees):
    assert turn_needed(detector, _turned(degrees, PORTRAIT.repeat(4, 0).repeat(4, 1))) == degrees


@pytest.mark.parametrize("degrees", [0, 180])
def test_a_small_face_is_looked_at_closely(detector, degrees):
    picture = np.full((700, 900, 3), 90, np.uint8)
    picture[200:328, 500:628] = _turned(degrees)[::2, ::2]
    picture.flags.writeable = False
    assert turn_needed(detector, picture, np.array([540.0, 220, 600, 300])) == degrees


def test_where_no_face_is_nothing_is_said(detector):
    picture = np.full((200, 200, 3), 90, np.uint8)
    picture.flags.writeable = False
    assert turn_needed(detector, picture) is None


def _watch(detector, pictures, faces=None):
    watch = TurnWatch(detector)
    for tick, picture in enumerate(pictures):
        watch.see(tick, picture, faces[tick] if faces else None)
    return watch


def _face(tracklet):
    box = np.array([60.0, 20, 220, 200])
    return Sighting(tracklet, Mesh(np.zeros((478, 3)), 1.0), box, None, None)


def test_a_video_that_is_upside_down_throughout_is_turned(detector):
    watch = _watch(detector, [_turned(180)] * 60)
    assert watch.verdict() == 180
    assert watch.probes == 3


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_who_lies_down_for_a_while_is_no_turned_video(detector, share):
    turned = round(120 * share)
    assert _watch(detector, [_turned(90)] * turned + [_turned(0)] * (120 - turned)).verdict() == 0


def test_few_looks_are_no_verdict(detector):
    assert _watch(detector, [_turned(180)] * 40).verdict() == 0


@pytest.mark.parametrize("degrees", [90, 180])
def test_a_stretch_that_is_turned_is_told_from_those_that_are_not(detector, degrees):
    pictures = [_turned(0)] * 200 + [_turned(degrees)] * 20 + [_turned(0)] * 80
    faces = [_face(0)] * 200 + [_face(1)] * 20 + [_face(2)] * 80
    watch = _watch(detector, pictures, faces)
    assert watch.turned() == {1: degrees}
    assert watch.verdict() == 0
