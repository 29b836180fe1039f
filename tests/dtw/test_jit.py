import logging
import os
import subprocess
import sys
from pathlib import Path

import numba

from react24.dtw import jit


def test_without_a_folder_for_the_cache_it_still_compiles(monkeypatch, caplog):
    njit = numba.njit

    def refusing(*function, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'double': no locator available")
        return njit(*function, **options)

    monkeypatch.setattr(numba, "njit", refusing)

    def double(x):
        return 2 * x

    with caplog.at_level(logging.WARNING):
        compiled = jit.compiled(double)
    assert compiled(21) == 42
    assert "no locator available" in caplog.text


def test_a_second_process_finds_the_compiled_kernels(tmp_path):
    script = (
        "import numpy as np\n"
        "from react24.dtw.lanes import LaneWarper, warp\n"
        "zeros = np.zeros((1, 2, 25), np.float32)\n"
        "warper = LaneWarper(zeros, zeros, zeros[0, 0], zeros[0, 0])\n"
        "pair = np.zeros((2, 1), np.int64)\n"
        "assert warper.screen(pair, slice(15, 17), np.ones(1))[0] == 0\n"
        "print(sum(warp.stats.cache_hits.values()))\n"
    )
    source = Path(jit.__file__).parents[2]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(source)}
    hits = [
        subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert [int(h) for h in hits] == [0, 1]
