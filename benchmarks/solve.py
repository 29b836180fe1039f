"""How fast the landmark solve is: pose, neutral face and 52 coefficients, frames per CPU second.

    python benchmarks/solve.py [--frames 7500] [--repeats 3]

Landmarks are synthetic: the rig moved by smooth random coefficients and poses, with noise.
"""

from __future__ import annotations

import argparse
import os
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy: the figure is per core

import numpy as np  # noqa: E402

from react24.rig.model import load_rig  # noqa: E402
from react24.rig.pose import euler_to_matrix  # noqa: E402
from react24.rig.solve import solve_track  # noqa: E402

TARGET = 1000.0


def make_landmarks(frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rig = load_rig()
    time_axis = np.arange(frames)[:, None] / 25.0

    def waves(count: int) -> np.ndarray:
        hertz, phase = rng.uniform(0.1, 1.0, count), rng.uniform(0, 2 * np.pi, count)
        return np.sin(2 * np.pi * hertz * time_axis + phase)

    coefficients = np.clip(0.8 * waves(len(rig.names)) - 0.2, 0.0, 1.0)
    turned = rig.deform(coefficients) @ euler_to_matrix(0.15 * waves(3)).swapaxes(1, 2)
    landmarks = 90.0 * turned + (128.0, 100.0, 0.0) + rng.normal(0.0, 0.3, turned.shape)
    return landmarks.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=7500)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    landmarks = make_landmarks(options.frames)
    valid = np.ones(options.frames, bool)
    solve_track(landmarks[:100], valid[:100], 256, 256)  # imports and first-time costs
    rates = []
    for _ in range(options.repeats):
        began = time.process_time()
        solve_track(landmarks, valid, 256, 256)
        rates.append(options.frames / (time.process_time() - began))
    print(f"frames                 {options.frames}")
    print(f"frames/s per core      {np.median(rates):.0f}  (min {min(rates):.0f})")
    print(f"target                 {TARGET:.0f}  {'met' if min(rates) >= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main()
