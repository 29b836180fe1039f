"""Time our models against the official code: same mathematics, same machine, one process.

    PYTHONPATH=src python benchmarks/official_models.py --baseline PATH --learning2listen PATH
        [--cases NAME ...] [--threads 1] [--repeats 5] [--memory]

``--baseline`` is a checkout of https://github.com/reactmultimodalchallenge/baseline_react2024,
``--learning2listen`` one of https://github.com/evonneng/learning2listen; cases whose checkout is
not given are left out. Official batches and sizes, optimiser step included, synthetic data. Both
sides start from the same weights, and their numbers are compared before they are timed. Times are
CPU seconds of the process, smallest of the repeats; with several threads, wall seconds too.
``--memory`` runs three steps of each side in a process of its own and prints its peak memory, the
import of torch included.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from official.measure import Case, Timing

# Without this, glibc gives large buffers back to the kernel after each use, on both sides.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
}
GIB = 1 << 30


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--learning2listen", type=Path)
    parser.add_argument("--cases", nargs="+", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak-of", choices=("official", "ours"), help=argparse.SUPPRESS)
    return parser.parse_args()


def peak_in_own_process(case: str, side: str, options: argparse.Namespace) -> float:
    """Peak GiB of a process that makes three steps of one side."""
    command = [sys.executable, __file__, "--cases", case, "--peak-of", side]
    for name in ("baseline", "learning2listen"):
        if getattr(options, name):
            command += [f"--{name}", str(getattr(options, name))]
    environment = {k: v for k, v in os.environ.items() if k not in ALLOCATOR}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.split()[-1])


def describe(case: Case, theirs: Timing, ours: Timing, threads: int) -> str:
    line = f"{case.title:48s} CPU s {theirs.cpu:8.3f} official {ours.cpu:8.3f} ours"
    line += f" ratio {theirs.cpu / ours.cpu:6.2f}"
    if case.target is not None:
        line += f" (wanted {case.target})"
    if threads > 1:
        line += f"; wall s {theirs.wall:.3f} / {ours.wall:.3f} = {theirs.wall / ours.wall:.2f}"
    return line


def main() -> None:
    options = parse()
    if not options.peak_of and any(name not in os.environ for name in ALLOCATOR):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    import torch
    from official.cases import choose
    from official.checkouts import stay_on_cpu
    from official.measure import time_both

    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", message="enable_nested_tensor|size_average")  # theirs
    stay_on_cpu()
    chosen = choose(options.cases, options.baseline, options.learning2listen)
    if options.list:
        print("\n".join(case.name for case, _ in chosen))
        return
    if options.peak_of:
        (case, checkout) = chosen[0]
        work = getattr(case.make(checkout), options.peak_of)
        for _ in range(3):
            work()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB)
        return
    if options.memory:
        for case in (case for case, _ in chosen if case.training):
            peaks = [peak_in_own_process(case.name, s, options) for s in ("official", "ours")]
            print(f"{case.title:48s} peak GiB {peaks[0]:6.2f} official {peaks[1]:6.2f} ours")
        return
    print(f"torch {torch.__version__}, {options.threads} threads, smallest of {options.repeats}")
    for case, checkout in chosen:
        sides = case.make(checkout)
        difference = sides.compare() if sides.compare else None
        theirs, ours = time_both(sides, options.repeats)
        print(describe(case, theirs, ours, options.threads))
        agreement = "" if difference is None else f"they differ by {difference:.1e}: "
        print(f"    {agreement}{sides.note}", flush=True)
        del sides
        gc.collect()  # or the tensors of one case stay through the next


if __name__ == "__main__":
    main()
