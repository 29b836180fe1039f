"""Memory that stays with the process, seen in a process of its own."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import torch
from react24.training.engine import prepare_processor

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def use():
    torch.ones(25 * 2**20)  # 100 MB, freed at once

def count():
    for _ in range(10):
        use()
    before = faults()
    for _ in range(10):
        use()
    return faults() - before

as_it_is = count()
prepare_processor(1)
assert torch.get_num_threads() == 1
print(as_it_is, count())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's mallopt")
def test_freed_memory_is_kept():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    as_it_is, prepared = map(int, done.stdout.split())
    assert prepared < 0.1 * as_it_is
