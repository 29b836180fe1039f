"""Writing a file as a whole or not at all, and the digest of one; loads no HDF5."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from react24.files.process import is_alive

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk, or of a user's share of it, that has no room left."""

FULL_WORDS = ("no space left on device", "quota exceeded", "errno = 28,", "os error 28)")
"""What stands in the messages of libraries that do not pass on the number of the error."""

PROBE_BYTES = 1 << 20
LEFTOVER_SECONDS = 86400.0
"""An unfinished file of another host that nobody has touched for a day was left behind."""


class StoreError(ValueError):
    """A file does not keep the contract: wrong schema, version, shape or values."""


class DiskFullError(StoreError):
    """There is no room to write a file; what it replaces is untouched."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    The temporary name keeps the suffix (``table.tmp-host-123.tsv``), because many writers choose
    the format by it. If the block raises, the temporary file is removed and ``path`` is
    untouched. What writers of the same file left behind when they were killed is removed too:
    of this host at once, of other hosts after a day.

    Raises:
        DiskFullError: The disk, or the user's share of it, is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    host, process = platform.node(), os.getpid()
    _remove_leftovers(path, host)
    temporary = path.with_name(f"{path.stem}.tmp-{host}-{process}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except Exception as error:
        if isinstance(error, StoreError) or not _is_full(error, temporary):
            raise
        # What libraries say of it is the address of a buffer, or nothing.
        raise DiskFullError(
            f"{path}: cannot be written, the disk is full or your share of it used up; make room "
            "there, or have all results made on another disk (snakemake --directory)"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path, host: str) -> None:
    """Delete what killed writers of a file left beside it."""
    mark = f"{path.stem}.tmp-"
    for leftover in path.parent.glob(f"{glob.escape(mark)}*{glob.escape(path.suffix)}"):
        name, _, process = leftover.stem.removeprefix(mark).rpartition("-")
        if not process.isdigit():
            continue
        try:
            if name == host:
                left = not is_alive(int(process))
            else:
                left = time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS
        except FileNotFoundError:  # its writer is done
            continue
        if left:
            leftover.unlink(missing_ok=True)


def _is_full(error: Exception, temporary: Path) -> bool:
    """Whether a file could not be written because there is no room left.

    Libraries hide it: torch says "unexpected pos", HDF5 "can't destroy cache". So it is looked for
    in what led to the error, and then tried.
    """
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "errno", None) in FULL:
            return True
        if any(word in str(cause).lower() for word in FULL_WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    if (
        isinstance(error, ValueError) or not temporary.exists()
    ):  # it is about what was to be written
        return False
    return not _can_grow(temporary)


def has_room(folder: Path) -> bool:
    """Whether a file can be written into a folder, as far as room is concerned."""
    if not folder.is_dir():
        return True
    probe = folder / f".room-{platform.node()}-{os.getpid()}"
    try:
        return _can_grow(probe)
    finally:
        probe.unlink(missing_ok=True)


def _can_grow(path: Path) -> bool:
    """Whether there is room for a little more in a file."""
    try:
        with path.open("ab") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno not in FULL
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
