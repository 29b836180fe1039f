"""Files that are written whole or not at all, on disks without room too."""

import os
import platform
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from react24.files import contract
from react24.files.atomic import DiskFullError


@pytest.mark.parametrize(
    ("name", "age", "left"),
    [
        ("table.tmp-other-host-7.tsv", 90_000, False),
        ("table.tmp-other-host-7.tsv", 80_000, True),
        (f"table.tmp-{platform.node()}-{os.getppid()}.tsv", 90_000, True),
        ("table.tmp-other-host-7.md", 90_000, True),
        ("table.tmp-notes.tsv", 90_000, True),
    ],
)
def test_files_that_other_hosts_left_a_day_ago_are_removed(tmp_path, name, age, left):
    (tmp_path / name).write_text("half")
    then = time.time() - age
    os.utime(tmp_path / name, (then, then))
    with contract.atomic_path(tmp_path / "table.tsv") as mine:
        mine.write_text("mine")
    assert (tmp_path / name).exists() == left


def _write_hdf5(path):
    with contract.create(path, schema="history", created_by="test") as file:
        file["values"] = np.ones(10**6)


def _write(writer):
    def write(path):
        with contract.atomic_path(path) as temporary:
            writer(temporary)

    return write


@pytest.mark.parametrize(
    "write",
    [
        _write(lambda path: path.write_bytes(bytes(10**7))),
        _write(lambda path: torch.save({"weights": torch.ones(10**6)}, path)),
        _write(lambda path: save_file({"weights": torch.ones(10**6)}, path)),
        _write_hdf5,
    ],
    ids=["bytes", "torch", "safetensors", "hdf5"],
)
def test_whatever_the_library_says_a_full_disk_is_told_as_such(small_disk, write):
    path = small_disk / "f.bin"
    path.write_text("before")
    with pytest.raises(DiskFullError, match=r"f\.bin: cannot be written, the disk is full"):
        write(path)
    assert [(p.name, p.read_text()) for p in small_disk.iterdir()] == [("f.bin", "before")]


def test_bad_content_is_not_taken_for_a_full_disk(small_disk):
    with pytest.raises(RuntimeError, match="no face"), contract.atomic_path(small_disk / "f.bin"):
        raise RuntimeError("no face")
