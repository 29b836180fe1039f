"""The blendshape network: which points go in, where outputs land, which files are refused."""

from pathlib import Path

import numpy as np
import pytest
from helpers.published import FACE_LANDMARKER, needs_face_landmarker
from helpers.tflite_factory import linear_network, write_bundle

from react24.errors import InputError
from react24.rig.shapes import NAMES
from react24.streams.blendshape_network import DEAD, POINTS, BlendshapeNetwork
from react24.weights import registry as weights

PARITY = Path(__file__).parents[1] / "parity" / "blendshape_network.npz"


def _copying(point, axis, output):
    """A network whose ``output`` is one coordinate of one of its 146 points; -1 elsewhere."""
    weight = np.zeros((52, 292))
    weight[output, 2 * point + axis] = 1
    bias = np.full(52, -1.0)
    bias[output] = 0
    return linear_network((1, 146, 2), [((52,), weight, bias)])


def _faces(count=3):
    return np.random.default_rng(0).uniform(0, 500, (count, 478, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("point", "axis", "output", "name"),
    [
        (0, 0, 1, "browDownLeft"),
        (12, 1, 9, "eyeBlinkLeft"),
        (136, 0, 25, "jawOpen"),
        (145, 1, 49, "mouthUpperUpRight"),
    ],
)
def test_points_and_outputs_are_in_the_networks_order(tmp_path, point, axis, output, name):
    path = write_bundle(tmp_path / "b.task", face_blendshapes=_copying(point, axis, output))
    faces = _faces()
    scores = BlendshapeNetwork(path).scores(faces, 640, 480)
    assert scores.dtype == np.float32
    assert scores.shape == (3, 52)
    np.testing.assert_allclose(scores[:, NAMES.index(name)], faces[:, POINTS[point], axis])
    others = [n for n in NAMES if n != name and n not in DEAD]
    assert (scores[:, [NAMES.index(n) for n in others]] == -1).all()


def test_what_the_network_does_not_see_is_zero(tmp_path):
    path = write_bundle(tmp_path / "b.task", face_blendshapes=_copying(0, 0, 6))
    scores = BlendshapeNetwork(path).scores(_faces(), 640, 480)
    assert (scores[:, [NAMES.index(name) for name in DEAD]] == 0).all()


def test_bundle_and_bare_network_give_the_same(tmp_path):
    content = _copying(7, 1, 3)
    bundle = write_bundle(tmp_path / "b.task", face_blendshapes=content, face_detector=b"other")
    bare = tmp_path / "net.tflite"
    bare.write_bytes(content)
    one, two = BlendshapeNetwork(bundle), BlendshapeNetwork(bare)
    faces = _faces()
    np.testing.assert_array_equal(one.scores(faces, 9, 9), two.scores(faces, 9, 9))
    assert one.name.startswith("b.task ")
    assert two.name.startswith("net.tflite ")
    assert two.name.endswith(" licence unknown")


def test_no_faces_give_no_rows(tmp_path):
    path = write_bundle(tmp_path / "b.task", face_blendshapes=_copying(0, 0, 1))
    assert BlendshapeNetwork(path).scores(_faces(0), 640, 480).shape == (0, 52)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[..., :2], "shape"),
        (lambda x: x[:, :468], "shape"),
        (lambda x: np.where(np.arange(3)[:, None, None] == 2, np.nan, x), "face 2"),
    ],
)
def test_unusable_landmarks_are_refused(tmp_path, change, message):
    path = write_bundle(tmp_path / "b.task", face_blendshapes=_copying(0, 0, 1))
    with pytest.raises(ValueError, match=message):
        BlendshapeNetwork(path).scores(change(_faces()), 640, 480)


def _write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p, "no such file"),
        (lambda p: _write(p, b"<html>not found</html>"), "not a TensorFlow Lite network"),
        (lambda p: _write(p, b"\x1c\0\0\0TFL3" + b"\xff" * 400), "cannot be run"),
        (lambda p: write_bundle(p, face_detector=b"x"), "no face_blendshapes.tflite"),
        (lambda p: write_bundle(p, face_blendshapes=b"x" * 99), "not a TensorFlow Lite network"),
        (
            lambda p: write_bundle(
                p, face_blendshapes=linear_network((1, 4), [((3,), np.ones((3, 4)), np.ones(3))])
            ),
            "another network than expected",
        ),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, make, message):
    path = make(tmp_path / "given.task")
    with pytest.raises(InputError, match=message) as error:
        BlendshapeNetwork(path)
    assert "given.task" in str(error.value)


def test_a_damaged_bundle_is_refused_by_name(tmp_path):
    path = write_bundle(tmp_path / "given.task", face_blendshapes=_copying(0, 0, 1))
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged bundle"):
        BlendshapeNetwork(path)


@needs_face_landmarker
def test_published_network_gives_what_mediapipe_gives():
    with np.load(PARITY) as reference:
        faces = reference["landmarks_x16"].astype(np.float32) / 16
        expected = reference["scores"]
    network = BlendshapeNetwork(FACE_LANDMARKER)
    scores = network.scores(faces, 1280, 720)
    alive = [i for i, name in enumerate(NAMES) if name not in DEAD]
    np.testing.assert_allclose(scores[:, alive], expected[:, alive], atol=1e-4)
    assert (expected[:, [NAMES.index(name) for name in DEAD[:-1]]] < 0.01).all()
    np.testing.assert_array_equal(scores, network.scores(faces, 1280, 720))
    digest = weights.find_entry("face-landmarker").sha256
    assert network.name == f"{FACE_LANDMARKER.name} {digest} Apache-2.0"
