"""Compiling a numerical kernel once per machine instead of once per process."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numba

logger = logging.getLogger(__name__)


def compiled(function: Callable) -> Callable:
    """Compile with numba at the first call, without the GIL, and keep the machine code on disk.

    numba writes the cache to ``__pycache__`` beside the source; if that folder is read-only, to
    the user's cache folder; ``NUMBA_CACHE_DIR`` overrides both. A change of the source file or
    another processor makes a new entry, and several processes may write at once. Where no folder
    at all can be written, the kernel is compiled anew in each process, and the log says so.

    A cached kernel does not notice changes in kernels of another file: those that call each other
    must share one.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError as error:
        logger.warning(
            "%s is compiled again in each process (some seconds): %s; set NUMBA_CACHE_DIR to a "
            "folder that can be written",
            function.__name__,
            error,
        )
        return numba.njit(nogil=True)(function)
