import os

import numpy as np
import pytest

from react24.clips import normalize
from react24.errors import InputError
from react24.files import contract
from react24.files.carriers import read_recipe
from react24.files.provenance import Recipe, declaring


def features(values, valid=None):
    values = np.asarray(values, np.float32)
    return contract.Features(
        values=values,
        valid=np.ones(len(values), bool) if valid is None else np.asarray(valid),
        feature_names=tuple(f"c{i}" for i in range(values.shape[1])),
        stream="graphau",
        backend="landmarks",
        pretrained=True,
    )


def test_hand_computed():
    result = normalize.zscore(features([[1.0], [3.0]]))
    np.testing.assert_allclose(result.values, [[-1.0], [1.0]])
    np.testing.assert_allclose(result.extra["mean"], [2.0])
    np.testing.assert_allclose(result.extra["std"], [1.0])


def test_invalid_frames_do_not_count_but_are_scaled():
    result = normalize.zscore(features([[1.0], [3.0], [100.0]], [True, True, False]))
    np.testing.assert_allclose(result.values, [[-1.0], [1.0], [98.0]])


def test_constant_channel_becomes_zero_and_is_listed():
    values = np.array([[0.3, 1.0], [0.3, 2.0], [0.9, 3.0]])
    result = normalize.zscore(features(values, [True, True, False]))
    np.testing.assert_array_equal(result.values[:, 0], 0.0)
    assert result.constant_channels == ("c0",)


def test_large_offset_keeps_precision():
    rng = np.random.default_rng(0)
    values = 1e4 + rng.standard_normal((1000, 3))
    result = normalize.zscore(features(values))
    np.testing.assert_allclose(result.values.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(result.values.std(0), 1.0, atol=1e-3)


def write(path, *parts, subjects=("x", "y"), **how):
    roles = dict(zip("ab", parts, strict=True))
    names = dict(zip("ab", subjects, strict=True))
    contract.write_features(path, roles, subjects=names, created_by="extract_graphau", **how)
    return contract.sha256_file(path)


def test_session_without_a_valid_frame_is_named(tmp_path):
    path = tmp_path / "f.h5"
    write(path, features([[1.0], [2.0]]), features([[1.0], [2.0]], [False, False]))
    with pytest.raises(InputError, match=r"f\.h5, role b.*no valid frame"):
        normalize.zscore_session(path)


def test_session_round_trip(tmp_path):
    path, out = tmp_path / "f.h5", tmp_path / "n.h5"
    part = features([[1.0, 5.0], [3.0, 5.0]])
    digest = write(path, part, part, segments=np.array([[4, 0, 2]]))
    made = normalize.normalize_session(path, out, digest=digest)
    read = contract.read_features(out, "normalized")
    for role in "ab":
        np.testing.assert_array_equal(made[role].values, read[role].values)
    restored = read["a"].values * read["a"].extra["std"] + read["a"].extra["mean"]
    np.testing.assert_allclose(restored, part.values)
    assert read["b"].constant_channels == ("c1",)
    with contract.open_file(out, "normalized") as file:
        assert file["b"].attrs["subject"] == "y"
        np.testing.assert_array_equal(file["segments"][:], [[4, 0, 2]])


@pytest.fixture
def kept(tmp_path):
    """A feature file, its digest, and a normalized file that nobody has touched for a while."""
    path, out = tmp_path / "f.h5", tmp_path / "n.h5"
    digest = write(path, features([[1.0], [3.0]]), features([[2.0], [3.0]]))
    normalize.normalize_session(path, out, digest=digest, code="1")
    os.utime(out, (1, 1))
    return path, digest, out


def test_z_scores_are_read_where_they_are_right(kept):
    path, digest, out = kept
    path.unlink()  # they are not made from it again
    found = normalize.normalize_session(path, out, digest=digest, code="1")
    np.testing.assert_array_equal(found["a"].values, [[-1.0], [1.0]])
    assert out.stat().st_mtime == 1


def test_z_scores_of_other_features_or_code_are_made_anew(kept):
    path, digest, out = kept
    normalize.normalize_session(path, out, digest=digest, code="2")
    assert out.stat().st_mtime != 1
    other = write(path, features([[5.0], [1.0]]), features([[2.0], [3.0]]))
    found = normalize.normalize_session(path, out, digest=other, code="2")
    np.testing.assert_array_equal(found["a"].values, [[1.0], [-1.0]])
    assert contract.read_features(out, "normalized")["a"].extra["mean"] == 3


def test_damaged_z_scores_are_made_anew(kept):
    path, digest, out = kept
    out.write_bytes(b"nothing")
    normalize.normalize_session(path, out, digest=digest, code="1")
    assert contract.read_features(out, "normalized")["a"].extra["mean"] == 2


def test_z_scores_that_are_not_to_be_kept_are_neither_read_nor_left(kept):
    path, digest, out = kept
    found = normalize.normalize_session(path, out, digest=digest, code="1", keep=False)
    np.testing.assert_array_equal(found["a"].values, [[-1.0], [1.0]])
    assert not out.exists()


def test_z_scores_carry_a_recipe_of_their_own(kept):
    path, digest, out = kept
    with declaring(Recipe("window_clips", "code of the job", {"min_valid": 0.5}, {})):
        normalize.normalize_session(path, out, digest=digest, code="1")
        assert out.stat().st_mtime == 1
        normalize.normalize_session(path, out, digest=digest, code="2")
    recipe = read_recipe(out)
    assert (recipe.code, recipe.made_from) == ("2", {"features": digest})
    assert recipe.settings == {"constant_below": normalize.CONSTANT_BELOW}
