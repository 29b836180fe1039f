"""A face tracker that knows nothing of the rig finds the drawn face and sees what it does."""

import numpy as np
import pytest

from react24.corpora.demo.puppet import SIZE, Puppet, draw_look
from react24.rig.model import load_rig
from react24.rig.render import project

FRAMES = 50


def _track(pictures):
    """Landmarks (T, 478, 2) in pixels; fails where no face is found."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    tracks = []
    with FaceMesh(refine_landmarks=True, max_num_faces=1) as network:
        for picture in pictures:
            faces = network.process(picture).multi_face_landmarks
            assert faces, f"no face in frame {len(tracks)}"
            tracks.append([(p.x * SIZE, p.y * SIZE) for p in faces[0].landmark])
    return np.array(tracks)


def _height(marks, upper, lower):
    """Mean distance of landmark pairs in units of the distance between the outer eye corners."""
    unit = np.linalg.norm(marks[:, 263] - marks[:, 33], axis=1)
    return np.linalg.norm(marks[:, upper] - marks[:, lower], axis=2).mean(axis=1) / unit


@pytest.mark.parametrize(
    ("shape", "upper", "lower"),
    [
        ("jawOpen", [13], [14]),
        ("eyeBlink", [159, 386], [145, 374]),
        ("browInnerUp", [55, 285], [133, 362]),
        ("browDown", [55, 285], [133, 362]),
    ],
)
def test_tracker_follows(shape, upper, lower):
    """The distance that the shape changes is seen where the mesh has it, while the head moves."""
    rig = load_rig()
    puppet = Puppet(rig, draw_look(np.random.default_rng(2)))
    values = 0.4 - 0.4 * np.cos(np.linspace(0, 4 * np.pi, FRAMES))
    turns = 0.05 * np.sin(np.linspace(0, 7, FRAMES)[:, None] + np.arange(3))
    pictures, truth = [], []
    for value, turn in zip(values, turns, strict=True):
        coefficients = np.zeros(52)
        for name in (shape, f"{shape}Left", f"{shape}Right"):
            if name in rig.names:
                coefficients[rig.index(name)] = value
        pose = puppet.rest_rotation + turn, puppet.rest
        pictures.append(puppet.draw(coefficients, *pose))
        truth.append(project(puppet.face(coefficients), *pose, SIZE, SIZE)[:, :2])
    seen, true = (_height(marks, upper, lower) for marks in (_track(pictures), np.array(truth)))
    assert np.corrcoef(seen, true)[0, 1] > 0.85
