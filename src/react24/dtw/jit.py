"""Compiling a numerical kernel once per machine instead of once per process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import numba

logger = logging.getLogger(__name__)


REORDER = {"reassoc", "nsz", "contract"}
"""Sums may be taken in another order, so that they are computed in vectors; NaN stays NaN."""


def compiled(function: Callable | None = None, *, reorder: bool = False) -> Callable:
    """Compile with numba at the first call, without the GIL, and keep the machine code on disk.

    numba writes the cache to ``__pycache__`` beside the source; if that folder is read-only, to
    the user's cache folder; ``NUMBA_CACHE_DIR`` overrides both. A change of the source file or
    another processor makes a new entry, and several processes may write at once. Where no folder
    at all can be written, the kernel is compiled anew in each process, and the log says so.

    A cached kernel does not notice changes in kernels of another file: those that call each other
    must share one.

    Args:
        function: The kernel; None to give only the option, as in ``@compiled(reorder=True)``.
        reorder: Let sums be taken in any order (``REORDER``).
    """
    if function is None:
        return partial(compiled, reorder=reorder)
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": REORDER if reorder else False,
        "error_model": "numpy",  # x / 0 is inf or NaN: a check would keep loops from vectors
    }
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        logger.warning(
            "%s is compiled again in each process (some seconds): %s; set NUMBA_CACHE_DIR to a "
            "folder that can be written",
            function.__name__,
            error,
        )
        return numba.njit(**options)(function)
