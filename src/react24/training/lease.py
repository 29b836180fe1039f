"""One training at a time in a checkpoint folder, on however many machines.

After a workflow was killed, a job of it may still be training; another one in the same folder would
double the GPU time and mix two runs. So a training takes the folder with a file,
``lease-000001.json``, that says who it is and whose time it renews while it lives. It needs no
locks of the file system, which many network file systems lack: a file is made that must not be
there yet, and the lease with the highest number holds. Who finds that its holder is dead makes the
next number; only one can.

A holder is dead when its process is gone (on this machine), when its job is gone (Slurm), or when
it has not renewed its lease for ``STALE_SECONDS``. Times are those of the file system alone, so
clocks of machines may differ.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from react24.errors import InputError
from react24.files.process import Process

logger = logging.getLogger(__name__)

RENEW_SECONDS = 20.0
STALE_SECONDS = 300.0
"""So long a holder of whom nothing else is known may be silent: much longer than what network file
systems keep in their caches (a minute)."""

POLL_SECONDS = 2.0

_NAME = re.compile(r"lease-(\d{6})\.json")


class LeaseLostError(RuntimeError):
    """Another process took over a folder that this one thought was its own."""


@dataclass(frozen=True)
class _Holder:
    """A lease as found: its file, who made it, when he last renewed it."""

    path: Path
    text: str
    renewed: int

    @property
    def number(self) -> int:
        return int(_NAME.fullmatch(self.path.name)[1])  # type: ignore[index]

    @property
    def owner(self) -> Process | None:
        """None where the file is not whole: its writer died, or is at it."""
        try:
            return Process.from_json(json.loads(self.text)["owner"])
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def since(self) -> str:
        try:
            return str(json.loads(self.text)["since"])
        except (ValueError, KeyError, TypeError):
            return "an unknown time"


class Lease:
    """A folder that is held; `hold` makes one."""

    def __init__(self, path: Path, text: str):
        self.path, self.text = path, text
        self.lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)

    def confirm(self) -> None:
        """See that the folder is still this process's, and renew.

        Raises:
            LeaseLostError: It is another's by now.
        """
        self._renew()
        if self.lost:
            raise LeaseLostError(
                f"{self.path.parent}: another training has taken over this folder, because this "
                f"process had not been heard of for {STALE_SECONDS:.0f} s; this one stops"
            )

    def _renew(self) -> None:
        try:
            self.lost = self.lost or self.path.read_text("utf-8") != self.text
            if not self.lost:
                os.utime(self.path)
        except FileNotFoundError:
            self.lost = True
        except OSError as error:  # a server that is away for a while: the next renewal may do
            logger.warning("%s cannot be renewed (%s); trying again", self.path, error)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(RENEW_SECONDS) and not self.lost:
            self._renew()

    def start(self) -> None:
        """Renew from now on."""
        self._thread.start()

    def release(self) -> None:
        """Give the folder back."""
        self._ended.set()
        self._thread.join()
        self._renew()
        if not self.lost:
            self.path.unlink(missing_ok=True)


@contextmanager
def hold(folder: Path) -> Iterator[Lease]:
    """Hold a folder while the block runs.

    Where its holder is perhaps dead, wait until that is known: at most ``STALE_SECONDS``.

    Args:
        folder: Of checkpoints; made where it is missing.

    Raises:
        InputError: A living process holds it: who, since when, what to do.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lease = _take(folder)
    lease.start()
    try:
        yield lease
    finally:
        lease.release()


def _take(folder: Path) -> Lease:
    token = uuid.uuid4().hex
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    values = {"owner": Process.this().to_json(), "since": since, "token": token}
    own = folder / f"lease-{token}.new"
    try:
        while True:
            own.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
            text = own.read_text("utf-8")
            found = _highest(folder)
            if found is not None:
                _wait_for_its_end(found, own)
            path = folder / f"lease-{(found.number if found else 0) + 1:06d}.json"
            if not _make(path, own, text):
                continue  # somebody was faster; see whether he lives
            if _is_the_only_one(path, found):
                _remove_older(path, own)
                return Lease(path, text)
            path.unlink(missing_ok=True)
            time.sleep(0.05 + 0.2 * (os.getpid() % 10) / 10)  # not both again at the same time
    finally:
        own.unlink(missing_ok=True)


def _highest(folder: Path) -> _Holder | None:
    """The lease that counts."""
    for path in sorted(_leases(folder), reverse=True):
        if found := _look(path):
            return found
    return None


def _leases(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def _look(path: Path) -> _Holder | None:
    """A lease; None where it is gone."""
    try:
        with path.open("rb") as file:  # opening it asks the file server for its present time
            renewed = os.fstat(file.fileno()).st_mtime_ns
            return _Holder(path, file.read().decode("utf-8", "replace"), renewed)
    except FileNotFoundError:
        return None


def _wait_for_its_end(first: _Holder, own: Path) -> None:
    """Return when a lease is known to hold no more.

    Raises:
        InputError: Its holder lives.
    """
    asked, lives = float("-inf"), None
    while (now := _look(first.path)) is not None and now.text == first.text:
        os.utime(own)
        silent = (own.stat().st_mtime_ns - now.renewed) / 1e9
        is_first = asked < 0
        if time.monotonic() - asked >= RENEW_SECONDS:
            asked, lives = time.monotonic(), now.owner.lives() if now.owner else None
        if lives or (lives is None and now.renewed != first.renewed):
            raise InputError(_refusal(now, silent))
        if lives is False or silent > STALE_SECONDS:
            owner = now.owner or "somebody who did not say who he is"
            logger.warning("%s was held by %s, who is gone: taken over", first.path.parent, owner)
            return
        if is_first:
            logger.info(
                "%s is held by %s, of whom this machine knows nothing: waiting for a sign of life, "
                "%.0f s at most",
                *(first.path.parent, now.owner, STALE_SECONDS - silent),
            )
        time.sleep(POLL_SECONDS)


def _refusal(found: _Holder, silent: float) -> str:
    owner, end = found.owner or "by an unknown process", "end it"
    if isinstance(owner, Process):
        how = f"scancel {owner.slurm_job}" if owner.slurm_job else f"kill {owner.pid} there"
        end = f"end it ({how})"
    return (
        f"{found.path.parent}: another training is at work in this folder: {owner}, since "
        f"{found.since}, last sign of life {max(silent, 0):.0f} s ago. Wait until it is done, or "
        f"{end}, and start again; if you know that it is gone, delete {found.path.name} there"
    )


def _make(path: Path, own: Path, text: str) -> bool:
    """Make a lease, all of it at once, if it is not there yet; whether it was made."""
    try:
        os.link(own, path)
        return True
    except FileExistsError:
        # A network file system may have made it and lost the answer.
        return own.stat().st_nlink > 1
    except OSError:  # a file system without hard links
        pass
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _is_the_only_one(path: Path, before: _Holder | None) -> bool:
    """Whether nothing happened between looking at a lease that was over and making the next.

    Who looked long ago could make a number that others have used and left meanwhile.
    """
    if any(other.name > path.name for other in _leases(path.parent)):
        return False
    if before is None:
        return True
    now = _look(before.path)
    return now is not None and now.text == before.text


def _remove_older(path: Path, own: Path) -> None:
    """Delete the leases before this one, and what killed processes left half made."""
    for other in _leases(path.parent):
        if other.name < path.name:
            other.unlink(missing_ok=True)
    for left in path.parent.glob("lease-*.new"):
        try:
            silent = (own.stat().st_mtime_ns - left.stat().st_mtime_ns) / 1e9
        except FileNotFoundError:
            continue
        if silent > STALE_SECONDS:  # who waits touches his every few seconds
            left.unlink(missing_ok=True)
