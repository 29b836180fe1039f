"""What the workflow and its scripts do with paths."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from react24.weights.variables import FETCH_VARIABLE, NEVER


def share_with_jobs(source: str | Path) -> None:
    """Put a folder first on ``PYTHONPATH``, which jobs inherit.

    Jobs in conda environments and on cluster nodes have no installed react24; what else the user
    has on the path stays behind it.

    Args:
        source: The folder that holds the package.
    """
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [path for path in others if path and path != str(source)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(source), *kept])


def keep_jobs_from_fetching() -> None:
    """See to it that jobs, which inherit this, find their weights or say that they are not there.

    The run fetches them once, before its first job; nodes of a cluster have no connection.
    """
    os.environ[FETCH_VARIABLE] = NEVER


def pick(files: Iterable[tuple[str, str]], prefix: str) -> dict[str, Path]:
    """The files whose names start with a prefix, under the rest of their names.

    Args:
        files: (name, path) pairs, as ``snakemake.input.items()`` gives them.
        prefix: For instance ``train_``.
    """
    return {
        name.removeprefix(prefix): Path(path)
        for name, path in files
        if name and name.startswith(prefix)
    }
