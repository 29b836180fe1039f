"""Making this checkout importable for the jobs of the workflow."""

from __future__ import annotations

import os
from pathlib import Path


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
