import time

import numpy as np
import pytest
from helpers.real_face import face, session

from react24.errors import InputError
from react24.rig import student_build
from react24.rig.faces_drawn import People, draw_faces
from react24.rig.model import load_rig
from react24.rig.pose import euler_to_matrix
from react24.rig.shapes import NAMES
from react24.rig.student import STUDENT_PATH, Student, frontal_view, load_student


def scores(landmarks):
    return load_student().scores(landmarks.astype(np.float32), 512, 512)


def pair(found, stem):
    return found[:, [NAMES.index(f"{stem}Left"), NAMES.index(f"{stem}Right")]].mean(1)


def test_it_sees_what_a_face_does():
    found = scores(np.stack([face(n) for n in ("rest", "grin", "shut", "rounded", "surprised")]))
    assert found.shape == (5, 52)
    assert found.dtype == np.float32
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert pair(found, "mouthSmile").argmax() == 1
    assert pair(found, "mouthSmile")[[0, 3, 4]].max() < 0.3 < 0.6 < pair(found, "mouthSmile")[1]
    assert pair(found, "eyeBlink").argmax() == 2
    assert found[:, NAMES.index("mouthPucker")].argmax() == 3
    assert found[:, NAMES.index("jawOpen")].argmax() in (3, 4)
    assert not found[:, NAMES.index("tongueOut")].any()


def test_place_size_and_turn_of_the_head_do_not_matter():
    grin = face("grin").astype(np.float64)
    middle = grin.mean(0)
    straight = scores(grin[None])
    for turn in ((0, 0, 0.6), (0.2, 0, 0), (0, -0.3, 0.1)):
        turned = 1.7 * (grin - middle) @ euler_to_matrix(np.array(turn)).T + (300, 90, 4)
        np.testing.assert_allclose(scores(turned[None]), straight, atol=1e-3)


def test_it_is_small_and_fast():
    assert STUDENT_PATH.stat().st_size < 300_000
    many = np.repeat(frontal_view(face("rest")[None]), 4000, axis=0)
    load_student().judge_frontal(many)
    began = time.process_time()
    load_student().judge_frontal(many)
    assert len(many) / (time.process_time() - began) > 10_000


def test_drawn_faces_are_faces_in_the_head_frame():
    rig = load_rig()
    shown = session(("rest", 5), ("grin", 5))
    faces = frontal_view(shown.landmarks).astype(np.float32)
    people = People(np.concatenate([faces, faces]), np.repeat([0, 1], 10), faces[[0, 5]])
    drawn, used = draw_faces(people, rig, 200, np.random.default_rng(0))
    assert drawn.shape == (200, 478, 3)
    assert np.isfinite(drawn).all()
    assert set(np.unique(used)) <= {-1, 0, 1}
    eyes = np.linalg.norm(drawn[:, 263] - drawn[:, 33], axis=1)
    assert eyes.min() > 0.7
    assert eyes.max() < 1.4
    spread = drawn.std(0).max(1)
    assert spread[14] > 1.5 * spread[33]  # the lower lip against the corner of the eye


def test_the_script_teaches_from_tracks_and_writes_a_judge(tmp_path, monkeypatch):
    """With a teacher whose answer is a plain function of the points, few lessons suffice."""

    class Teacher:
        name = "teacher"

        def scores(self, landmarks, width, height):
            gap = (landmarks[:, 14, 1] - landmarks[:, 13, 1]) / student_build.PIXELS
            found = np.full((len(landmarks), 52), 0.2, np.float32)
            found[:, NAMES.index("jawOpen")] = np.clip(4 * gap, 0.02, 0.98)
            found[:, -1] = 0.0
            return found

    for name in ("one", "two"):
        parts = session(("rest", 30), ("surprised", 30), ("grin", 30), seed=len(name))
        x16 = (16 * parts.landmarks).round().astype(np.int16)
        np.savez(tmp_path / f"{name}.npz", landmarks_x16=x16, found=parts.valid)
    recorded = student_build.read_people(tmp_path)
    assert [len(faces) for faces in recorded] == [90, 90]
    monkeypatch.setattr(student_build, "DRAW", 500)
    rng = np.random.default_rng(0)
    real, drawn = student_build.make_lessons(recorded, Teacher(), 1500, rng)
    assert len(real.points) == 180
    assert drawn.points.shape == (1500, 292)
    fit = student_build.fit_student(real, drawn, epochs=60, seed=0)
    student_build.save_student(fit, tmp_path / "student.npz")
    found = Student(tmp_path / "student.npz").scores(parts.landmarks, 512, 512)
    right = Teacher().scores(student_build.PIXELS * frontal_view(parts.landmarks), 1, 1)
    jaw = NAMES.index("jawOpen")
    assert np.corrcoef(found[:, jaw], right[:, jaw])[0, 1] > 0.95
    left_out = student_build.leave_people_out(real, drawn, 2, epochs=1, seed=0)
    assert left_out.shape == (180, 52)


def test_a_folder_without_tracks_is_refused(tmp_path):
    with pytest.raises(InputError, match="no face in any"):
        student_build.read_people(tmp_path)
