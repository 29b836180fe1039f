"""Snakemake without the second and a half that it takes to import it, every time."""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["snakemake.cli"])


def run_forked(arguments, folder, environment):
    """Run Snakemake in a fork of a process that has imported it; (exit status, what it printed)."""
    with tempfile.NamedTemporaryFile(suffix=".txt") as printed:
        process = CONTEXT.Process(
            target=_run, args=([*map(str, arguments)], str(folder), environment, printed.name)
        )
        process.start()
        process.join(1800)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"snakemake {arguments} takes more than half an hour")
        return process.exitcode, Path(printed.name).read_text("utf-8", errors="replace")


def _run(arguments, folder, environment, printed):
    import atexit

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    descriptor = os.open(printed, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    status = 0
    try:
        main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        # A fork ends without them.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
