import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from react24.files import contract
from react24.files.contract import Features, StoreError


def features(frames=5, **changes):
    values = np.arange(frames * 2, dtype=np.float32).reshape(frames, 2)
    settings = dict(
        values=values,
        valid=np.ones(frames, bool),
        feature_names=("x", "y"),
        stream="graphau",
        backend="landmarks",
        pretrained=True,
    )
    return Features(**(settings | changes))


def write(path, part_a=None, part_b=None):
    contract.write_features(
        path,
        {"a": part_a or features(), "b": part_b or features()},
        subjects={"a": "anna", "b": "bert"},
        created_by="extract_graphau",
        config={"backend": "landmarks"},
        inputs={"faces": "0" * 64},
    )


def test_features_round_trip(tmp_path):
    path = tmp_path / "f.h5"
    write(path)
    read = contract.read_features(path)
    assert list(read) == ["a", "b"]
    np.testing.assert_array_equal(read["a"].values, features().values)
    assert read["b"].feature_names == ("x", "y")
    with contract.open_file(path, "features") as file:
        assert contract.read_json(file, "config") == {"backend": "landmarks"}
        assert file["b"].attrs["subject"] == "bert"
        assert file["a"].attrs["fps"] == 25.0


def test_same_content_gives_same_bytes(tmp_path):
    write(tmp_path / "one.h5")
    write(tmp_path / "two.h5")
    assert contract.sha256_file(tmp_path / "one.h5") == contract.sha256_file(tmp_path / "two.h5")


def test_nan_is_refused_by_name_and_leaves_nothing(tmp_path):
    values = features().values.copy()
    values[3, 1] = np.nan
    with pytest.raises(StoreError, match=r"role b.*frame 3, channel y"):
        write(tmp_path / "f.h5", part_b=features(values=values))
    assert list(tmp_path.iterdir()) == []


def test_roles_of_different_length_are_refused(tmp_path):
    with pytest.raises(StoreError, match="differ in length"):
        write(tmp_path / "f.h5", part_b=features(frames=4))


def test_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "f.h5"
    write(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), contract.create(path, schema="media", created_by="x") as file:
        file["half"] = 1
        raise RuntimeError
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_final_name_appears_only_when_complete(tmp_path):
    path = tmp_path / "f.h5"
    with contract.create(path, schema="media", created_by="probe_session") as file:
        file["x"] = 1
        assert not path.exists()
    assert path.exists()


def test_wrong_schema_names_the_rule(tmp_path):
    path = tmp_path / "f.h5"
    write(path)
    with pytest.raises(StoreError, match="rerun window_clips"):
        contract.open_file(path, "clips")


def test_wrong_version_is_refused(tmp_path):
    path = tmp_path / "f.h5"
    write(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(StoreError, match="version 99"):
        contract.open_file(path, "features")


def test_garbage_is_not_hdf5(tmp_path):
    path = tmp_path / "f.h5"
    path.write_bytes(b"no")
    with pytest.raises(StoreError, match="not a readable HDF5"):
        contract.open_file(path, "features")


LOCKED = """
import fcntl, sys
from react24.files import contract
held = open(sys.argv[1], "rb+")
fcntl.flock(held, fcntl.LOCK_EX)
try:
    with contract.open_file(sys.argv[1], "features") as file:
        print("opened", file.attrs["schema"])
except contract.StoreError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (None, "opened features"),
        ("FALSE", "opened features"),
        ("TRUE", "unset HDF5_USE_FILE_LOCKING"),
    ],
)
def test_locks_of_others_are_no_damage(tmp_path, variable, told):
    path = tmp_path / "f.h5"
    write(path)
    environment = {k: v for k, v in os.environ.items() if k != "HDF5_USE_FILE_LOCKING"}
    done = subprocess.run(
        [sys.executable, "-c", LOCKED, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment | ({"HDF5_USE_FILE_LOCKING": variable} if variable else {}),
    )
    assert told in done.stdout
    assert "delete it" not in done.stdout


def test_a_file_that_may_not_be_read_is_no_damage(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "f.h5"
    write(path)
    monkeypatch.setattr(contract.h5py, "File", refuse)  # root may read everything
    with pytest.raises(StoreError, match="correct the rights") as error:
        contract.open_file(path, "features")
    assert "delete it" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        contract.open_file(tmp_path / "none.h5", "features")


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    path = tmp_path / "table.tsv"
    writer = (
        "import os, signal; from react24.files import contract\n"
        f"with contract.atomic_path({str(path)!r}) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(contract.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", writer], check=False, env=environment)
    assert [p.name.startswith("table.tmp-") for p in tmp_path.iterdir()] == [True]
    with contract.atomic_path(path) as temporary:
        temporary.write_text("whole")
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_at_work_keeps_its_file(tmp_path):
    path = tmp_path / "table.tsv"
    with contract.atomic_path(path) as mine:
        mine.write_text("mine")
        other = mine.with_name(mine.name.replace(str(os.getpid()), str(os.getppid())))
        other.write_text("other")
    with contract.atomic_path(path) as mine:
        mine.write_text("mine again")
    assert other.read_text() == "other"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_as_such_and_leaves_nothing(tmp_path, code):
    with (
        pytest.raises(contract.StoreError, match=r"f\.h5: cannot be written, the disk is full"),
        contract.create(tmp_path / "f.h5", schema="faces", created_by="test"),
    ):
        raise OSError(code, "file write failed")
    assert not list(tmp_path.iterdir())


def test_other_errors_of_a_disk_stay_what_they_are(tmp_path):
    with pytest.raises(OSError, match="input/output"), contract.atomic_path(tmp_path / "f.h5"):
        raise OSError(errno.EIO, "input/output error")
