"""Every form of predictions and ground truth, and what is refused of them."""

import shutil
import zipfile

import numpy as np
import pytest
import torch
from helpers import official_factory as factory
from helpers.clips_factory import clips_index, write_clips

from react24.clips import windows
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.files.contract import StoreError
from react24.metrics.readers import open_ground_truth, open_predictions
from react24.metrics.readers.emotion_csv import read_emotion_csv
from react24.metrics.readers.official_list import ClipPath, read_list


@pytest.fixture(scope="module")
def behaviour():
    return factory.react_behaviour(6)


@pytest.fixture(scope="module")
def reactions(behaviour):
    return factory.predict(np.roll(behaviour, -3, axis=0))


@pytest.fixture(scope="module")
def data(tmp_path_factory, behaviour):
    folder = tmp_path_factory.mktemp("official")
    factory.write_official(folder, behaviour)
    return folder


@pytest.fixture(scope="module")
def truth(data):
    return open_ground_truth(data, "val")


@pytest.fixture
def own_data(tmp_path, data):
    """A copy that a test may damage."""
    return shutil.copytree(data, tmp_path / "data")


def write_results(root, reactions, paths, suffix):
    for path, clip in zip(paths, reactions, strict=True):
        for j, sample in enumerate(clip):
            file = root / path / f"result-{j}{suffix}"
            if suffix == ".csv":
                factory.write_csv(file, sample)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                torch.save(torch.from_numpy(sample), file)


def read_all(path, truth, **options):
    with open_predictions(path, truth, **options) as predictions:
        return np.stack([predictions[row] for row in range(predictions.shape[0])])


# ------------------------------------------------------------------------------- ground truth


def test_official_folder(truth, behaviour):
    np.testing.assert_array_equal(truth.speaker, behaviour)  # frame 751 of the third is cut off
    for row in range(6):
        np.testing.assert_array_equal(truth.listener[row], behaviour[(row + 3) % 6])
    expected = np.eye(6)
    expected[0, 1] = expected[3, 4] = 1
    np.testing.assert_array_equal(truth.matrix, expected)
    noxi, recola = "NoXI/001_2016-03-17_Paris", "RECOLA/group-2"
    assert truth.sessions == (noxi, noxi, recola) * 2


def test_labels_under_the_names_of_the_list(tmp_path, behaviour):
    factory.write_official(tmp_path, behaviour, renamed_people=False)
    np.testing.assert_array_equal(open_ground_truth(tmp_path, "val").speaker, behaviour)
    (tmp_path / "val" / "Emotion").rename(tmp_path / "Emotion")
    np.testing.assert_array_equal(open_ground_truth(tmp_path, "val").speaker, behaviour)


def test_the_list_may_say_p1_where_the_labels_say_expert():
    assert "NoXI/s/Expert_video/2" in map(str, ClipPath(("NoXI", "s", "P1", "2")).spellings())
    assert [str(p) for p in ClipPath(("RECOLA", "s", "P42", "2")).spellings()][:2] == [
        "RECOLA/s/P42/2",
        "RECOLA/s/P2/2",
    ]


def test_matrix_is_cut_out_where_nobody_did(own_data, truth):
    (own_data / "neighbour_emotion_val.npy").unlink()
    lines = [f"NoXI,001_2016-03-17_Paris,{n}" for n in (1, 10, 2)]
    lines += ["Recola,group-2,3"]
    (own_data / "data_indices.csv").write_text("site,chat_index,clip_index\n" + "\n".join(lines))
    rng = np.random.default_rng(0)
    full = (rng.random((8, 8)) < 0.4) | np.eye(8, dtype=bool)
    np.save(own_data / "Approprirate_facial_reaction.npy", full.astype(np.float64))
    rows = [0, 2, 3, 4, 6, 7]
    found = open_ground_truth(own_data, "val")
    np.testing.assert_array_equal(found.matrix, full[np.ix_(rows, rows)])
    assert "data_indices.csv" in found.appropriate
    (own_data / "tool").mkdir()  # where the official repository has it
    (own_data / "data_indices.csv").rename(own_data / "tool" / "data_indices.csv")
    np.testing.assert_array_equal(open_ground_truth(own_data, "val").matrix, found.matrix)
    (own_data / "tool" / "data_indices.csv").unlink()
    with pytest.raises(InputError, match=r"neither neighbour_emotion_val\.npy nor Appr"):
        open_ground_truth(own_data, "val")


def test_matrix_of_the_reference_tree(tmp_path):
    """The official script's result for its own list: the same, and what it skips is refused."""
    from react24.metrics.readers.official_folder import read_official_matrix

    with np.load(factory.REFERENCE, allow_pickle=False) as reference:
        (tmp_path / "data_indices.csv").write_text(str(reference["data_indices"]))
        np.save(tmp_path / "Approprirate_facial_reaction.npy", reference["appropriate"])
        (tmp_path / "val.csv").write_text(str(reference["pairs"]))
        expected = reference["neighbour"]
    pairs = read_list(tmp_path / "val.csv")
    with pytest.raises(InputErrors, match="099_DOES_NOT_EXIST"):
        read_official_matrix(tmp_path, "val", pairs, None)
    found, _ = read_official_matrix(tmp_path, "val", pairs[:-1], None)
    np.testing.assert_array_equal(found, expected)
    assert pairs[11].speaker.key == ("UDIVA", "188189_TALK", "2")
    assert pairs[11].speaker.session == "UDIVA/188189"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,NoXI/s/P1/1,NoXI/s/P2/1", "", "1,NoXI/s/P1/2"], "line 4: 2 columns"),
        (["0,NoXI/s/P1/1,NoXI/../P2/1"], r"line 2: 'NoXI/\.\./P2/1' is no path"),
        (["", "  "], "no clips below"),
    ],
)
def test_a_bad_list_is_told_by_line(tmp_path, lines, message):
    path = tmp_path / "val.csv"
    path.write_text("\ufeff,speaker_path,listener_path\n" + "\n".join(lines))
    with pytest.raises(InputError, match=message):
        read_list(path)


def test_missing_labels_are_named_together(own_data):
    gone = own_data / "val/Emotion/NoXI/001_2016-03-17_Paris/P2/2.csv"
    gone.unlink()
    with pytest.raises(InputErrors) as caught:
        open_ground_truth(own_data, "val")
    assert len(caught.value.problems) == 1
    assert "Paris/Novice_video/2.csv (person tried: Novice_video, P2" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:749], r"2\.csv: 749 frames"),
        (lambda v: v[:, :24], r"2\.csv: 24 columns; expected exactly 25"),
        (lambda v: np.where(np.arange(25) == 3, np.nan, v), r"2\.csv, frame 0, channel 3 .*nan"),
        (lambda v: v + 5 * (np.arange(750) == 17)[:, None], r"frame 17, channel 0 \(an AU\)"),
    ],
)
def test_unfit_labels_are_refused_by_name(own_data, behaviour, change, message):
    path = own_data / "val/Emotion/NoXI/001_2016-03-17_Paris/P2/2.csv"
    factory.write_csv(path, change(behaviour[4]))
    with pytest.raises(InputError, match=message):
        open_ground_truth(own_data, "val")


def test_a_csv_is_a_header_and_numbers(tmp_path, behaviour):
    path = tmp_path / "x.csv"
    factory.write_csv(path, behaviour[0], header="whatever")
    np.testing.assert_array_equal(read_emotion_csv(path), behaviour[0])
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[1:]))
    with pytest.raises(InputError, match=r"749 frames.*first line holds numbers"):
        read_emotion_csv(path)
    path.write_text("")
    with pytest.raises(InputError, match=r"x\.csv: empty"):
        read_emotion_csv(path)
    path.write_text("\n".join([*lines[:5], lines[5].replace(",", ",x", 1), *lines[6:]]))
    with pytest.raises(InputError, match=r"not a table of numbers.*row 4"):
        read_emotion_csv(path)


def test_paths_of_a_list_stay_in_the_folder(own_data):
    (own_data / "val.csv").write_text("a,b,c\n0,NoXI/../../x/1,NoXI/s/P2/1\n")
    with pytest.raises(InputError, match=r"val\.csv, line 2: 'NoXI/\.\./\.\./x/1' is no path"):
        open_ground_truth(own_data, "val")


def test_unfit_matrices_are_refused(own_data):
    path = own_data / "neighbour_emotion_val.npy"
    np.save(path, np.eye(4))
    with pytest.raises(InputError, match=r"shape \(4, 4\), but the split has 6 directions"):
        open_ground_truth(own_data, "val")
    np.save(path, np.eye(6) * [1, 1, 1, 1, 0.5, 1])
    with pytest.raises(InputError, match=r"val\.npy, row 4: no entry of exactly 1"):
        open_ground_truth(own_data, "val")
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"val\.npy: not a plain NumPy"):
        open_ground_truth(own_data, "val")


def write_workflow(folder, behaviour, reactions):
    """Results folder of the workflow; returns the samples file."""
    clips = write_clips(folder / "clips/graphau/val.h5", behaviour, split="val")
    with contract.create(
        folder / "appropriate/val.h5", schema="appropriate", created_by="t"
    ) as file:
        file["matrix"] = np.eye(6, dtype=np.uint8)
        file["index"] = clips_index(3)
        file.attrs["source"] = "for a test"
    with contract.create(folder / "samples.h5", schema="samples", created_by="t") as file:
        file["emotion"] = reactions
        file["index"] = clips_index(3)
    return clips, folder / "samples.h5"


def test_files_of_the_workflow(tmp_path, behaviour, reactions, data):
    clips, samples = write_workflow(tmp_path, behaviour, reactions)
    by_folder, by_file = open_ground_truth(tmp_path, "val"), open_ground_truth(clips, "val")
    np.testing.assert_array_equal(by_folder.speaker, behaviour)
    np.testing.assert_array_equal(by_file.matrix, np.eye(6))
    assert by_file.appropriate == "for a test"
    assert by_file.sessions == ("session00", "session00", "session01") * 2
    np.testing.assert_array_equal(read_all(samples, by_file), reactions)
    first = ("session00/{}/1", "session00/{}/2", "session01/{}/1")
    paths = [path.format(role) for role in "ab" for path in first]
    write_results(tmp_path / "files", reactions, paths, ".pth")
    np.testing.assert_array_equal(read_all(tmp_path / "files", by_file), reactions)
    other = open_ground_truth(clips, "val", appropriate=data / "neighbour_emotion_val.npy")
    assert other.matrix.sum() == 8
    with pytest.raises(InputError, match="holds split val, not test"):
        open_ground_truth(clips, "test")
    with pytest.raises(InputError, match=r"neither a clips file, nor a folder with test\.csv"):
        open_ground_truth(tmp_path, "test")


# -------------------------------------------------------------------------------- predictions


def test_all_forms_say_the_same(tmp_path, truth, reactions):
    np.save(tmp_path / "p.npy", reactions)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(reactions))
    np.savez(tmp_path / "p.npz", anything=reactions)
    np.savez_compressed(tmp_path / "q.npz", other=np.zeros(3), predictions=reactions)
    write_results(tmp_path / "regnn/val", reactions, factory.speakers(), ".pth")
    renamed = [factory.renamed(path) for path in factory.speakers()]
    write_results(tmp_path / "csv", reactions, renamed, ".csv")
    for name in ("p.npy", "fortran.npy", "p.npz", "q.npz", "regnn", "regnn/val", "csv"):
        np.testing.assert_array_equal(read_all(tmp_path / name, truth), reactions)
        found = read_all(tmp_path / name, truth, samples=2)
        np.testing.assert_array_equal(found, reactions[:, :2])


def test_frame_751_is_cut_off(tmp_path, truth, reactions):
    longer = np.concatenate((reactions, reactions[:, :, -1:]), axis=2)
    np.save(tmp_path / "p.npy", longer.astype(np.float64))
    write_results(tmp_path / "r", longer, factory.speakers(), ".pth")
    for name in ("p.npy", "r"):
        found = read_all(tmp_path / name, truth)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, reactions)


def test_an_archive_is_read_forwards_and_backwards(tmp_path, truth, reactions):
    np.savez_compressed(tmp_path / "p.npz", predictions=reactions)
    with open_predictions(tmp_path / "p.npz", truth) as found:
        for row in (4, 1, 1, 5):
            np.testing.assert_array_equal(found[row], reactions[row])


def test_the_first_bad_value_is_named(tmp_path, truth, reactions):
    bad = reactions.copy()
    bad[2, 1, 40, 16] = np.inf
    bad[4, 0, 3, 2] = 7
    np.save(tmp_path / "p.npy", bad)
    with pytest.raises(InputError, match=r"p\.npy, clip 2, sample 1, frame 40, channel 16"):
        read_all(tmp_path / "p.npy", truth)
    bad[2, 1, 40, 16] = 0
    np.save(tmp_path / "p.npy", bad)
    with pytest.raises(
        InputError, match=r"clip 4, sample 0, frame 3, channel 2 .*found 7, far out"
    ):
        read_all(tmp_path / "p.npy", truth)
    np.testing.assert_array_equal(read_all(tmp_path / "p.npy", truth, any_range=True), bad)
    write_results(tmp_path / "r", bad, factory.speakers(), ".pth")
    with pytest.raises(InputError, match=r"Novice_video/2/result-0\.pth, frame 3, channel 2"):
        read_all(tmp_path / "r", truth)


def test_outputs_that_overshoot_a_little_are_scored(tmp_path, truth, reactions):
    np.save(tmp_path / "p.npy", reactions + 0.3)
    np.testing.assert_array_equal(read_all(tmp_path / "p.npy", truth), reactions + np.float32(0.3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:5], "5 clips, but split val"),
        (lambda p: p[:3], "mirrored half is missing"),
        (lambda p: p[:, :, :749], r"shape \(6, 3, 749, 25\)"),
        (lambda p: p[..., :24], r"shape \(6, 3, 750, 24\)"),
        (lambda p: p[:, 0], r"shape \(6, 750, 25\)"),
        (lambda p: p[:, :0], r"shape \(6, 0, 750, 25\)"),
        (lambda p: p.astype("U4"), "expected numbers"),
    ],
)
def test_unfit_arrays_are_refused(tmp_path, truth, reactions, change, message):
    np.save(tmp_path / "p.npy", change(reactions))
    with pytest.raises(InputError, match=message):
        read_all(tmp_path / "p.npy", truth)


def test_unfit_files_are_refused(tmp_path, truth, reactions):
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="not a plain NumPy"):
        read_all(tmp_path / "o.npy", truth)
    np.savez(tmp_path / "two.npz", a=reactions, b=reactions)
    with pytest.raises(InputError, match="holds the arrays a, b; which are the predictions"):
        read_all(tmp_path / "two.npz", truth)
    np.savez(tmp_path / "f.npz", predictions=np.asfortranarray(reactions))
    with pytest.raises(InputError, match="Fortran order"):
        read_all(tmp_path / "f.npz", truth)
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("predictions.npy", b"not an array")
    with pytest.raises(InputError, match="array predictions cannot be read"):
        read_all(tmp_path / "bad.npz", truth)
    (tmp_path / "p.txt").touch()
    with pytest.raises(InputError, match="predictions are a samples file"):
        read_all(tmp_path / "p.txt", truth)
    np.save(tmp_path / "p.npy", reactions)
    with pytest.raises(InputError, match="has 3 samples per clip; --samples asks for 4"):
        read_all(tmp_path / "p.npy", truth, samples=4)


def test_missing_and_surplus_results_are_named(tmp_path, truth, reactions):
    write_results(tmp_path, reactions, factory.speakers(), ".pth")
    last = tmp_path / factory.speakers()[-1]
    (last / "result-2.pth").rename(last / "result-3.pth")
    with pytest.raises(InputError, match=r"group-2/P42/3/result-2\.pth: missing"):
        read_all(tmp_path, truth)
    shutil.copy(last / "result-3.pth", last / "result-2.pth")
    with pytest.raises(InputError, match=r"P42/3: holds 4 reactions, .* holds 3"):
        read_all(tmp_path, truth)
    assert len(read_all(tmp_path, truth, samples=3)) == 6
    shutil.rmtree(last)
    with pytest.raises(InputError, match=r"P42/3: missing, and so are the predictions of clip 5"):
        read_all(tmp_path, truth)
    with pytest.raises(FileNotFoundError, match="nowhere: no such file"):
        read_all(tmp_path / "nowhere", truth)


def test_result_files_hold_one_tensor_and_run_nothing(tmp_path, truth, reactions):
    write_results(tmp_path, reactions, factory.speakers(), ".pth")
    first = tmp_path / factory.speakers()[0] / "result-0.pth"
    torch.save(torch.zeros(700, 25), first)
    with pytest.raises(InputError, match=r"result-0\.pth: shape \(700, 25\)"):
        read_all(tmp_path, truth)
    torch.save({"a": 1}, first)
    with pytest.raises(InputError, match=r"result-0\.pth: holds a dict, expected one tensor"):
        read_all(tmp_path, truth)
    torch.save(windows.Clips, first)
    with pytest.raises(InputError, match=r"result-0\.pth: not a file of plain tensors"):
        read_all(tmp_path, truth)


def test_samples_must_be_of_the_clips(tmp_path, behaviour, reactions, truth):
    clips, samples = write_workflow(tmp_path, behaviour, reactions)
    with pytest.raises(InputError, match="clip 0: is clip 1 of session SESSION00, but in"):
        read_all(samples, truth)
    with contract.create(tmp_path / "o.h5", schema="samples", created_by="t") as file:
        file["emotion"] = reactions[:4]
        file["index"] = clips_index(2)
    with pytest.raises(StoreError, match="has 4 rows"):
        read_all(tmp_path / "o.h5", open_ground_truth(clips, "val"))
    with pytest.raises(InputError, match="4 clips, but"):
        read_all(tmp_path / "o.h5", truth)
