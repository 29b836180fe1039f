import numpy as np
import pytest

from react24.clips import normalize
from react24.errors import InputError
from react24.files import contract


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


def test_session_without_a_valid_frame_is_named(tmp_path):
    path = tmp_path / "f.h5"
    good, bad = features([[1.0], [2.0]]), features([[1.0], [2.0]], [False, False])
    contract.write_features(
        path, {"a": good, "b": bad}, subjects={"a": "x", "b": "y"}, created_by="extract_graphau"
    )
    with pytest.raises(InputError, match=r"f\.h5, role b.*no valid frame"):
        normalize.zscore_session(path, tmp_path / "n.h5")


def test_session_round_trip(tmp_path):
    path, out = tmp_path / "f.h5", tmp_path / "n.h5"
    part = features([[1.0, 5.0], [3.0, 5.0]])
    contract.write_features(
        path,
        {"a": part, "b": part},
        subjects={"a": "x", "b": "y"},
        created_by="extract_graphau",
        segments=np.array([[4, 0, 2]]),
    )
    normalize.zscore_session(path, out)
    read = contract.read_features(out, "normalized")
    restored = read["a"].values * read["a"].extra["std"] + read["a"].extra["mean"]
    np.testing.assert_allclose(restored, part.values)
    assert read["b"].constant_channels == ("c1",)
    with contract.open_file(out, "normalized") as file:
        assert file["b"].attrs["subject"] == "y"
        np.testing.assert_array_equal(file["segments"][:], [[4, 0, 2]])
