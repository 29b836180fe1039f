import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import clips_factory

from react24.errors import InputError
from react24.files import contract
from react24.sampling.baselines import BASELINES, mean_sequence, sample_baseline

SOURCE = Path(__file__).parents[2] / "src"


def constant_clips(folder, split, pairs, offset):
    """Clips whose value is offset + row + frame/1000 + channel/100: every mean is known."""
    paths = {}
    for stream, width in (("graphau", 25), ("faceverse", 58)):
        row, frame, channel = np.ix_(np.arange(2 * pairs), np.arange(750), np.arange(width))
        native = (offset + row + frame / 1000 + channel / 100).astype(np.float32)
        path = folder / stream / f"{split}.h5"
        paths[stream] = clips_factory.write_clips(path, native, stream=stream, split=split)
    return paths


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return constant_clips(folder, "test", 2, 0), constant_clips(folder, "train", 3, 10)


def sampled(name, clips, output, **keywords):
    sample_baseline(name, *clips, output=output, **{"samples": 3, "seed": 1, **keywords})
    with contract.open_file(output, "samples") as file:
        return {key: file[key][:] for key in file}, dict(file.attrs)


def value(row, frame, channel, offset=0):
    return offset + row + frame / 1000 + channel / 100


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_keeps_the_contract(clips, tmp_path, name):
    arrays, attributes = sampled(name, clips, tmp_path / "s.h5")
    assert arrays["emotion"].shape == (4, 3, 750, 25)
    assert arrays["emotion"].dtype == np.float32
    assert arrays["index"].dtype == contract.INDEX_DTYPE
    assert (attributes["model"], attributes["seed"], attributes["samples"]) == (name, 1, 3)
    assert (attributes["split"], attributes["variant"]) == ("test", "baseline")
    assert not attributes["pretrained"]
    assert ("coefficients" in arrays) == (name != "Random")
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["emotion"].chunks == (1, 3, 750, 25)


@pytest.mark.parametrize(("name", "rows"), [("GT", [2, 3, 0, 1]), ("Mime", [0, 1, 2, 3])])
def test_gt_is_the_listener_and_mime_the_speaker(clips, tmp_path, name, rows):
    arrays, _ = sampled(name, clips, tmp_path / "s.h5")
    for direction, row in enumerate(rows):
        for sample in range(3):
            assert arrays["emotion"][direction, sample, 7, 4] == np.float32(value(row, 7, 4))
            assert arrays["coefficients"][direction, sample, 749, 57] == np.float32(
                value(row, 749, 57)
            )


def test_mean_sequence_pools_clips_and_roles_of_the_training_split(clips, tmp_path):
    arrays, _ = sampled("MeanSeq", clips, tmp_path / "s.h5")
    frame, channel = np.ix_(np.arange(750), np.arange(58))
    expected = value(2.5, frame, channel, offset=10)  # rows 0..5
    for direction in range(4):
        np.testing.assert_allclose(arrays["emotion"][direction, 2], expected[:, :25], rtol=1e-6)
        np.testing.assert_allclose(arrays["coefficients"][direction, 0], expected, rtol=1e-6)


def test_mean_frame_is_its_mean_over_time(clips, tmp_path):
    arrays, _ = sampled("MeanFr", clips, tmp_path / "s.h5")
    expected = value(2.5, 749 / 2, np.arange(25), offset=10)
    np.testing.assert_allclose(arrays["emotion"][1, 1, 300], expected, rtol=1e-6)
    assert np.ptp(arrays["emotion"], axis=(0, 1, 2)).max() == 0


def test_random_is_uniform_and_new_for_each_sample_and_direction(clips, tmp_path):
    arrays, _ = sampled("Random", clips, tmp_path / "s.h5")
    values = arrays["emotion"]
    assert values.min() >= 0
    assert values.max() < 1
    assert values.mean() == pytest.approx(0.5, abs=0.003)
    assert values.var(axis=2).mean() == pytest.approx(1 / 12, rel=0.01)
    assert len({values[i, s].tobytes() for i in range(4) for s in range(3)}) == 12


def test_random_depends_on_the_seed_but_not_on_the_number_of_samples(clips, tmp_path):
    few, _ = sampled("Random", clips, tmp_path / "few.h5")
    many, _ = sampled("Random", clips, tmp_path / "many.h5", samples=5)
    other, _ = sampled("Random", clips, tmp_path / "other.h5", seed=2)
    np.testing.assert_array_equal(few["emotion"], many["emotion"][:, :3])
    assert not (few["emotion"] == other["emotion"]).any()


def test_the_same_call_gives_the_same_bytes(clips, tmp_path):
    for name in ("Random", "MeanSeq"):
        sampled(name, clips, tmp_path / "one.h5")
        sampled(name, clips, tmp_path / "two.h5")
        assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_without_coefficients_in_training_only_behaviour_is_written(clips, tmp_path):
    split, train = clips
    arrays, _ = sampled("MeanSeq", (split, {"graphau": train["graphau"]}), tmp_path / "s.h5")
    assert "coefficients" not in arrays
    arrays, _ = sampled("GT", (split, None), tmp_path / "t.h5")
    assert "coefficients" in arrays


def test_what_is_missing_is_named(clips, tmp_path):
    with pytest.raises(InputError, match="unknown baseline 'Mean'; known: GT, Random"):
        sampled("Mean", clips, tmp_path / "s.h5")
    with pytest.raises(InputError, match="MeanFr needs the graphau clips of the training split"):
        sampled("MeanFr", (clips[0], None), tmp_path / "s.h5")
    with pytest.raises(InputError, match="samples must be at least 1"):
        sampled("GT", clips, tmp_path / "s.h5", samples=0)
    assert not (tmp_path / "s.h5").exists()


def test_baselines_start_without_torch():
    code = "import sys, react24.sampling.baselines; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}).returncode
        == 0
    )


def test_mean_sequence_leaves_out_what_is_not_valid(tmp_path):
    values = np.ones((4, 750, 25), np.float32) * np.arange(4)[:, None, None].astype(np.float32)
    valid = np.ones((4, 750), bool)
    valid[3, :100] = False
    valid[:, 700] = False
    values[~valid] = 1e4
    path = clips_factory.write_clips(tmp_path / "g.h5", values, valid=valid)
    found = mean_sequence(path, rows_at_once=3).sequence
    np.testing.assert_allclose(found[:100], 1.0)  # of 0, 1 and 2
    np.testing.assert_allclose(found[100:700], 1.5)
    # Known in no clip: the mean of all other frames.
    np.testing.assert_allclose(found[700], (100 * 1.0 + 649 * 1.5) / 749)


def test_mean_of_nothing_is_refused(tmp_path):
    values = np.ones((2, 750, 25), np.float32)
    path = clips_factory.write_clips(tmp_path / "g.h5", values, valid=np.zeros((2, 750), bool))
    with pytest.raises(InputError, match="no frame of split train is valid"):
        mean_sequence(path)
