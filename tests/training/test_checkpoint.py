import os
import time

import pytest
import torch

from react24.files.atomic import DiskFullError
from react24.training.checkpoint import CheckpointFolder

STATE = {"weights": torch.arange(4.0), "step": 3, "sums": {"loss": 0.1}}


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    folder = CheckpointFolder(tmp_path / "new", {"seed": 1, "sizes": (1, 2)})
    folder.save(3, STATE)
    state = CheckpointFolder(tmp_path / "new", {"seed": 1, "sizes": [1, 2]}).load()
    assert torch.equal(state.pop("weights"), STATE["weights"])
    assert state == {"step": 3, "sums": {"loss": 0.1}}


def test_the_last_two_are_kept(tmp_path):
    folder = CheckpointFolder(tmp_path, {})
    for step in (1, 2, 3, 10):
        folder.save(step, STATE)
    assert [p.name[:13] for p in sorted(tmp_path.iterdir())] == ["step000000003", "step000000010"]


def test_there_may_be_none(tmp_path):
    assert CheckpointFolder(tmp_path / "missing", {}).load() is None


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path, caplog):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    folder = CheckpointFolder(tmp_path, {})
    folder.save(1, {"x": Malicious()})
    assert folder.load() is None
    assert not (tmp_path / "owned").exists()
    assert "damaged" in caplog.text


@pytest.mark.parametrize(("age", "left"), [(3600, False), (0, True)])
def test_unfinished_files_are_removed_once_nobody_writes_them(tmp_path, age, left):
    unfinished = tmp_path / "step000000004-77.tmp-77.new"
    unfinished.write_bytes(b"half")
    then = time.time() - age
    os.utime(unfinished, (then, then))
    assert CheckpointFolder(tmp_path, {}).load() is None
    assert unfinished.exists() == left


def test_a_finished_run_keeps_its_weights_alone(tmp_path):
    folder = CheckpointFolder(tmp_path, {"seed": 1})
    folder.save(2, STATE)
    folder.keep_only_finished()
    assert len(list(tmp_path.iterdir())) == 1  # without its weights nothing is deleted
    folder.save(3, STATE)
    folder.save_finished(3, {"weights": STATE["weights"]})
    folder.keep_only_finished()
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("finished.")
    assert CheckpointFolder(tmp_path, {"seed": 1}).load().keys() == {"weights"}
    assert CheckpointFolder(tmp_path, {"seed": 2}).load() is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_finished_file_falls_back_to_the_checkpoints(tmp_path):
    folder = CheckpointFolder(tmp_path, {})
    folder.save(3, STATE)
    folder.save_finished(3, {"weights": STATE["weights"]}).write_bytes(b"damaged")
    assert folder.load()["step"] == 3


def test_a_full_disk_costs_no_checkpoint(small_disk):
    folder = CheckpointFolder(small_disk, {})
    before = folder.save(3, STATE)
    with pytest.raises(DiskFullError, match="the disk is full"):
        folder.save(4, {"weights": torch.zeros(10**6)})
    assert list(small_disk.iterdir()) == [before]
    assert folder.load()["step"] == 3
