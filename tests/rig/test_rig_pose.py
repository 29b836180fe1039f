import numpy as np
import pytest

from react24.rig.model import load_rig
from react24.rig.pose import (
    Camera,
    euler_to_matrix,
    fit_pose,
    matrix_to_euler,
    to_head_frame,
)


def test_euler_angles_round_trip_and_mean_what_they_say():
    angles = np.random.default_rng(0).uniform(-1.2, 1.2, (200, 3))
    matrix = euler_to_matrix(angles)
    np.testing.assert_allclose(
        matrix @ matrix.swapaxes(1, 2), np.tile(np.eye(3), (200, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0)
    np.testing.assert_allclose(matrix_to_euler(matrix), angles)
    nose = np.array([0.0, 0.0, -1.0])
    assert (euler_to_matrix([0.3, 0, 0]) @ nose)[1] > 0.2  # lowered
    assert (euler_to_matrix([0, 0.3, 0]) @ nose)[0] < -0.2  # to the left of the picture
    assert (euler_to_matrix([0, 0, 0.3]) @ [1.0, 0, 0])[1] > 0.2  # clockwise
    single = [np.array([a if k == i else 0.0 for k in range(3)]) for i, a in enumerate(angles[0])]
    x, y, z = (euler_to_matrix(s) for s in single)
    np.testing.assert_allclose(euler_to_matrix(angles[0]), z @ y @ x)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_pose_of_a_known_rotation_within_half_a_degree(noise):
    rig, rng = load_rig(), np.random.default_rng(1)
    rotation = rng.uniform(-0.5, 0.5, (300, 3))
    origin = np.column_stack([rng.uniform(80, 170, (300, 2)), np.zeros(300)])
    scale = rng.uniform(50, 120, 300)
    points = rig.neutral @ euler_to_matrix(rotation).swapaxes(1, 2)
    landmarks = scale[:, None, None] * points + origin[:, None]
    landmarks += rng.normal(0, noise, landmarks.shape)
    pose = fit_pose(landmarks[:, rig.rigid], rig.neutral[rig.rigid])
    error = np.degrees(np.abs(matrix_to_euler(pose.matrix) - rotation))
    assert np.median(error) < 0.5
    if noise == 0.0:
        assert error.max() < 1e-3
        np.testing.assert_allclose(pose.scale, scale, rtol=1e-6)
        np.testing.assert_allclose(pose.origin, origin, atol=1e-3)
        np.testing.assert_allclose(
            to_head_frame(landmarks, pose), np.tile(rig.neutral, (300, 1, 1)), atol=1e-4
        )
    assert pose.error.mean() == pytest.approx(noise * np.sqrt(2), rel=0.1, abs=1e-3)


def test_pose_and_place_of_a_head_beside_the_optical_axis():
    rig = load_rig()
    camera = Camera.of_picture(256, 200, focal=256.0)
    assert (camera.focal, camera.x, camera.y) == (256.0, 128.0, 100.0)
    assert Camera.of_picture(256, 200, focal=900.0).focal == 900.0
    # Far away and up to 14 degrees off the axis, where the perspective of the face is flat.
    translation = np.array([[10.0, -8.0, 60.0], [-20.0, 0.5, 80.0], [0.0, 0.0, 70.0]])
    rotation = np.array([[0.1, -0.2, 0.05], [0.0, 0.3, 0.0], [0.2, 0.0, -0.1]])
    inside = rig.neutral @ euler_to_matrix(rotation).swapaxes(1, 2) + translation[:, None]
    pixels = camera.focal * inside[..., :2] / inside[..., 2:] + (camera.x, camera.y)
    away = np.linalg.norm(inside, axis=2, keepdims=True)  # depth along the line of sight
    landmarks = np.concatenate([pixels, away * camera.focal / translation[:, None, 2:]], axis=-1)
    pose = fit_pose(landmarks[:, rig.rigid], rig.neutral[rig.rigid])
    np.testing.assert_allclose(pose.translation(camera), translation, rtol=0.05, atol=0.1)
    found = pose.rotation(camera, landmarks[:, :468, :2].mean(1))
    assert np.degrees(np.abs(found - rotation)).max() < 1.5


def test_a_mirrored_head_is_not_taken_for_a_rotation():
    rig = load_rig()
    mirrored = rig.neutral[rig.rigid] * np.float32([1, 1, -1])
    pose = fit_pose(90.0 * mirrored[None], rig.neutral[rig.rigid])
    assert np.linalg.det(pose.matrix[0]) == pytest.approx(1.0)
