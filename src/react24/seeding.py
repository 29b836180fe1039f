"""Random streams that are named instead of shared.

Every draw comes from a generator keyed by what it is for, e.g. ``(seed, "vae", epoch, step)``. A
run that continues at step k therefore needs no generator state: it names the stream of step k.
Nothing uses torch's or NumPy's global generators.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream_seed(*key: int | str) -> int:
    """A 63-bit seed for a key; different keys give unrelated seeds.

    Args:
        key: Integers and strings, e.g. ``(seed, "vae", epoch, step)``. ``1`` and ``"1"`` differ.
    """
    text = json.dumps([list(map(_plain, key))])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _plain(part: int | str) -> int | str:
    return part if isinstance(part, str) else int(part)


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator at the start of the stream of ``key``."""
    import torch  # here, because the baselines use the seeds alone and should start fast

    return torch.Generator().manual_seed(stream_seed(*key))
