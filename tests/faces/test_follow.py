"""Which faces are followed, with stand-ins for the models."""

import numpy as np
import pytest
from helpers.face_scene import SIZE, Face, Scene

from react24.faces.follow import (
    LOOK_EVERY,
    MOST_FACES,
    PATIENCE,
    RETURN_EVERY,
    Follower,
    search_windows,
)
from react24.faces.mesh import box_of

PICTURE = np.zeros((SIZE, SIZE, 3), np.uint8)
OTHER_PICTURE = np.full((SIZE, SIZE, 3), 200, np.uint8)


def _follow():
    scene = Scene()
    return scene, Follower(scene, scene, scene.describe)


def _places(sightings):
    """Tracklet -> centre."""
    found = {}
    for seen in sightings:
        box = box_of(seen.mesh.points)
        np.testing.assert_array_equal(seen.box, box)
        found[seen.tracklet] = tuple(float(v) for v in (box[:2] + box[2:]) / 2)
    return found


def test_all_faces_are_followed_the_largest_first_and_keep_their_numbers():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 40, 1), Face(300, 100, 60)]
    assert _places(follower.see(PICTURE)) == {0: (300, 100), 1: (100, 100)}
    for step in range(1, 20):
        scene.faces = [Face(100, 100, 40 + step, 1), Face(300 - 4 * step, 100, 60)]
        assert _places(follower.see(PICTURE)) == {0: (300 - 4 * step, 100), 1: (100, 100)}


def test_the_detector_runs_rarely_while_a_face_is_followed():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60)]
    for _ in range(10 * LOOK_EVERY):
        follower.see(PICTURE)
    assert scene.looks == 10


def test_a_newcomer_is_seen_within_a_look():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60)]
    follower.see(PICTURE)
    scene.faces.append(Face(300, 300, 60, 1))
    for _ in range(LOOK_EVERY):
        found = follower.see(PICTURE)
    assert _places(found) == {0: (100, 100), 1: (300, 300)}


def test_a_face_that_returns_soon_is_seen_at_once_and_has_a_new_number():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60), Face(300, 300, 60, 1)]
    follower.see(PICTURE)
    scene.faces = [Face(300, 300, 60, 1)]
    for _ in range(PATIENCE - 1):
        assert _places(follower.see(PICTURE)) == {1: (300, 300)}
    scene.faces = [Face(110, 100, 60), Face(300, 300, 60, 1)]
    assert _places(follower.see(PICTURE)) == {1: (300, 300), 2: (110, 100)}


def test_a_face_that_returns_late_is_seen_soon():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60), Face(300, 300, 60, 1)]
    follower.see(PICTURE)
    scene.faces = [Face(300, 300, 60, 1)]
    for _ in range(7 * PATIENCE + 1):
        follower.see(PICTURE)
    scene.faces.append(Face(110, 100, 60))
    assert any(2 in _places(follower.see(PICTURE)) for _ in range(RETURN_EVERY))


@pytest.mark.parametrize("after", [Face(105, 100, 60, who=1), Face(150, 100, 60)])
def test_another_look_or_place_at_once_starts_a_tracklet_that_names_its_forerunner(after):
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60)]
    for _ in range(3):
        follower.see(PICTURE)
    scene.faces = [after]
    scene.reach = 1.0
    (seen,) = follower.see(PICTURE)
    assert (seen.tracklet, seen.heir_of) == (1, 0)


def test_a_cut_ends_all_tracklets_and_faces_are_looked_for_anew():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60), Face(300, 300, 60, 1)]
    follower.see(PICTURE)
    assert not follower.cut
    scene.faces = [Face(110, 100, 70), Face(300, 310, 60, 1)]
    found = follower.see(OTHER_PICTURE)
    assert follower.cut
    assert sorted(seen.tracklet for seen in found) == [2, 3]
    assert all(seen.heir_of is None for seen in found)


def test_a_face_whose_points_stay_in_place_survives_a_change_of_the_light():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60)]
    follower.see(PICTURE)
    scene.faces = [Face(100.5, 100, 60)]
    (seen,) = follower.see(OTHER_PICTURE)
    assert follower.cut
    assert seen.tracklet == 0


def test_a_face_much_smaller_than_another_is_left_alone():
    scene, follower = _follow()
    scene.faces = [Face(150, 150, 200), Face(350, 50, 30, 1)]
    assert len(follower.see(PICTURE)) == 1


def test_no_more_than_a_few_faces_are_followed():
    scene, follower = _follow()
    scene.faces = [Face(40 + 60 * i, 100, 40, i) for i in range(MOST_FACES + 2)]
    assert len(follower.see(PICTURE)) == MOST_FACES


def test_two_tracklets_do_not_end_on_one_face():
    scene, follower = _follow()
    scene.faces = [Face(100, 100, 60), Face(180, 100, 60, 1)]
    follower.see(PICTURE)
    for x in range(100, 180, 8):  # one walks before the other
        scene.faces = [Face(x, 100, 60)]
        found = follower.see(PICTURE)
    assert len(found) == 1


def test_search_windows_cover_the_picture_and_overlap_by_half():
    levels = list(search_windows(1920, 1080))
    assert [w[0][2] - w[0][0] for w in levels] == [1080, 540, 270]
    for windows in levels:
        side = windows[0][2] - windows[0][0]
        for axis, length in ((0, 1920), (1, 1080)):
            starts = sorted({w[axis] for w in windows})
            assert starts[0] == 0
            assert starts[-1] == length - side
            assert max(np.diff(starts), default=0) <= side / 2 + 1
    assert list(search_windows(256, 256)) == []
