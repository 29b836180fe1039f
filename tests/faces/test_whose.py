"""Whose face is whose, and whose video it is, in scripts of who is where."""

import numpy as np
import pytest
from helpers.face_scene import Face, follow_script

from react24.faces.whose import choose_person

A, B, C = Face(100, 100, 80, 0), Face(300, 300, 60, 1), Face(300, 100, 80, 2)


def _ticks(person, total):
    return set(np.flatnonzero(person.present(total)).tolist())


def _main(script, pictures=None, side=""):
    _, tracklets = follow_script(script, pictures)
    persons = tracklets.persons()
    return persons, persons[choose_person(persons, side)], tracklets


def test_one_face_is_one_person():
    persons, person, _ = _main([[A]] * 50)
    assert len(persons) == 1
    assert (person.frames, person.width, person.x) == (50, 80, 100)


def test_the_person_returns_and_the_other_stays_another():
    script = [[A, B]] * 100 + [[B]] * 75 + [[A, B]] * 125
    persons, person, _ = _main(script)
    assert len(persons) == 2
    own = _ticks(person, 300)
    assert set(range(100)) <= own
    assert not own & set(range(100, 175))
    assert len(own & set(range(175, 300))) >= 115


def test_somebody_else_in_the_person_s_seat_is_somebody_else():
    seat = Face(A.x, A.y, A.width, who=1)
    script = [[A]] * 100 + [[]] * 25 + [[seat]] * 50 + [[]] * 25 + [[A]] * 100
    persons, person, _ = _main(script)
    assert len(persons) == 2
    assert _ticks(person, 300) == set(range(100)) | set(range(200, 300))


def test_who_sets_up_the_camera_gives_way_to_who_sits_down_later():
    script = [[Face(200, 150, 120, who=1)]] * 60 + [[]] * 20 + [[A]] * 200
    _, person, _ = _main(script)
    assert _ticks(person, 280) == set(range(80, 280))


@pytest.mark.parametrize("cut", [True, False])
def test_another_face_at_the_same_place_is_told_apart(cut):
    other = Face(A.x + 8, A.y + 2, A.width, who=1)
    script = [[A]] * 100 + [[other]] * 50 + [[A]] * 100
    pictures = [0] * 100 + [200 * cut] * 50 + [0] * 100
    _, person, tracklets = _main(script, pictures)
    assert _ticks(person, 250) == set(range(100)) | set(range(150, 250))
    assert tracklets.cuts == ([100, 150] if cut else [])
    assert tracklets.passes(person) == [100]


def test_people_who_look_alike_are_two_while_both_are_there():
    twin = Face(300, 300, 70, who=0)
    persons, _, _ = _main([[A, twin]] * 60)
    assert [p.frames for p in persons] == [60, 60]


def test_a_large_face_counts_more_than_a_small_one_in_the_background():
    _, person, _ = _main([[A, Face(300, 300, 30, who=1)]] * 70 + [[Face(300, 300, 30, who=1)]] * 30)
    assert person.width == 80


@pytest.mark.parametrize(("side", "x"), [("left", 100), ("right", 300), ("", 100)])
def test_the_side_says_which_of_two_is_meant(side, x):
    _, person, _ = _main([[A, B]] * 50, side=side)
    assert person.x == x


def test_the_side_is_that_of_the_two_main_people():
    script = [[A, C]] * 100
    script[20:40] = [[A, C, Face(380, 350, 30, who=3)]] * 20
    persons, person, _ = _main(script, side="right")
    assert len(persons) == 3
    assert person.x == 300


def test_a_face_that_differs_much_after_a_moment_is_the_same_one():
    # A hand before the face, then a turned head: at once, at the same place, nobody else comes.
    turned = Face(A.x + 10, A.y, A.width, who=0.7)
    persons, person, _ = _main([[A]] * 60 + [[]] * 8 + [[turned]] * 60)
    assert len(persons) == 1
    assert person.frames == 120
    later, _, _ = _main([[A]] * 60 + [[]] * 80 + [[turned]] * 60)
    assert len(later) == 2


@pytest.mark.parametrize(("x", "cut", "people"), [(105, 0, 1), (105, 200, 2), (330, 0, 2)])
def test_a_face_that_differs_a_little_is_the_same_one_at_the_same_place(x, cut, people):
    later = Face(x, A.y, A.width, who=0.53)
    script = [[A]] * 60 + [[]] * 80 + [[later]] * 60
    persons, _, _ = _main(script, [0] * 100 + [cut] * 100)
    assert len(persons) == people


def test_glimpses_make_no_person():
    script = [[A]] * 50
    script[20:25] = [[A, B]] * 5
    script[0] = [A, C]
    persons, _, _ = _main(script)
    assert len(persons) == 1


def test_nobody_is_nobody():
    _, tracklets = follow_script([[]] * 30)
    assert tracklets.persons() == []


def test_a_flickering_video_is_decided_in_time():
    shown = [[A] if tick % 4 else [] for tick in range(1200)]
    persons, person, _ = _main(shown)
    assert len(persons) == 1
    assert person.frames == 900


def test_a_portrait_gives_way_to_a_person_who_moves_however_large_it_is():
    portrait = Face(300, 200, 120, who=1, sway=0.001)
    persons, person, _ = _main([[A, portrait]] * 100 + [[portrait]] * 200)
    assert [p.still for p in persons] == [False, True]
    assert _ticks(person, 300) == set(range(100))


def test_what_is_left_out_is_nobody():
    script = [[A]] * 100 + [[Face(A.x, A.y, A.width, who=1)]] * 150
    _, tracklets = follow_script(script)
    tracklets.leave_out([1])
    (person,) = tracklets.persons()
    assert person.frames == 100
    assert tracklets.passes(person) == []
    assert {n: int(t.sum()) for n, t in tracklets.present({1: 180}, 250).items()} == {180: 150}
