"""Checkpoints that are complete, verified and belong to the run that reads them.

A checkpoint is one file, ``step000000123.<16 hex digits>.pt``: a torch archive whose name carries
the beginning of the SHA-256 of its bytes. It is written under a temporary name, synced and
renamed; the last two are kept. A file that does not match its name is passed over in favour of
the one before it. A checkpoint of another run (other settings, data, seed or code) is discarded.

A run that is done leaves ``finished.<16 hex digits>.pt``: its weights and curves, without what only
training needs (a third of a checkpoint or less). From it the outputs can be written again in
seconds, as Snakemake asks for where it has not seen the job end.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from react24.files import contract

logger = logging.getLogger(__name__)

KEPT = 2
LEFTOVER_SECONDS = 600
"""An unfinished checkpoint that nobody has touched for so long was left by a killed process."""

_NAME = re.compile(r"(step\d{9}|finished)\.([0-9a-f]{16})\.pt")
FINISHED = "finished"


class CheckpointFolder:
    """The checkpoints of one run of one stage."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        """Name the run.

        Args:
            folder: Made when first written to.
            identity: Everything the result depends on (JSON-able): settings, seed, digests of
                data and code. Only checkpoints with an equal identity are used.
        """
        self.folder = Path(folder)
        self.identity = json.loads(json.dumps(identity))

    def save(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write a checkpoint and delete all but the last two.

        Args:
            step: Steps done.
            state: Tensors and plain Python values, as ``torch.load(weights_only=True)`` reads.

        Raises:
            DiskFullError: There is no room; earlier checkpoints are untouched.
        """
        path = self._write(f"step{step:09d}", step, state)
        for old in self._files("step")[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def save_finished(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write what a run that is done needs to write its outputs again.

        Args:
            step: Steps done.
            state: As for `save`.
        """
        return self._write(FINISHED, step, state)

    def keep_only_finished(self) -> None:
        """Delete the checkpoints of a run that is done, if it left what it needs."""
        if self._files(FINISHED):
            for path in self._files("step"):
                path.unlink(missing_ok=True)

    def _write(self, name: str, step: int, state: Mapping[str, Any]) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Another process may have taken this folder over: nothing here may depend on being the
        # only writer.
        staged = self.folder / f"{name}-{os.getpid()}.new"
        content = {"identity": json.dumps(self.identity), "step": step, "state": dict(state)}
        with contract.atomic_path(staged) as temporary:
            torch.save(content, temporary)
            digest = contract.sha256_file(temporary)[:16]
        path = staged.with_name(f"{name}.{digest}.pt")
        staged.replace(path)
        return path

    def load(self) -> dict[str, Any] | None:
        """State of the newest usable checkpoint, tensors on the CPU; None to start anew.

        Damaged files are named in a warning and passed over. A checkpoint of another run is a
        reason to delete all of them: the log says what differs.
        """
        self._remove_leftovers()
        for path in self._files(FINISHED) + self._files("step"):
            content = _read(path)
            if content is None:
                continue
            differences = _differences(json.loads(content["identity"]), self.identity)
            if differences:
                logger.warning(
                    "%s belongs to another run and is discarded; training starts anew. Changed: %s",
                    path,
                    "; ".join(differences),
                )
                self.clear()
                return None
            logger.info("continuing from %s (%d steps done)", path, content["step"])
            return content["state"]
        return None

    def clear(self) -> None:
        """Delete all checkpoints."""
        for path in self._files(FINISHED) + self._files("step"):
            path.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Delete what killed processes did not finish writing."""
        if not self.folder.is_dir():
            return
        for path in [*self.folder.glob("step*.new"), *self.folder.glob(f"{FINISHED}*.new")]:
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)

    def _files(self, kind: str) -> list[Path]:
        """Checkpoints whose name begins so, the newest first."""
        if not self.folder.is_dir():
            return []
        found = (p for p in self.folder.iterdir() if _NAME.fullmatch(p.name))
        return sorted((p for p in found if p.name.startswith(kind)), reverse=True)


def _read(path: Path) -> dict[str, Any] | None:
    """Content of a checkpoint; None, with a warning, where it is damaged."""
    expected = _NAME.fullmatch(path.name).group(2)
    try:
        found = contract.sha256_file(path)[:16]
    except FileNotFoundError:
        return None  # another process of this run has kept newer ones
    if found != expected:
        problem = f"its bytes have SHA-256 {found}..., its name says {expected}..."
    else:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
            problem = str(error)
    logger.warning("checkpoint %s is damaged (%s); trying the one before it", path, problem)
    return None


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What changed from ``old`` to ``new``, one sentence per leaf."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(old.keys() | new.keys()):
            where = f"{name}.{key}" if name else key
            found += _differences(old.get(key), new.get(key), where)
        return found
    return [] if old == new else [f"{name}: {old!r} -> {new!r}"]
