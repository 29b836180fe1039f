from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from react24.rig import landmarks as lm
from react24.rig.model import load_rig
from react24.rig.shapes import NAMES, UNOBSERVABLE


@pytest.fixture(scope="module")
def rig():
    return load_rig()


def test_names_are_arkits_in_alphabetical_order(rig):
    assert rig.names == NAMES == tuple(sorted(NAMES))
    assert len(set(rig.names)) == 52
    stems = Counter(n.removesuffix("Left").removesuffix("Right") for n in rig.names)
    # jaw and mouth have a Left and a Right of their own
    assert sum(count == 2 for count in stems.values()) == 20
    assert {"jawOpen", "mouthPucker", "tongueOut", "browInnerUp", "mouthShrugUpper"} <= set(NAMES)


def test_unit_and_frame(rig):
    neutral = rig.neutral
    assert neutral.shape == (478, 3)
    assert np.linalg.norm(neutral[263] - neutral[33]) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(neutral[33] + neutral[263], 0.0, atol=1e-5)
    assert neutral[263, 0] > 0  # the subject's left eye lies at the right of the picture
    assert neutral[152, 1] > 1.0  # the chin is below
    assert neutral[1, 2] < -0.3  # the nose points at the camera
    assert neutral[10, 2] == pytest.approx(neutral[152, 2], abs=1e-4)


def test_neutral_mouth_is_closed_and_eyes_are_open(rig):
    gap = rig.neutral[list(lm.LOWER_LIP[-1]), 1] - rig.neutral[list(lm.UPPER_LIP[-1]), 1]
    assert np.all(gap[1:] >= 0.0)
    assert np.all(gap < 0.01)
    assert rig.neutral[145, 1] - rig.neutral[159, 1] > 0.08


def test_mirror_is_an_involution_and_neutral_is_symmetric(rig):
    np.testing.assert_array_equal(rig.mirror[rig.mirror], np.arange(478))
    flipped = rig.neutral[rig.mirror] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(rig.neutral, flipped, atol=1e-5)
    assert rig.mirror[61] == 291
    assert rig.mirror[468] == 473
    assert rig.mirror[1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_fields_mirror_each_other(rig, name):
    if name.endswith("Left"):
        partner = name.removesuffix("Left") + "Right"
    elif name.endswith("Right"):
        partner = name.removesuffix("Right") + "Left"
    else:
        partner = name
    flipped = rig.displacements[rig.index(partner)][rig.mirror] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(rig.displacements[rig.index(name)], flipped, atol=1e-5)


def test_unobservable_shapes_and_only_they_have_zero_fields(rig):
    still = [n for n, d in zip(rig.names, rig.displacements, strict=True) if not d.any()]
    assert tuple(still) == UNOBSERVABLE
    assert tuple(n for n, o in zip(rig.names, rig.observable, strict=True) if not o) == UNOBSERVABLE


def test_left_is_the_subjects_left(rig):
    for name in ("mouthSmileLeft", "eyeBlinkLeft", "browDownLeft", "eyeLookUpLeft"):
        moved = np.linalg.norm(rig.displacements[rig.index(name)], axis=1)
        assert rig.neutral[moved.argmax(), 0] > 0, name


def test_fields_are_local_and_fall_off_smoothly(rig):
    blink = np.linalg.norm(rig.displacements[rig.index("eyeBlinkLeft")], axis=1)
    assert blink[[152, 61, 291, 13, 33, 1, 33, 159]].max() == 0.0
    jaw = np.linalg.norm(rig.displacements[rig.index("jawOpen")], axis=1)
    assert jaw[[33, 263, 1, 10, 159]].max() == 0.0
    # No edge of the skin tears: neighbours move alike, measured against the largest motion.
    edges = np.array(sorted({tuple(sorted(e)) for t in rig.triangles for e in combinations(t, 2)}))
    length = np.linalg.norm(rig.neutral[edges[:, 0]] - rig.neutral[edges[:, 1]], axis=1)
    smile = rig.displacements[rig.index("mouthSmileLeft")]
    stretch = np.linalg.norm(smile[edges[:, 0]] - smile[edges[:, 1]], axis=1)
    assert (stretch / length).max() < 1.5


def test_sizes_are_anatomical(rig):
    def moved(name, point):
        return rig.displacements[rig.index(name), point]

    assert 0.25 < moved("jawOpen", 14)[1] <= 1 / 3
    closed = rig.deform(np.eye(52)[rig.index("eyeBlinkLeft")])
    upper, lower = [rig.mirror[p] for p in lm.UPPER_LID], [rig.mirror[p] for p in lm.LOWER_LID]
    np.testing.assert_allclose(closed[upper], closed[lower], atol=1e-5)
    smile = moved("mouthSmileLeft", 291)
    assert smile[0] > 0.05  # outwards
    assert smile[1] < -0.05  # up
    assert moved("browInnerUp", 55)[1] < -0.05
    assert moved("browDownLeft", 285)[1] > 0.05
    assert moved("mouthLeft", 13)[0] > 0.05
    assert np.abs(rig.displacements[..., :2]).max() < 0.34
    for name in ("eyeLookInLeft", "eyeLookOutRight"):
        assert moved(name, 473 if name.endswith("Left") else 468)[0] < -0.05


def test_triangles_make_a_surface_with_three_holes(rig):
    assert rig.triangles.shape == (852, 3)
    assert rig.eye_triangles.shape == (28, 3)
    assert rig.mouth_triangles.shape == (18, 3)
    assert rig.triangles.max() == 467

    def euler_number(triangles):
        edges = Counter(tuple(sorted(e)) for t in triangles.tolist() for e in combinations(t, 2))
        assert max(edges.values()) == 2  # manifold
        border = sum(count == 1 for count in edges.values())
        return len(np.unique(triangles)) - len(edges) + len(triangles), border

    assert euler_number(rig.triangles) == (-2, 88)
    whole = np.concatenate([rig.triangles, rig.eye_triangles, rig.mouth_triangles])
    assert euler_number(whole) == (1, 36)  # a disc bordered by the oval of the face


def test_triangles_are_wound_alike(rig):
    whole = np.concatenate([rig.triangles, rig.eye_triangles, rig.mouth_triangles]).tolist()
    directed = Counter(pair for a, b, c in whole for pair in ((a, b), (b, c), (c, a)))
    assert max(directed.values()) == 1


def test_rigid_points_do_not_move(rig):
    moved = np.linalg.norm(rig.displacements[:, rig.rigid], axis=2).max(axis=1)
    # a blink or a brow may drag the forehead a little; the jaw and the mouth do not
    for name, most in zip(rig.names, moved, strict=True):
        assert most < (0.08 if name.startswith("brow") else 0.035), name


def test_rig_arrays_are_read_only(rig):
    with pytest.raises(ValueError, match="read-only"):
        rig.neutral[0, 0] = 1.0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rebuilding_gives_the_shipped_rig(rig):
    pytest.importorskip("mediapipe")
    from react24.rig.build import build_rig

    again = build_rig()
    for name in ("names", "version"):
        assert getattr(again, name) == getattr(rig, name)
    for name in ("triangles", "eye_triangles", "mouth_triangles", "observable", "rigid", "mirror"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rig, name))
    # The network's arithmetic differs a little between processors.
    np.testing.assert_allclose(again.neutral, rig.neutral, atol=0.01)
    np.testing.assert_allclose(again.displacements, rig.displacements, atol=0.01)
