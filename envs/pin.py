"""Write envs/*.yaml: for each group of rules its packages, and all that they need, as locked.

    python envs/pin.py

Run it in an environment that holds requirements.lock, after the lock or ``GROUPS`` changed. The
environments are for Linux, like the lock.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

logger = logging.getLogger(__name__)
ROOT = Path(__file__).parents[1]
CORE = ("numpy", "h5py", "tqdm", "PyYAML", "jsonschema")
"""Whatever imports react24.files.contract, react24.log or the settings."""

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "core": ("z-scoring, windows and baselines", ()),
    "media": ("reading video and sound", ("av", "scipy")),
    "faces": (
        "the face track and the streams made from it",
        (
            "av",
            "ai-edge-litert",
            "mediapipe",
            "opencv-contrib-python",
            "scipy",
            "numba",
            "scikit-image",
        ),
    ),
    "sound": ("VGGish and wav2vec2", ("av", "scipy", "torch", "transformers", "safetensors")),
    "vision": (
        "the face embedding",
        ("av", "opencv-contrib-python", "torch", "transformers", "safetensors"),
    ),
    "models": (
        "training and sampling",
        ("torch", "lightning", "safetensors", "tensorboard", "av", "opencv-contrib-python"),
    ),
    "metrics": ("appropriateness and scoring", ("numba", "scipy")),
    "report": ("tables, plots and contact sheets", ("matplotlib", "av", "scipy")),
    "demo": (
        "the demo corpus",
        (
            "av",
            "mediapipe",
            "numba",
            "opencv-contrib-python",
            "scipy",
            "scikit-image",
            "soundfile",
        ),
    ),
}
"""Environment -> (what for, its direct packages beside ``CORE``)."""

HEADER = """\
# {purpose}. Written by envs/pin.py from requirements.lock.
# react24 itself is not in it: the workflow puts src/ on the path of every job.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
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


def environment(group: str) -> str:
    """Text of ``envs/<group>.yaml``."""
    purpose, packages = GROUPS[group]
    lock = read_lock()
    pins = [lock[name] for name in closure(CORE + packages)]
    header = HEADER.format(purpose=purpose[0].upper() + purpose[1:])
    return header + "".join(f"      - {pin}\n" for pin in pins)


def read_pins(path: Path) -> list[str]:
    """The ``Name==version`` lines of an environment."""
    return re.findall(r"^ +- (\S+==\S+)$", path.read_text(), flags=re.MULTILINE)


def main() -> None:
    """Write all environments."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for group in GROUPS:
        path = ROOT / "envs" / f"{group}.yaml"
        path.write_text(environment(group))
        logger.info("%s: %d packages", path.relative_to(ROOT), len(read_pins(path)))


if __name__ == "__main__":
    main()
