"""Writing a file as a whole or not at all, and the digest of one; loads no HDF5."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk, or of a user's share of it, that has no room left."""


class StoreError(ValueError):
    """A file does not keep the contract: wrong schema, version, shape or values."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    The temporary name keeps the suffix (``table.tmp-host-123.tsv``), because many writers choose
    the format by it. If the block raises, the temporary file is removed and ``path`` is
    untouched. What writers of the same file left behind when they were killed is removed too.

    Raises:
        StoreError: The disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = f"{path.stem}.tmp-{platform.node()}-"
    for leftover in path.parent.glob(f"{glob.escape(mark)}*{glob.escape(path.suffix)}"):
        process = leftover.stem.removeprefix(mark)
        if process.isdigit() and not _is_alive(int(process)):
            leftover.unlink(missing_ok=True)
    temporary = path.with_name(f"{mark}{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno not in FULL:
            raise
        # Of the cause, HDF5 says no more than the address of a buffer.
        raise StoreError(
            f"{path}: cannot be written, the disk is full; make room there, or have all results "
            "made on another disk (snakemake --directory)"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    """Whether a process of this machine is running."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
