"""The bundle's networks: what they are shown, how their output is read, what they find."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.media_factory import tone, write_media
from helpers.published import FACE_LANDMARKER, needs_face_landmarker, needs_mediapipe
from helpers.tflite_factory import write_bundle
from skimage import data

from react24.errors import InputError
from react24.faces import bundle
from react24.faces.bundle import BundleDetector, BundleLandmarks, cut_out, overlap
from react24.faces.mesh import EYE_CORNERS, POINTS, Detector, LandmarkModel, Region
from react24.faces.models import open_models
from react24.faces.track import read_track, track_session
from react24.files import contract
from react24.media.probe import RoleMedia, probe_session

PARITY = Path(__file__).parents[1] / "parity" / "face_landmarker.npz"
TURNED = Region(120.0, 90.0, 64.0, 0.3)


class Stand:
    """In place of a network: keeps what it is shown, gives what it is told."""

    def __init__(self, *outputs):
        self.outputs = outputs
        self.shown = None

    def run(self, values):
        self.shown = values
        return list(self.outputs)


@pytest.fixture
def stand(monkeypatch):
    """Make a bundle's part with a stand-in for its network."""

    def make(kind, *outputs):
        network = Stand(*outputs)
        monkeypatch.setattr(bundle, "read_network", lambda path, part: None)
        monkeypatch.setattr(bundle, "Network", lambda *_: network)
        return kind("bundle.task"), network

    return make


# What is shown


def _spot(x, y, size=(300, 400), reach=6.0):
    """A picture with a soft spot at (x, y)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    light = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * reach**2))
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("u", "v", "rotation"), [(32, 32, 0.3), (20, 40, 0.3), (20, 40, 0.0), (44, 25, -1.2)]
)
def test_a_point_of_the_region_is_shown_where_it_belongs(u, v, rotation):
    region = Region(120.0, 90.0, 96.0, rotation)
    step = region.side / 64
    du, dv = (u - 32) * step, (v - 32) * step
    x = region.x + du * np.cos(rotation) - dv * np.sin(rotation)
    y = region.y + du * np.sin(rotation) + dv * np.cos(rotation)
    shown = cut_out(_spot(x, y), region, 64, outside="black")[..., 0].astype(float)
    rows, columns = np.mgrid[:64, :64]
    assert abs((shown * columns).sum() / shown.sum() - u) < 0.05
    assert abs((shown * rows).sum() / shown.sum() - v) < 0.05


@pytest.mark.parametrize(("outside", "value"), [("black", 0), ("edge", 200)])
def test_beyond_the_picture(outside, value):
    grey = np.full((50, 50, 3), 200, np.uint8)
    shown = cut_out(grey, Region(25, 25, 100, 0), 64, outside=outside)
    assert (shown[32, 32] == 200).all()
    assert (shown[2, 2] == value).all()


# Landmarks


def _mesh_output(points, logit):
    return (
        points.reshape(1, 1, 1, -1).astype(np.float32),
        np.full((1, 1, 1, 1), logit, np.float32),
        np.zeros((1, 1), np.float32),
    )


def test_landmarks_come_back_to_the_picture(stand):
    points = np.random.default_rng(1).uniform(0, 256, (POINTS, 3))
    landmarks, network = stand(BundleLandmarks, *_mesh_output(points, 3.0))
    picture = np.full((200, 300, 3), 51, np.uint8)
    mesh = landmarks.find(picture, TURNED)
    step, cos, sin = TURNED.side / 256, np.cos(TURNED.rotation), np.sin(TURNED.rotation)
    along, down = (points[:, :2] - 128).T * step
    expected = np.stack(
        [
            TURNED.x + along * cos - down * sin,
            TURNED.y + along * sin + down * cos,
            points[:, 2] * step,
        ],
        axis=1,
    )
    np.testing.assert_allclose(mesh.points, expected, atol=1e-3)
    assert mesh.points.dtype == np.float32
    assert abs(mesh.presence - 1 / (1 + np.exp(-3.0))) < 1e-6
    np.testing.assert_allclose(network.shown, np.full((1, 256, 256, 3), 0.2), atol=1e-6)


@pytest.mark.parametrize(("logit", "there"), [(0.1, True), (-0.1, False), (-500.0, False)])
def test_a_region_without_a_face(stand, logit, there):
    landmarks, _ = stand(BundleLandmarks, *_mesh_output(np.zeros((POINTS, 3)), logit))
    found = landmarks.find(np.zeros((99, 99, 3), np.uint8), TURNED)
    assert (found is not None) == there


# Detection


def _detector_output(*faces):
    """Output with faces (anchor, dx, dy, width, height in 128ths, logit); the rest is nothing."""
    values = np.zeros((1, 896, 16), np.float32)
    logits = np.full((1, 896, 1), -9, np.float32)
    for anchor, dx, dy, width, height, logit in faces:
        eyes = [dx - width / 4, dy - height / 8, dx + width / 4, dy - height / 8]
        values[0, anchor, :8] = [dx, dy, width, height, *eyes]
        logits[0, anchor] = logit
    return values, logits


def test_a_box_lies_relative_to_its_cell_and_its_window(stand):
    # Anchor 2 * (16 * 5 + 7): cell (7, 5) of 16 x 16, whose centre is at (7.5, 5.5) / 16.
    detector, network = stand(BundleDetector, *_detector_output((174, 4, -8, 32, 48, 2.0)))
    (face,) = detector.find(np.zeros((300, 400, 3), np.uint8), (40, 20, 296, 276))  # 256 wide
    assert network.shown.shape == (1, 128, 128, 3)
    x, y = 40 + (60 + 4) * 2, 20 + (44 - 8) * 2
    np.testing.assert_allclose(face.box, [x - 32, y - 48, x + 32, y + 48], atol=1e-4)
    assert abs(face.score - 1 / (1 + np.exp(-2.0))) < 1e-6
    assert (round(face.region.x), round(face.region.y)) == (x, y)
    assert abs(face.region.side - 1.5 * 96) < 1e-4
    assert face.region.rotation == 0


def test_a_wide_picture_is_shown_whole_between_black_bars(stand):
    # Anchor 512 + 6 * (8 * 4 + 4): cell (4, 4) of 8 x 8.
    detector, network = stand(BundleDetector, *_detector_output((728, -8, -8, 20, 20, 2.0)))
    (face,) = detector.find(np.full((200, 400, 3), 255, np.uint8))
    rows = network.shown[0, :, 64, 0]
    assert (rows[:31] == -1).all()
    assert (rows[33:95] == 1).all()
    assert (rows[97:] == -1).all()
    centre = (face.box[:2] + face.box[2:]) / 2
    np.testing.assert_allclose(centre, [200, 100], atol=1e-4)


def test_overlapping_boxes_are_one_face_weighted_by_score(stand):
    output = _detector_output(
        (174, 0, 0, 32, 32, 2.0), (175, 4, 0, 32, 32, 0.0), (300, 0, 0, 16, 16, 1.0)
    )
    detector, _ = stand(BundleDetector, *output)
    first, second = detector.find(np.zeros((128, 128, 3), np.uint8))
    sure, unsure = 1 / (1 + np.exp(-2.0)), 0.5
    assert abs(first.box[0] - (60 - 16 + 4 * unsure / (sure + unsure))) < 1e-4
    assert abs(first.score - sure) < 1e-6
    assert second.box[2] - second.box[0] == 16
    assert detector.find(np.zeros((128, 128, 3), np.uint8), (0, 0, 64, 64))[0].score > 0.5


def test_nothing_above_the_least_score(stand):
    detector, _ = stand(BundleDetector, *_detector_output((174, 0, 0, 32, 32, -0.1)))
    assert detector.find(np.zeros((128, 128, 3), np.uint8)) == []


def test_overlap():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1]], float)
    np.testing.assert_allclose(overlap(boxes[0], boxes), [1, 1 / 3, 0, 0])
    assert overlap(boxes[3], boxes[3:])[0] == 0


# Which networks


@needs_mediapipe
def test_mediapipe_is_the_default_and_says_its_version():
    with open_models() as models:
        assert isinstance(models.detector, Detector)
        assert isinstance(models.landmarks, LandmarkModel)
        assert models.weights == "mediapipe 0.10.14"


@pytest.mark.parametrize("model", ["gone.task", "vggish", "random"])
def test_other_settings_are_refused(model, tmp_path):
    with (
        pytest.raises(InputError, match=r"faces\.model.*accepted: mediapipe, face-landmarker"),
        open_models(model, tmp_path),
    ):
        pass


def test_a_bundle_without_the_networks_is_refused_by_name(tmp_path):
    path = write_bundle(tmp_path / "other.task", face_blendshapes=b"x")
    with (
        pytest.raises(InputError, match=r"other\.task: no face_detector\.tflite"),
        open_models(str(path)),
    ):
        pass


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ("mediapipe", "needs the package mediapipe.*face-landmarker"),
        ("mediapipe.python", r"mediapipe 1\.2\.3 no longer has.*face-landmarker"),
    ],
)
def test_without_the_right_mediapipe_the_way_out_is_named(monkeypatch, absent, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == absent else name)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")
    with pytest.raises(InputError, match=message), open_models("mediapipe"):
        pass


# The published bundle


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        pytest.param("mediapipe", "mediapipe 0.10.14", marks=needs_mediapipe),
        pytest.param(
            str(FACE_LANDMARKER), "face_landmarker.task 64184e22", marks=needs_face_landmarker
        ),
    ],
)
def test_a_track_says_which_networks_made_it(tmp_path, model, weights):
    face = np.ascontiguousarray(data.astronaut()[:256, 96:352])
    files = {}
    for role in "ab":
        path = tmp_path / f"{role}.mp4"
        shifted = lambda i: np.roll(face, i, axis=1)  # noqa: E731
        write_media(path, picture=shifted, frames=15, sound=tone(0.6, 16000))
        files[role] = RoleMedia(path, None, role, role)
    media, faces = tmp_path / "media.h5", tmp_path / "faces.h5"
    probe_session(media, session="s", roles=files, tolerate_damage=False)
    track_session(media, faces, max_gap=12, max_missing=0.2, model=model)
    with contract.open_file(faces, "faces") as file:
        assert str(file.attrs["weights"]).startswith(weights)
        assert json.loads(file.attrs["config"])["model"] == model
    track = read_track(faces, "b")
    assert track.weights.startswith(weights)
    assert track.found.all()
    nose = track.landmarks[:, 1, 0]
    np.testing.assert_allclose(nose - nose[0], np.arange(15), atol=1.5)


def _portrait():
    picture = np.ascontiguousarray(data.astronaut())
    picture.flags.writeable = False
    return picture


def _points(models, picture):
    return models.landmarks.find(picture, models.detector.find(picture)[0].region).points


@needs_face_landmarker
def test_points_are_those_of_mediapipes_tasks():
    """The reference is what mediapipe 1.2.3's FaceLandmarker gives for the picture."""
    with np.load(PARITY) as reference:
        expected = reference["points_x64"] / 64
    with open_models(str(FACE_LANDMARKER)) as models:
        points = _points(models, _portrait())
        assert models.weights.startswith("face_landmarker.task 64184e22")
    assert np.abs(points - expected)[:, :2].max() < 0.05
    assert np.abs(points - expected)[:, 2].max() < 0.2


@needs_face_landmarker
@needs_mediapipe
def test_points_are_near_those_of_the_default():
    picture = _portrait()
    with open_models(str(FACE_LANDMARKER)) as new, open_models() as old:
        new, old = _points(new, picture), _points(old, picture)
    eyes = np.linalg.norm(np.subtract(*old[EYE_CORNERS, :2]))
    apart = np.linalg.norm((new - old)[:, :2], axis=1) / eyes
    assert apart.mean() < 0.02
    assert apart.max() < 0.05


@needs_face_landmarker
@needs_mediapipe
def test_the_detector_agrees_with_the_default():
    picture = _portrait()
    with open_models(str(FACE_LANDMARKER)) as new, open_models() as old:
        (new,), (old,) = new.detector.find(picture), old.detector.find(picture)
    np.testing.assert_allclose(new.box, old.box, atol=0.01)
    assert abs(new.score - old.score) < 1e-3
