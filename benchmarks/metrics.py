"""Time the metrics, and the official code on the same arrays in the same run.

    python benchmarks/metrics.py [--official PATH] [--clips 40] [--samples 10]

PATH is a checkout of https://github.com/reactmultimodalchallenge/baseline_react2024; its code
also needs torch, pandas and tslearn. Both sides run in one process on one thread (set
OMP_NUM_THREADS=1), kernels compiled beforehand; the time is CPU seconds, and the results are
compared. The official side takes about two minutes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from react24.appropriate import speaker_distances
from react24.metrics import frcorr, frdist, frdiv, frdvs, frvar, tlcc
from react24.metrics.evaluate import evaluate

FRAMES = 750


@dataclass(frozen=True)
class Arrays:
    """What the metrics are computed from."""

    predictions: np.ndarray
    truth: np.ndarray
    speaker: np.ndarray
    matrix: np.ndarray


@dataclass(frozen=True)
class Timing:
    """A result and the CPU seconds it took."""

    value: float
    seconds: float


def make_arrays(clips: int, samples: int, density: float) -> Arrays:
    """Smooth reactions that correlate with the truth at 0.6, one in ten reactions appropriate."""
    rng = np.random.default_rng(0)

    def smooth(*shape: int) -> np.ndarray:
        total = np.cumsum(rng.standard_normal((*shape, FRAMES + 20, 25)), axis=-2)
        return ((total[..., 20:, :] - total[..., :-20, :]) / np.sqrt(20)).astype(np.float32)

    truth, speaker = smooth(clips), smooth(clips)
    predictions = (0.6 * truth[:, None] + 0.8 * smooth(clips, samples)).astype(np.float32)
    matrix = (rng.random((clips, clips)) < density) | np.eye(clips, dtype=bool)
    return Arrays(predictions, truth, speaker, matrix.astype(np.float64))


def timed(function: Callable[[], float]) -> Timing:
    start = time.process_time()
    value = float(function())
    return Timing(value, time.process_time() - start)


def run_ours(data: Arrays) -> dict[str, Timing]:
    p, g, q, m = data.predictions, data.truth, data.speaker, data.matrix
    return {
        "FRCorr": timed(lambda: frcorr(p, g, m).official),
        "FRDist": timed(lambda: frdist(p, g, m).official),
        "TLCC, all samples": timed(lambda: tlcc(p, q).all_samples),
        "FRVar": timed(lambda: frvar(p).official),
        "FRDiv": timed(lambda: frdiv(p).official),
        "FRDvs": timed(lambda: frdvs(p).official),
    }


def run_official(checkout: Path, data: Arrays) -> dict[str, Timing]:
    sys.path.insert(0, str(checkout))
    import metric
    import torch

    torch.set_num_threads(1)
    p, g, q = (torch.from_numpy(a) for a in (data.predictions, data.truth, data.speaker))
    with tempfile.TemporaryDirectory() as folder:
        args = SimpleNamespace(dataset_path=folder)
        matrix = Path(folder) / "neighbour_emotion_val.npy"
        np.save(matrix, np.eye(2))
        metric.compute_FRD(args, p[:2, :1], g[:2])  # compiles tslearn's kernel
        np.save(matrix, data.matrix)
        return {
            "FRCorr": timed(lambda: metric.compute_FRC(args, p, g)),
            "FRDist": timed(lambda: metric.compute_FRD(args, p, g)),
            "TLCC, all samples": timed(lambda: metric.compute_TLCC(p, q)),
            "FRVar": timed(lambda: metric.compute_FRVar(p)),
            "FRDiv": timed(lambda: metric.compute_s_mse(p)),
            "FRDvs": timed(lambda: metric.compute_FRDvs(p)),
        }


def report(ours: dict[str, Timing], official: dict[str, Timing]) -> None:
    print(f"{'metric':<18} {'ours, s':>9} {'official, s':>12} {'ratio':>7} {'difference':>11}")
    for name, mine in ours.items():
        line = f"{name:<18} {mine.seconds:9.3f}"
        if name in official:
            theirs = official[name]
            difference = abs(mine.value - theirs.value) / max(abs(theirs.value), 1e-30)
            ratio = theirs.seconds / max(mine.seconds, 1e-9)
            line += f" {theirs.seconds:12.3f} {ratio:7.1f} {difference:11.1e}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="checkout of the official repository")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--density", type=float, default=0.1, help="share of appropriate pairs")
    options = parser.parse_args()
    data = make_arrays(options.clips, options.samples, options.density)
    pairs = int(data.matrix.sum()) * options.samples
    print(f"N = {options.clips}, S = {options.samples}, T = {FRAMES}: {pairs} pairs of sequences")
    start = time.process_time()
    evaluate(data.predictions[:2, :1], data.truth[:2], data.speaker[:2], np.eye(2))
    print(f"loading or compiling the kernels: {time.process_time() - start:.1f} s")
    report(run_ours(data), run_official(options.official, data) if options.official else {})
    together = timed(
        lambda: evaluate(data.predictions, data.truth, data.speaker, data.matrix).frcorr.official
    )
    print(f"all metrics in one pass: {together.seconds:.2f} s")
    speakers = np.concatenate([data.truth, data.speaker, data.predictions[:, 0]])
    speaker_distances(speakers[:2])
    compared = timed(lambda: speaker_distances(speakers).sum())
    speaker_pairs = len(speakers) * (len(speakers) - 1) / 2
    rate = speaker_pairs / compared.seconds
    print(
        f"appropriate, stand-in: {rate:.0f} speaker pairs/s, that is "
        f"{1600 * 1599 / 2 / rate:.0f} s for a split of 1600 clips"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of all this: {peak:.0f} MB")


if __name__ == "__main__":
    main()
