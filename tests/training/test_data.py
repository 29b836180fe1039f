import numpy as np
import pytest
import torch
from helpers import clips_factory

from react24.errors import InputError
from react24.files.contract import StoreError
from react24.seeding import generator
from react24.training.dataset import (
    ClipDataset,
    StoredArray,
    channel_statistics,
    count_batches,
    epoch_order,
    every_direction,
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return clips_factory.write_streams(tmp_path_factory.mktemp("clips"), 3)


def open_both(paths, **keywords):
    sources = {
        "emotion": StoredArray(paths["graphau"], "native"),
        "speaker": StoredArray(paths["graphau"], "zscored"),
        "face": StoredArray(paths["faceverse"], "native"),
    }
    return ClipDataset(sources, **keywords)


def test_an_epoch_has_each_pair_once_and_partners_match():
    for epoch in range(20):
        order = epoch_order(9, generator(0, epoch))
        assert sorted((order.speaker % 9).tolist()) == list(range(9))
        assert ((order.speaker - order.listener).abs() == 9).all()


def test_roles_are_swapped_half_of_the_time_for_every_pair():
    orders = [epoch_order(9, generator(0, epoch)) for epoch in range(2000)]
    swapped = torch.zeros(9)
    for order in orders:
        swapped[order.speaker % 9] += (order.speaker >= 9).float()
    share = swapped / len(orders)
    assert ((share - 0.5).abs() < 0.05).all()  # 4.5 standard deviations
    assert len({tuple(o.speaker.tolist()) for o in orders}) > 1990


def test_batches_cover_an_epoch_and_keep_the_incomplete_one():
    order = epoch_order(7, generator(3))
    batches = [order.batch(step, 3) for step in range(count_batches(7, 3))]
    assert [len(b.speaker) for b in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([b.listener for b in batches]), order.listener)


def test_validation_sees_all_directions_in_order():
    directions = every_direction(3)
    assert directions.speaker.tolist() == [0, 1, 2, 3, 4, 5]
    assert directions.listener.tolist() == [3, 4, 5, 0, 1, 2]


def test_streamed_clips_equal_those_in_memory(paths):
    rows = torch.tensor([5, 0, 3, 3])
    with open_both(paths) as loaded, open_both(paths, max_memory_mb=0.1) as streamed:
        assert loaded.in_memory
        assert not streamed.in_memory
        for name, width in (("emotion", 25), ("speaker", 25), ("face", 58)):
            part = loaded.take(name, rows)
            assert part.shape == (4, 750, width)
            assert torch.equal(part, streamed.take(name, rows))
        native = clips_factory.behaviour(3, 25)
        np.testing.assert_array_equal(streamed.take("emotion", rows), native[[5, 0, 3, 3]])
        assert not torch.equal(loaded.take("emotion", rows), loaded.take("speaker", rows))


def test_what_fits_is_loaded_and_the_rest_is_read(paths, caplog):
    with caplog.at_level("INFO"), open_both(paths, max_memory_mb=1.0) as clips:
        assert not clips.in_memory
        rows = torch.tensor([4, 1])
        native = clips_factory.behaviour(3, 58)[[4, 1]]
        np.testing.assert_array_equal(clips.take("face", rows), native)
        np.testing.assert_array_equal(
            clips.take_windows("face", rows, torch.tensor([7, 0]), 20)[0], native[0, 7:27]
        )
        assert clips.take("emotion", rows).shape == (2, 750, 25)
    assert "face read per batch (limit 1 MiB)" in caplog.text


def test_files_of_different_clips_are_refused(paths, tmp_path):
    other = clips_factory.write_streams(tmp_path, 2)
    with pytest.raises(StoreError, match="6 rows"):
        open_both({**paths, "faceverse": other["faceverse"]})


def test_native_values_that_are_not_kept_are_restored(tmp_path):
    native = 100 * clips_factory.behaviour(2, 128)
    native[:, :, 5] = 7.0
    path = clips_factory.write_clips(tmp_path / "s.h5", native, stream="swin", keep_native=False)
    rows, starts = torch.tensor([3, 1, 3]), torch.tensor([0, 700, 25])
    for limit in (4096, 0):
        with ClipDataset({"face": StoredArray(path, "native")}, max_memory_mb=limit) as clips:
            assert clips.in_memory == (limit > 0)
            whole = clips.take("face", rows)
            parts = clips.take_windows("face", rows, starts, 50)
        np.testing.assert_allclose(whole, native[[3, 1, 3]], rtol=1e-6, atol=1e-4)
        assert whole.dtype == torch.float32
        for k, start in enumerate(starts.tolist()):
            assert torch.equal(parts[k], whole[k, start : start + 50])
    with pytest.raises(InputError, match="swin has no native values"):
        channel_statistics(path)


def test_statistics_are_those_of_the_valid_frames(tmp_path):
    native = clips_factory.behaviour(2, 25) + np.float32(100)
    valid = np.random.default_rng(0).random((4, 750)) < 0.7
    native[~valid] = 1e6
    path = clips_factory.write_clips(tmp_path / "g.h5", native, valid=valid)
    found = channel_statistics(path, rows_at_once=3)
    good = native[valid].astype(np.float64)
    np.testing.assert_allclose(found.mean, good.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, good.std(0), rtol=1e-9)
