"""Memory that stays with the process, seen in a process of its own."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from react24.training.engine import prepare_processor

if sys.argv[1] == "prepared":
    prepare_processor(1)
    assert torch.get_num_threads() == 1

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def use():
    torch.ones(25 * 2**20)  # 100 MB, freed at once

for _ in range(10):
    use()
before = faults()
for _ in range(10):
    use()
print(faults() - before)
"""


def page_faults(how):
    command = [sys.executable, "-c", SCRIPT, how]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's mallopt")
def test_freed_memory_is_kept():
    assert page_faults("prepared") < 0.1 * page_faults("as it is")
