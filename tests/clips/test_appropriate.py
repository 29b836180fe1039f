import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.two_sequences import block_distances

from react24.clips import windows
from react24.clips.appropriate import (
    block_means,
    compute_appropriate,
    nearest_speakers,
    official_matrix,
    speaker_distances,
)
from react24.errors import InputError
from react24.files import contract
from react24.files.appropriate import read_appropriate

REFERENCE = Path(__file__).parents[1] / "parity" / "neighbour.npz"


def make_index(clips):
    """Index of the clips (session, number), once per role."""
    index = np.zeros(2 * len(clips), contract.INDEX_DTYPE)
    for row in range(len(index)):
        session, number = clips[row % len(clips)]
        index[row] = (session.encode(), b"a" if row < len(clips) else b"b", b"p", 0, number, 0)
    index["partner"] = windows.listener_rows(len(index))
    return index


def write_clips(path, native, index):
    with contract.create(path, schema="clips", created_by="test") as file:
        file.attrs.update(stream="graphau", split="test", pretrained=True, weights="none")
        file.attrs["backend"] = "landmarks"
        file.attrs["feature_names"] = json.dumps([f"channel{i}" for i in range(native.shape[2])])
        for name in ("native", "zscored"):
            file.create_dataset(name, data=native.astype(np.float32))
        file.create_dataset("valid", data=np.ones(native.shape[:2], bool))
        for name in ("mean", "std"):
            file.create_dataset(name, data=np.ones((len(native), native.shape[2]), np.float32))
        file.create_dataset("index", data=index)


# ---------------------------------------------------------------------------- official matrix


@pytest.fixture
def official(tmp_path):
    """The reference tree: index CSV, matrix, clips in the order of the reference, its result."""
    with np.load(REFERENCE, allow_pickle=False) as file:
        reference = dict(file)
    (tmp_path / "data_indices.csv").write_text(str(reference["data_indices"]), encoding="utf-8")
    np.save(tmp_path / "matrix.npy", reference["appropriate"].astype(np.float64))
    clips, sites = [], {}
    for line in csv.DictReader(str(reference["pairs"]).splitlines()):
        parts = line["speaker_path"].split("/")
        site, number = parts[0], int(parts[-1])
        session = f"{parts[2]}_{parts[1]}" if len(parts) == 5 else parts[1]
        sites[session] = site
        clips.append((session, number))
    return tmp_path, clips, sites, reference["neighbour"]


def test_official_part_is_the_reference(official):
    folder, clips, sites, expected = official
    known = clips[:-1]  # the last one is in no index; the official script skips it without a word
    found = official_matrix(
        make_index(known), folder / "matrix.npy", folder / "data_indices.csv", sites
    )
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_clips_that_are_not_in_the_index_are_named(official):
    folder, clips, sites, _ = official
    clips = [*clips, ("group-1", 9)]
    with pytest.raises(InputError) as caught:
        official_matrix(
            make_index(clips), folder / "matrix.npy", folder / "data_indices.csv", sites
        )
    assert len(caught.value.problems) == 2
    assert "clip 1 of session 099_DOES_NOT_EXIST" in caught.value.problems[0]
    assert "clip 9 of session GROUP-1 (RECOLA)" in caught.value.problems[1]


def test_clips_that_are_twice_in_the_index_are_named(official):
    folder, _, sites, _ = official
    index = folder / "data_indices.csv"
    lines = index.read_text().splitlines()
    repeated = next(line for line in lines if line.upper().startswith("RECOLA,GROUP-1,2"))
    index.write_text("\r\n".join([*lines, repeated.lower()]))
    with pytest.raises(InputError) as caught:
        official_matrix(make_index([("group-1", 2)]), folder / "matrix.npy", index, sites)
    assert caught.value.problems == ["clip 2 of session GROUP-1 (RECOLA) is in the index 2 times"]


def test_site_is_needed_and_ignores_case(official):
    folder, _, _, _ = official
    paths = folder / "matrix.npy", folder / "data_indices.csv"
    index = make_index([("group-1", 2)])
    upper = official_matrix(index, *paths, {"group-1": "RECOLA"})
    np.testing.assert_array_equal(official_matrix(index, *paths, {"group-1": "Recola"}), upper)
    with pytest.raises(InputError, match="session group-1 has no site"):
        official_matrix(index, *paths, {})


def test_matrix_and_index_must_belong_together(official):
    folder, clips, sites, _ = official
    index = make_index(clips[:3])
    np.save(folder / "small.npy", np.eye(10))
    with pytest.raises(InputError, match=r"shape \(10, 10\), .* has 30 lines"):
        official_matrix(index, folder / "small.npy", folder / "data_indices.csv", sites)
    (folder / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="expected site, chat_index, clip_index"):
        official_matrix(index, folder / "matrix.npy", folder / "other.csv", sites)
    (folder / "broken.csv").write_text('site,chat_index,clip_index\nNoXI,"s,1\n')
    with pytest.raises(InputError, match=r"broken\.csv: not a table of site"):
        official_matrix(index, folder / "matrix.npy", folder / "broken.csv", sites)
    np.save(folder / "pickled.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="not a plain NumPy array"):
        official_matrix(index, folder / "pickled.npy", folder / "data_indices.csv", sites)


def test_only_entries_of_exactly_one_count(official, caplog):
    folder, clips, sites, expected = official
    matrix = np.load(folder / "matrix.npy") * 0.999
    np.save(folder / "fractions.npy", matrix)
    index = make_index(clips[:-1])
    found = official_matrix(index, folder / "fractions.npy", folder / "data_indices.csv", sites)
    assert not found.any()
    assert f"{int(expected.sum())} entries are neither 0 nor 1" in caplog.text


def test_official_file(official):
    folder, clips, sites, expected = official
    known = clips[:-1]
    write_clips(folder / "clips.h5", np.zeros((2 * len(known), 10, 25)), make_index(known))
    arguments = {"matrix": folder / "matrix.npy", "index": folder / "data_indices.csv"}
    compute_appropriate(
        folder / "clips.h5", folder / "out.h5", source="official", sites=sites, **arguments
    )
    written = read_appropriate(folder / "out.h5")
    assert written.source == "official"
    np.testing.assert_array_equal(written.matrix, expected)
    np.testing.assert_array_equal(written.index, make_index(known))
    with pytest.raises(InputError, match=r"needs appropriate\.matrix"):
        compute_appropriate(folder / "clips.h5", folder / "out.h5", source="official")


# ----------------------------------------------------------------------------------- stand-in


def behaviour(seed, rows, frames=100):
    rng = np.random.default_rng(seed)
    return np.cumsum(0.1 * rng.standard_normal((rows, frames, 25)), axis=1).astype(np.float32)


def test_distance_is_the_block_distance_where_the_band_does_not_bind():
    clips = behaviour(0, 4, frames=60)  # 12 steps, fewer than the band
    distances = speaker_distances(clips, threads=2)
    np.testing.assert_array_equal(distances, distances.T)
    np.testing.assert_array_equal(np.diag(distances), 0)
    parts = block_distances(block_means(clips[1]), block_means(clips[3]))
    expected = parts.au / 15 + parts.affect + parts.expression / 8
    assert distances[1, 3] == pytest.approx(expected, rel=1e-12)


def test_steps_are_means_of_what_is_known():
    clip = np.arange(30, dtype=np.float64)[:, None].repeat(25, 1)
    valid = np.ones(30, bool)
    valid[:7] = valid[15:20] = False
    clip[~valid] = -999
    found = block_means(clip, valid)
    # Frames 7 to 9; then whole steps; the step without any keeps the one before.
    np.testing.assert_array_equal(found[:, 0], [8, 8, 12, 12, 22, 27])
    np.testing.assert_array_equal(block_means(clip, np.ones(30, bool)), block_means(clip))


def test_neighbours_do_not_depend_on_what_was_not_seen():
    clips, valid = behaviour(1, 6), np.ones((6, 100), bool)
    valid[2, 30:60] = valid[5, :12] = False
    found = []
    for garbage in (0.0, 40.0):
        clips[~valid] = garbage
        found.append(speaker_distances(clips, valid))
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[1], speaker_distances(clips))


def test_alike_speakers_find_each_other():
    clips = behaviour(1, 8)
    clips[5] = np.roll(clips[2], 3, axis=0)  # the same behaviour, a little later
    found = nearest_speakers(clips, k=2)
    assert found[2, 5] == found[5, 2] == 1
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1)
    assert (found.sum(axis=1) >= 2).all()


def test_own_partner_is_never_appropriate():
    clips = behaviour(2, 6)
    clips[3] = clips[0]  # row 3 is the other person of the clip of row 0
    assert nearest_speakers(clips, k=3)[0, 3] == 0
    everything = nearest_speakers(clips, k=100)
    expected = np.ones((6, 6)) - np.roll(np.eye(6), 3, axis=1)
    np.testing.assert_array_equal(everything, expected)
    np.testing.assert_array_equal(nearest_speakers(clips[:2], k=3), np.eye(2))


def test_equal_distances_go_to_the_lower_row():
    clips = np.repeat(behaviour(3, 1), 6, axis=0)
    found = nearest_speakers(clips, k=2)
    # Rows 1, 2, 4, 5 pick 0; row 0 picks 1; row 3 may not pick its partner 0 and picks 1.
    expected = np.eye(6)
    for i, j in ((0, 1), (1, 0), (2, 0), (3, 1), (4, 0), (5, 0)):
        expected[i, j] = expected[j, i] = 1
    np.testing.assert_array_equal(found, expected)


def test_one_per_clip_is_the_own_reaction_and_none_is_refused():
    np.testing.assert_array_equal(nearest_speakers(behaviour(4, 4), k=1), np.eye(4))
    with pytest.raises(InputError, match=r"appropriate\.k is 0"):
        nearest_speakers(behaviour(4, 4), k=0)


def test_stand_in_file_is_the_same_every_time(tmp_path):
    native = behaviour(5, 6)
    index = make_index([("s", 1), ("s", 2), ("t", 1)])
    write_clips(tmp_path / "clips.h5", native, index)
    for name, threads in (("one.h5", 1), ("two.h5", 2)):
        compute_appropriate(tmp_path / "clips.h5", tmp_path / name, k=2, threads=threads)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    written = read_appropriate(tmp_path / "one.h5")
    assert written.source.startswith("Stand-in: the 2 nearest speaker clips")
    np.testing.assert_array_equal(written.matrix, nearest_speakers(native, k=2))
    np.testing.assert_array_equal(written.index, index)


def test_unknown_source_and_other_streams_are_refused(tmp_path):
    index = make_index([("s", 1)])
    write_clips(tmp_path / "clips.h5", np.zeros((2, 10, 58)), index)
    with pytest.raises(InputError, match="accepted: dtw, official"):
        compute_appropriate(tmp_path / "clips.h5", tmp_path / "out.h5", source="nearest")
    with pytest.raises(InputError, match="no native 25 channels"):
        compute_appropriate(tmp_path / "clips.h5", tmp_path / "out.h5")
