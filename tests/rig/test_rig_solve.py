import numpy as np
import pytest
from helpers.rig_motion import ACTIVE, move_head

from react24.errors import InputError
from react24.rig import solve as solve_module
from react24.rig.model import load_rig
from react24.rig.quadratic import solve_box
from react24.rig.solve import SolveSettings, solve_track


def run(moved, **settings):
    chosen = SolveSettings(**settings) if settings else None
    return solve_track(moved.landmarks, moved.valid, moved.width, moved.height, settings=chosen)


def test_known_coefficients_of_another_identity_are_recovered():
    moved = move_head()
    # This head is hardly ever at rest; when, is told.
    at_rest = moved.coefficients.sum(1) < 0.5
    found = solve_track(moved.landmarks, moved.valid, 256, 256, at_rest=at_rest)
    rig = load_rig()
    for name in ACTIVE:
        k = rig.index(name)
        r = np.corrcoef(moved.coefficients[:, k], found.coefficients[:, k])[0, 1]
        assert r > 0.8, (name, r)
    # a shape is not explained by the common ones' rivals
    quiet = [rig.index(n) for n in ("mouthClose", "jawLeft", "noseSneerLeft", "mouthFunnel")]
    assert found.coefficients[:, quiet].mean() < 0.1
    assert found.valid.all()


def test_rotation_of_another_identity_is_recovered():
    moved = move_head(seed=3)
    found = run(moved).rotation
    assert np.degrees(np.median(np.abs(found - moved.rotation))) < 1.5
    for axis in range(3):
        assert np.corrcoef(found[:, axis], moved.rotation[:, axis])[0, 1] > 0.97


def test_constraints_hold_and_unobservable_shapes_are_exactly_zero():
    found = run(move_head(frames=200, noise=3.0))
    assert found.coefficients.dtype == np.float32
    assert found.coefficients.min() >= 0.0
    assert found.coefficients.max() <= 1.0
    assert not found.coefficients[:, ~load_rig().observable].any()


def test_smoothness_quietens_without_delay():
    moved = move_head(frames=300, noise=1.5)
    rough, smooth = run(moved, smoothness=0.0), run(moved, smoothness=2.0)
    steps = [np.abs(np.diff(s.coefficients, axis=0)).mean() for s in (rough, smooth)]
    assert steps[1] < 0.6 * steps[0]
    k = load_rig().index("jawOpen")
    true = moved.coefficients[:, k]
    lags = [
        np.corrcoef(true[5:-5], np.roll(smooth.coefficients[:, k], s)[5:-5])[0, 1]
        for s in (-3, 0, 3)
    ]
    assert lags[1] > max(lags[0], lags[2])


def test_frames_without_a_face_hold_the_last_values_and_are_marked():
    moved = move_head(frames=200)
    broken = moved.landmarks.copy()
    broken[50:60] = np.nan
    moved.valid[100:105] = False
    broken[100:105] += 500.0  # nonsense where the track says so
    found = solve_track(broken, moved.valid, 256, 256)
    assert not found.valid[50:60].any()
    assert not found.valid[100:105].any()
    assert found.valid.sum() == 185
    for name in ("rotation", "translation", "coefficients", "scores", "pose_error"):
        values = getattr(found, name)
        for first, last in ((49, 60), (99, 105)):
            held = np.repeat(values[first : first + 1], last - first, axis=0)
            np.testing.assert_array_equal(values[first:last], held)


def test_ends_without_a_face_are_held():
    moved = move_head(frames=60)
    moved.valid[:10] = False
    moved.valid[-5:] = False
    found = run(moved)
    np.testing.assert_array_equal(found.rotation[:10], np.tile(found.rotation[10], (10, 1)))
    np.testing.assert_array_equal(found.translation[-5:], np.tile(found.translation[-6], (5, 1)))


def test_chunks_do_not_change_the_result(monkeypatch):
    moved = move_head(frames=150)
    whole = run(moved)
    monkeypatch.setattr(solve_module, "CHUNK", 32)
    parts = run(moved)
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, atol=1e-5)
    np.testing.assert_allclose(parts.rotation, whole.rotation, atol=1e-6)


def test_one_frame_is_enough():
    found = run(move_head(frames=1))
    assert found.coefficients.shape == (1, 52)
    assert np.isfinite(found.translation).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: (m.landmarks, np.zeros(20, bool), 256), "none of 20 frames"),
        (lambda m: (m.landmarks * np.nan, m.valid, 256), "none of 20 frames"),
        (lambda m: (m.landmarks[:, :468], m.valid, 256), r"\(T, 478, 3\)"),
        (lambda m: (m.landmarks[:0], m.valid[:0], 256), r"T >= 1"),
        (lambda m: (m.landmarks, m.valid[:5], 256), r"valid has shape \(5,\)"),
        (lambda m: (m.landmarks, m.valid, 0), "0 x 256 pixels"),
    ],
)
def test_bad_input_is_refused(change, message):
    landmarks, valid, width = change(move_head(frames=20))
    with pytest.raises(InputError, match=message):
        solve_track(landmarks, valid, width, 256)


def test_box_solver_agrees_with_a_general_one():
    from scipy.optimize import lsq_linear

    rng = np.random.default_rng(0)
    frames, shapes, rows = 6, 4, 12
    fields = rng.normal(size=(rows, shapes)) * (1.0, 0.2, 3.0, 0.5)
    seen = rng.normal(size=(frames, rows))
    gram, penalty, smoothness = fields.T @ fields, np.array([0.1, 0.3, 0.0, 1.0]), 0.4
    found = solve_box(gram, seen @ fields, penalty=penalty, smoothness=smoothness, tolerance=1e-7)
    size = np.sqrt(np.diag(gram))
    blocks = [
        np.kron(np.eye(frames), fields),
        np.kron(np.eye(frames), np.diag(np.sqrt(penalty) * size)),
    ]
    blocks.append(np.kron(np.diff(np.eye(frames), axis=0), np.diag(np.sqrt(smoothness) * size)))
    matrix = np.concatenate(blocks)
    target = np.zeros(len(matrix))
    target[: frames * rows] = seen.ravel()
    exact = lsq_linear(matrix, target, (0.0, 1.0), tol=1e-12).x.reshape(frames, shapes)
    np.testing.assert_allclose(found, exact, atol=2e-4)
    assert (exact < 1e-9).any()  # some bounds are active, or the test shows nothing
