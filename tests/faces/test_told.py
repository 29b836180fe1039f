"""What is told of the faces in a video."""

import numpy as np
import pytest
from helpers.face_scene import Face, follow_script

from react24.faces.told import Seen, tell_faces
from react24.faces.whose import choose_person

A, B = Face(100, 100, 80, 0), Face(300, 300, 60, 1)


def _tell(script, pictures=None, side="", box=None, **more):
    _, tracklets = follow_script(script, pictures)
    persons = tracklets.persons()
    chosen = choose_person(persons, side)
    ticks = len(script)
    found = persons[chosen].present(ticks)
    box = np.tile([60.0, 60, 140, 140], (ticks, 1)) if box is None else box
    passes = tracklets.passes(persons[chosen])
    seen = Seen(persons, chosen, found, box, tracklets.cuts, passes, **more)
    notices = tell_faces(seen, role="a", video="v.mp4", side=side)
    assert all(n.message.startswith("v.mp4 (role a): ") and n.role == "a" for n in notices)
    return {notice.kind: notice for notice in notices}, notices


def test_a_clean_video_is_not_talked_about():
    assert _tell([[A]] * 100)[1] == []


def test_two_people_all_the_time_are_told_with_the_way_out():
    told, _ = _tell([[A, B]] * 100)
    assert list(told) == ["face.two"]
    message = told["face.two"].message
    assert "100%" in message
    assert "the one on the left is followed" in message
    assert "face_a: right" in message
    assert "crop_a" in message
    assert _tell([[A, B]] * 100, side="right")[1] == []


def test_the_other_s_time_is_told_with_its_seconds():
    told, notices = _tell([[A]] * 100 + [[B]] * 50 + [[A]] * 150)
    assert [n.kind for n in notices] == ["face.other", "face.missing"]
    other = told["face.other"]
    assert (other.start, other.stop) == (4.0, 6.0)
    assert "for 2.00 of 12.00 s, from second 4.00 to 6.00; these times are not valid" in (
        other.message
    )


def test_many_stretches_are_one_sentence():
    script = ([[A]] * 60 + [[A, B]] * 30) * 5
    told, notices = _tell(script)
    assert [n.kind for n in notices] == ["face.other"]
    assert "stretches, the longest from second" in told["face.other"].message


def test_a_late_person_and_a_doubtful_choice_are_told():
    first = Face(200, 200, 80, who=1)
    told, _ = _tell([[first]] * 90 + [[A]] * 110)
    assert told["face.late"].stop == 3.6
    assert "3.60 s" in told["face.doubt"].message


def test_cuts_and_swaps_are_told_by_their_first_seconds():
    other = Face(A.x + 8, A.y, A.width, who=1)
    script = [[A]] * 100 + [[other]] * 50 + [[A]] * 100
    told, _ = _tell(script, [0] * 100 + [200] * 50 + [0] * 100)
    assert "2 times, at second 4.00, 6.00" in told["face.cut"].message
    assert "1 time, at second 4.00" in told["face.swap"].message
    assert told["face.swap"].start == 4.0


def test_a_jump_is_told():
    box = np.tile([60.0, 60, 140, 140], (100, 1))
    box[40:] += 70
    told, _ = _tell([[A]] * 100, box=box)
    assert told["face.jump"].start == 1.6


def test_a_side_without_a_second_face_is_questioned():
    told, _ = _tell([[A]] * 100, side="left")
    assert "only one person is seen" in told["face.alone"].message


def test_a_portrait_beside_the_person_is_told_and_no_second_person():
    portrait = Face(300, 200, 120, who=1, sway=0.001)
    told, notices = _tell([[A, portrait]] * 200)
    assert [n.kind for n in notices] == ["face.still"]
    assert "it is not followed" in told["face.still"].message


def test_a_photograph_is_told():
    told, _ = _tell([[Face(100, 100, 80, sway=0.001)]] * 200)
    assert "as if it were a photograph" in told["face.still"].message


def test_turned_and_cut_off_faces_are_told_with_their_seconds():
    when = np.arange(100) >= 50
    told, _ = _tell([[A]] * 100, turned={180: when}, outside=~when, frozen=when)
    assert "upside down for 2.00 of 4.00 s, from second 2.00 to 4.00" in told["face.turned"].message
    assert "for 2.00 of 4.00 s, from second 0.00 to 2.00" in told["face.outside"].message
    assert "frozen for 2.00 of 4.00 s, from second 2.00 to 4.00" in told["face.frozen"].message
    told, _ = _tell([[A]] * 100, turned={90: when})
    assert "lies on its side" in told["face.turned"].message


@pytest.mark.parametrize(("width", "told"), [(39, True), (41, False)])
def test_a_small_face_is_told(width, told):
    _, notices = _tell([[Face(100, 100, width)]] * 60)
    assert [n.kind for n in notices] == ["face.small"] * told
