"""Getting a published file that is what it claims to be.

Nothing is fetched unless a setting names an entry of the registry. A file is used only after its
SHA-256 was compared with what the registry knows of it: the whole digest, or its first digits
where the publisher gives no more, or nothing. In the last two cases the whole digest is written
to ``weights.lock.json`` beside the file when the file is first used, and another one is refused
from then on.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from react24.errors import InputError
from react24.files.atomic import atomic_path, sha256_file
from react24.log import progress
from react24.weights.registry import (
    RANDOM,
    REGISTRY,
    WeightsEntry,
    find_entry,
    weights_folder,
    with_a_browser,
)
from react24.weights.unfit import FOLDER_FILES, explain_unfit
from react24.weights.variables import FETCH_VARIABLE, NEVER

logger = logging.getLogger(__name__)

LOCK_NAME = "weights.lock.json"
BLOCK = 1 << 20
TIMEOUT = 60.0

Opener = Callable[..., BinaryIO]


@dataclass(frozen=True)
class ResolvedWeights:
    """What a ``weights`` setting stands for.

    Attributes:
        path: File or folder; None for random weights.
        name: ``random``, the registry's name, or the name of the local file.
        sha256: Of the file (for a folder: of the weights file in it); None for random weights.
        pretrained: False for random weights.
    """

    path: Path | None
    name: str
    sha256: str | None
    pretrained: bool

    def describe(self) -> str:
        """``name sha256``, as stored beside features."""
        return f"{self.name} {self.sha256}" if self.sha256 else self.name


def fetch(
    name: str, folder: str | Path | None = None, *, opener: Opener = urllib.request.urlopen
) -> Path:
    """Make sure that a published file is in ``folder`` and is the right one.

    A file that is already there is only checked. Otherwise it is downloaded under a temporary
    name, checked, and renamed, so that a broken download is never taken for the file. Of several
    processes that want it, one downloads and the others wait.

    Args:
        name: A key of ``REGISTRY``.
        folder: Where weights live; ``registry.weights_folder()`` unless given.
        opener: Called with (url, timeout=seconds); returns a readable response.

    Raises:
        InputError: Unknown name, no connection or a file that only a person can fetch (says
            which to put where), or a file with another digest.
    """
    entry = find_entry(name)
    path = Path(folder or weights_folder()) / entry.file
    if not path.exists():
        _download_once(entry, path, opener)
    verify(name, path)
    return path


def verify(name: str, path: Path) -> str:
    """Compare a file with the registry and the lock file; lock it on first use.

    Returns:
        Its whole SHA-256.

    Raises:
        InputError: Another digest than expected.
    """
    entry = find_entry(name)
    digest = sha256_file(path)
    _check_published(entry, path, digest)
    if entry.sha256 is not None and len(entry.sha256) == 64:
        return digest
    with _locked(path.parent / LOCK_NAME) as digests:
        known = digests.setdefault(entry.file, digest)
    if known != digest:
        raise InputError(
            f"{path}: its SHA-256 is {digest}, but {path.parent / LOCK_NAME} has {known} from the "
            "first time this file was used. Put the former file back, or, if the change is meant, "
            f"delete the line of {entry.file} from the lock file; features made with the former "
            "file then no longer match."
        )
    return digest


def resolve(
    setting: str, folder: str | Path | None = None, *, download: bool | None = None
) -> ResolvedWeights:
    """Turn a ``weights`` setting into a file.

    Args:
        setting: ``random``, a key of ``REGISTRY``, or the path of a file or folder. A name of the
            registry wins over a path; write ``./vggish`` for a folder of that name.
        folder: Where published weights are kept; ``registry.weights_folder()`` unless given.
        download: Fetch a published file that is not there yet; None does so unless
            ``$REACT24_FETCH`` is ``never``, as it is in the jobs of a run.

    Raises:
        InputError: Neither, or a file that cannot be had or is not the right one.
    """
    if setting == RANDOM:
        return ResolvedWeights(None, RANDOM, None, False)
    if setting in REGISTRY:
        entry = REGISTRY[setting]
        path = Path(folder or weights_folder()) / entry.file
        may_fetch = os.environ.get(FETCH_VARIABLE) != NEVER if download is None else download
        if not path.exists() and not may_fetch:
            raise InputError(_not_there(entry, path))
        if not path.exists():
            _download_once(entry, path, urllib.request.urlopen)
        return ResolvedWeights(path, entry.name, verify(setting, path), True)
    path = Path(setting)
    if not path.exists():
        raise InputError(
            f"weights {setting!r}: no such file or folder, and no published weights of that name; "
            f"accepted: {RANDOM}, a path, or one of {', '.join(sorted(REGISTRY))}"
        )
    return ResolvedWeights(path, path.name, sha256_file(find_weights_file(path)), True)


def find_weights_file(path: Path) -> Path:
    """The file itself, or the weights file in a folder in the layout of transformers.

    Raises:
        InputError: A folder without one.
    """
    if path.is_file():
        return path
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: {explain_unfit(path)}")


def _check_published(entry: WeightsEntry, path: Path, digest: str, what: str = "") -> None:
    if entry.sha256 is None or digest.startswith(entry.sha256):
        return
    raise InputError(
        f"{path}: {what or 'this file'} has SHA-256 {digest}, expected "
        f"{entry.sha256}{'' if len(entry.sha256) == 64 else '...'}: it is incomplete or another "
        f"file. Delete it and fetch {entry.name} again from {entry.url}"
    )


def _download_once(entry: WeightsEntry, path: Path, opener: Opener) -> None:
    """Download a file, unless another process does so meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    guard = path.with_name(f".{path.name}.guard")
    with guard.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if not path.exists():
                _download(entry, path, opener)
        finally:  # who still waits for it sees the file, or tries for himself
            guard.unlink(missing_ok=True)


def _download(entry: WeightsEntry, path: Path, opener: Opener) -> None:
    if entry.by_hand:
        raise InputError(with_a_browser(entry, path))
    logger.info("fetching %s (%d MB, %s) to %s", entry.url, entry.megabytes, entry.licence, path)
    if entry.sha256 is None:
        logger.warning(
            "no checksum of %s is published: the first download is trusted and its SHA-256 is "
            "kept in %s; later changes are refused",
            entry.name,
            path.parent / LOCK_NAME,
        )
    with atomic_path(path) as temporary:
        try:
            with opener(entry.url, timeout=TIMEOUT) as response, temporary.open("wb") as file:
                _copy(response, file, entry)
        except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
            raise InputError(_by_hand(entry, path, str(error))) from error
        _check_published(entry, path, sha256_file(temporary), "what was downloaded")


def _copy(response: BinaryIO, file: BinaryIO, entry: WeightsEntry) -> None:
    length = int(getattr(response, "headers", {}).get("Content-Length") or 0)
    total = -(-length // BLOCK) if length else None
    blocks = iter(lambda: response.read(BLOCK), b"")
    written = 0
    for block in progress(blocks, what=f"fetching {entry.name}", unit="MiB", total=total):
        written += file.write(block)
    if length and written != length:
        raise ConnectionError(f"the connection ended after {written} of {length} bytes")


def _not_there(entry: WeightsEntry, path: Path) -> str:
    if entry.by_hand:
        return with_a_browser(entry, path)
    names = " ".join((entry.name, *entry.needs))
    return (
        f"weights {entry.name}: {path} is not there, and jobs fetch nothing themselves; run "
        f"`react24 fetch-weights {names}` where there is a connection, and start again"
    )


def _by_hand(entry: WeightsEntry, path: Path, reason: str) -> str:
    if entry.by_hand:
        return with_a_browser(entry, path)
    return (
        f"weights {entry.name}: cannot fetch {entry.url} ({reason}). Download that file on a "
        f"machine with a connection, put it at {path}, and run again"
    )


@contextmanager
def _locked(path: Path) -> Iterator[dict[str, str]]:
    """Yield the lock file's content; write it back where it changed. One process at a time."""
    guard = path.with_name(f".{path.name}.guard")
    with guard.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        digests = json.loads(path.read_text()) if path.exists() else {}
        before = dict(digests)
        yield digests
        if digests != before:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(digests, indent=2, sort_keys=True) + os.linesep)
