"""Write envs/*.yaml: for each group of rules its packages, pinned as in the lock.

    python envs/pin.py

What a rule imports and conda-forge keeps comes from there; the rest, and whatever it needs beyond
that, comes from pip. Run it in an environment that holds requirements.lock, after the lock or
``GROUPS`` changed. The environments are for Linux, like the lock.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

logger = logging.getLogger(__name__)
ROOT = Path(__file__).parents[1]

CHANNEL = {
    "av": "av",
    "h5py": "h5py",
    "librosa": "librosa",
    "matplotlib": "matplotlib-base",
    "numba": "numba",
    "numpy": "numpy",
    "pandas": "pandas",
    "pydantic": "pydantic",
    "pyyaml": "pyyaml",
    "safetensors": "safetensors",
    "scikit-image": "scikit-image",
    "scipy": "scipy",
    "soundfile": "pysoundfile",
    "tensorboard": "tensorboard",
    "tqdm": "tqdm",
}
"""Name on PyPI -> name on conda-forge, of what is taken from there. Not taken: torch and what has
to match its wheels, and mediapipe with the OpenCV it asks for."""

CORE = ("numpy", "h5py", "tqdm", "PyYAML", "pydantic", "pandas")
"""Whatever reads settings and writes HDF5."""


@dataclass(frozen=True)
class Group:
    """One environment.

    Attributes:
        purpose: What for, a sentence without its point.
        packages: Direct packages beside ``CORE``, names on PyPI.
    """

    purpose: str
    packages: tuple[str, ...]


GROUPS: dict[str, Group] = {
    "core": Group(
        "Reading recordings, clips, metrics, tables and plots: all that needs no network",
        ("av", "scipy", "numba", "matplotlib"),
    ),
    "faces": Group(
        "The face track, the streams made from it, and the demo corpus",
        (
            "av", "scipy", "numba", "scikit-image", "soundfile",
            "opencv-contrib-python", "mediapipe", "ai-edge-litert",
        ),
    ),
    "torch": Group(
        "Streams made by torch, training and sampling",
        (
            "av", "scipy", "librosa", "safetensors", "tensorboard",
            "torch", "torchaudio", "transformers", "lightning", "opencv-contrib-python",
        ),
    ),
}  # fmt: skip
"""Environment -> what is in it."""

HEADER = """\
# {purpose}. Written by envs/pin.py from requirements.lock.
# react24 itself is not in it: the workflow puts src/ on the path of every job.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
"""


def read_lock(path: Path = ROOT / "requirements.lock") -> dict[str, str]:
    """Canonical name -> the lock's ``Name==version``, without the condition that may follow."""
    lines = [line.partition(";")[0].strip() for line in path.read_text().splitlines()]
    pins = [line for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.partition("==")[0]): pin for pin in pins}


def closure(packages: tuple[str, ...]) -> list[str]:
    """Canonical names of packages and of everything they need, from what is installed here."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in packages]
    done: set[tuple[str, frozenset]] = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            marks = [{"extra": extra} for extra in extras or {""}]
            if needed.marker is None or any(needed.marker.evaluate(mark) for mark in marks):
                waiting.append(needed)
    return sorted(found)


def channel_pin(pin: str) -> str:
    """``numpy==2.4.6`` as conda-forge's ``numpy=2.4``: it does not keep every last digit."""
    name, _, version = pin.partition("==")
    return f"{CHANNEL[canonicalize_name(name)]}={'.'.join(version.split('.')[:2])}"


def environment(group: str) -> str:
    """Text of ``envs/<group>.yaml``."""
    chosen, lock = GROUPS[group], read_lock()
    direct = {canonicalize_name(name) for name in CORE + chosen.packages}
    kept = tuple(sorted(direct & set(CHANNEL)))
    by_pip = set(closure(tuple(sorted(direct - set(kept))))) - set(closure(kept))
    lines = [f"  - {channel_pin(lock[name])}" for name in kept] + ["  - pip"]
    if by_pip:
        lines += ["  - pip:", *(f"      - {lock[name]}" for name in sorted(by_pip))]
    return HEADER.format(purpose=chosen.purpose) + "\n".join(lines) + "\n"


def read_pins(path: Path) -> list[str]:
    """The ``Name==version`` lines of an environment, those for pip."""
    return re.findall(r"^ +- (\S+==\S+)$", path.read_text(), flags=re.MULTILINE)


def main() -> None:
    """Write all environments."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for group in GROUPS:
        path = ROOT / "envs" / f"{group}.yaml"
        path.write_text(environment(group))
        logger.info("%s: %d packages by pip", path.relative_to(ROOT), len(read_pins(path)))


if __name__ == "__main__":
    main()
