"""The input that makes Snakemake run a job whose output is stale.

It is an old symbolic link to a folder that is later than everything. Snakemake asks the folder
for its time when it looks for inputs that are newer than an output, and the link when it looks,
after a job, whether clocks went wrong; so a dry run beside a run disturbs nothing. Of a folder it
takes no checksum, which could be the same as before.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

AHEAD = 86_400.0
"""How far the folder is set into the future, s: clocks of nodes and servers differ."""


def place_marker(link: Path, *, renew: bool) -> None:
    """Make the marker where it is missing, or was copied as something else.

    Args:
        link: Where it lies; its folder is beside it.
        renew: Set it later than everything. Jobs need only find it.
    """
    folder = link.with_name(f"{link.name}.d")
    folder.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        if link.is_dir():  # links are followed by some ways of copying
            shutil.rmtree(link)
        with suppress(FileExistsError):  # another process was faster
            link.symlink_to(folder.name)
        if os.utime in os.supports_follow_symlinks:
            os.utime(link, (0, 0), follow_symlinks=False)
    if renew:
        later = time.time() + AHEAD
        os.utime(folder, (later, later))
