import json
import math

import h5py
import numpy as np
import pytest

from react24.clips import windows
from react24.errors import InputError
from react24.files import contract
from react24.files.contract import StoreError
from react24.metrics import frcorr, frdist, tlcc
from react24.metrics.score_samples import score_reactions

NAMES = [f"channel{i}" for i in range(25)]
LENGTH, SAMPLES = 2, 3


def make_index(length=LENGTH):
    rows = 2 * length
    index = np.zeros(rows, contract.INDEX_DTYPE)
    for row in range(rows):
        index[row] = (b"s1", b"ab"[row // length : row // length + 1], b"p", 0, row % length + 1, 0)
    index["partner"] = windows.listener_rows(rows)
    return index


def write_clips(path, native, mean, std, pretrained=True):
    with contract.create(path, schema="clips", created_by="test") as file:
        file.attrs.update(stream="graphau", split="test", feature_names=json.dumps(NAMES))
        file.attrs.update(pretrained=pretrained, weights="none", backend="landmarks")
        scale = np.where(std < 1e-6, 1.0, std)[:, None]
        zscored = np.where(std[:, None] < 1e-6, 0.0, (native - mean[:, None]) / scale)
        arrays = {"native": native, "zscored": zscored, "mean": mean, "std": std}
        for name, values in arrays.items():
            file.create_dataset(name, data=values.astype(np.float32))
        file.create_dataset("valid", data=np.ones(native.shape[:2], bool))
        file.create_dataset("index", data=make_index())


def write_samples(path, emotion, index=None, pretrained=True):
    with contract.create(path, schema="samples", created_by="test") as file:
        file.attrs.update(model="toy", seed=1, split="test", samples=emotion.shape[1])
        file.attrs.update(pretrained=pretrained, variant="fixed")
        file.create_dataset("emotion", data=emotion.astype(np.float32))
        file.create_dataset("index", data=make_index() if index is None else index)


def write_appropriate(path, matrix):
    with contract.create(path, schema="appropriate", created_by="test") as file:
        file.create_dataset("matrix", data=matrix.astype(np.uint8))
        file.create_dataset("index", data=make_index())
        file.attrs["source"] = "for a test"


@pytest.fixture
def files(tmp_path):
    """Paths, and the arrays behind them: P as written, native, mean, std."""
    rng = np.random.default_rng(0)
    rows = 2 * LENGTH
    native = (3 + 2 * rng.standard_normal((rows, 750, 25))).astype(np.float32)
    native[:, :, 4] = 0.25  # constant in all sessions
    mean = rng.standard_normal((rows, 25)).astype(np.float32)
    std = rng.uniform(0.5, 2, (rows, 25)).astype(np.float32)
    mean[:, 4], std[:, 4] = 0.25, 0.0
    noise = rng.standard_normal((rows, SAMPLES, 750, 25))
    emotion = (np.roll(native, -LENGTH, axis=0)[:, None] + noise).astype(np.float32)
    matrix = np.eye(rows)
    matrix[0, 1] = matrix[2, 3] = 1
    write_clips(tmp_path / "clips.h5", native, mean, std)
    write_samples(tmp_path / "samples.h5", emotion)
    write_appropriate(tmp_path / "appropriate.h5", matrix)
    return tmp_path, emotion, native, matrix, mean, std


def score(folder, **options):
    names = ("samples.h5", "clips.h5", "appropriate.h5", "metrics.h5")
    return score_reactions(*(folder / name for name in names), **options)


def test_the_file_holds_what_the_arrays_give(files):
    folder, emotion, native, matrix, *_ = files
    score(folder)
    truth = native[windows.listener_rows(4)]
    with contract.open_file(folder / "metrics.h5", "metrics") as file:
        assert dict(file.attrs)["model"] == "toy"
        assert (file.attrs["seed"], file.attrs["samples"], file.attrs["clips"]) == (1, SAMPLES, 4)
        assert (file.attrs["split"], file.attrs["space"]) == ("test", "native")
        assert (file.attrs["backend"], file.attrs["pretrained"]) == ("landmarks", True)
        assert file.attrs["appropriate_source"] == "for a test"
        assert set(contract.read_json(file, "inputs")) == {"samples", "clips", "appropriate"}
        official, corrected, clips = file["official"].attrs, file["corrected"].attrs, file["clips"]
        assert set(official) == {"FRCorr", "FRDist", "FRDiv", "FRVar", "FRDvs", "TLCC"}
        assert official["FRCorr"] == frcorr(emotion, truth, matrix).official
        assert official["FRDist"] == frdist(emotion, truth, matrix).official
        assert corrected["FRCorr_mean"] == pytest.approx(official["FRCorr"] / SAMPLES)
        assert corrected["FRDist_mean"] == pytest.approx(official["FRDist"] / SAMPLES)
        assert official["TLCC"] == 49.0  # the speakers' constant channel
        assert corrected["TLCC_defined"] == tlcc(emotion, native).defined
        assert clips["TLCC_offset"].shape == (4, SAMPLES)
        np.testing.assert_array_equal(file["index"][:], make_index())
        for name in ("FRDist", "FRDvs"):
            assert clips[name].shape == (4,)
            assert clips[name][:].mean() == pytest.approx(official[name])


def test_truth_as_prediction(files):
    folder, _, native, *_ = files
    truth = np.repeat(native[windows.listener_rows(4)][:, None], SAMPLES, axis=1)
    write_samples(folder / "samples.h5", truth)
    scores = score(folder)
    assert scores.official["FRDist"] == 0.0
    assert scores.official["FRDiv"] == 0.0
    assert scores.official["FRCorr"] == pytest.approx(SAMPLES * 24 / 25, rel=1e-6)
    assert scores.corrected["FRCorr_exact_mean"] == pytest.approx(1.0)
    scores = score(folder, space="session_zscore")
    assert scores.official["FRDist"] == pytest.approx(0.0, abs=1e-3)
    assert scores.corrected["FRCorr_exact_mean"] == pytest.approx(1.0)


def test_zscore_space_uses_the_listeners_own_session(files):
    folder, emotion, native, matrix, mean, std = files
    scores = score(folder, space="session_zscore")
    listener = windows.listener_rows(4)
    varies = std >= 1e-6
    scale = np.where(varies, std, 1.0)
    normal = np.where(varies[:, None], (native - mean[:, None]) / scale[:, None], 0)
    reaction = (emotion - mean[listener][:, None, None]) / scale[listener][:, None, None]
    reaction = np.where(varies[listener][:, None, None], reaction, 0)
    expected = frdist(reaction, normal[listener], matrix).official
    assert scores.official["FRDist"] == pytest.approx(expected, rel=1e-6)


def test_threads_and_repetition_give_the_same_bytes(files):
    folder, *_ = files
    score(folder)
    first = (folder / "metrics.h5").read_bytes()
    score(folder, threads=2)
    assert (folder / "metrics.h5").read_bytes() == first


def test_undefined_synchrony_is_stored_as_nan(files):
    folder, emotion, *_ = files
    write_samples(folder / "samples.h5", np.full_like(emotion, 0.5))
    score(folder)
    with h5py.File(folder / "metrics.h5") as file:
        assert file["official"].attrs["TLCC"] == 49.0
        assert math.isnan(file["corrected"].attrs["TLCC_defined"])
        assert file["corrected"].attrs["TLCC_defined_share"] == 0.0


def test_random_weights_anywhere_mark_the_scores(files):
    folder, emotion, native, _, mean, std = files
    write_samples(folder / "samples.h5", emotion, pretrained=False)
    score(folder)
    with h5py.File(folder / "metrics.h5") as file:
        assert not file.attrs["pretrained"]
    write_samples(folder / "samples.h5", emotion)
    write_clips(folder / "clips.h5", native, mean, std, pretrained=False)
    score(folder)
    with h5py.File(folder / "metrics.h5") as file:
        assert not file.attrs["pretrained"]


def test_files_of_other_clips_are_refused(files):
    folder, emotion, *_ = files
    index = make_index()
    index["clip"][1] = 7
    write_samples(folder / "samples.h5", emotion, index=index)
    with pytest.raises(StoreError, match=r"samples\.h5 and .*clips\.h5 differ from row 1"):
        score(folder)
    assert not (folder / "metrics.h5").exists()


def test_nan_names_file_and_place(files):
    folder, emotion, *_ = files
    emotion[2, 1, 30, 4] = np.nan
    write_samples(folder / "samples.h5", emotion)
    with pytest.raises(InputError, match=r"samples\.h5, emotion, clip 2: .* sample 1, frame 30"):
        score(folder)


def test_unknown_space_is_refused(files):
    with pytest.raises(InputError, match="accepted: native, session_zscore"):
        score(files[0], space="zscore")


def test_frames_that_are_not_valid_are_left_out_of_the_corrected_numbers(files):
    folder, emotion, native, matrix, mean, std = files
    valid = np.ones(native.shape[:2], bool)
    valid[1, 100:400] = valid[2, :50] = False
    found = []
    for garbage in (0.0, 9.0):
        native[~valid] = garbage
        write_clips(folder / "clips.h5", native, mean, std)
        with h5py.File(folder / "clips.h5", "r+") as file:
            file["valid"][:] = valid
        found.append(score(folder))
    one, other = found
    for name in ("FRCorr_exact_mean", "FRDist_mean", "TLCC_defined"):
        assert one.corrected[name] == other.corrected[name], name
    truth = native[windows.listener_rows(4)]
    truth_valid = valid[windows.listener_rows(4)]
    assert other.official["FRDist"] == frdist(emotion, truth, matrix).official
    expected = frdist(emotion, truth, matrix, valid=truth_valid).mean
    assert other.corrected["FRDist_mean"] == pytest.approx(expected)
    assert other.corrected["FRDist_mean"] != other.official["FRDist"] / SAMPLES
    with h5py.File(folder / "metrics.h5") as file:
        assert file.attrs["valid"] == pytest.approx(valid.mean())
        assert file["clips/FRDist_mean"][:].mean() == pytest.approx(expected)
