"""Time the metrics, and the official code on the same arrays in the same run.

    python benchmarks/metrics.py [--official PATH] [--kind KIND ...] [--clips 40] [--samples 10]
    python benchmarks/metrics.py --memory --clips 1200

PATH is a checkout of https://github.com/reactmultimodalchallenge/baseline_react2024; its code
also needs torch, pandas and tslearn. Both sides run in one process on one thread (set
OMP_NUM_THREADS=1), kernels compiled beforehand; the time is CPU seconds, and the results are
compared. The official side takes about a minute per kind of data. The kinds differ in how soon
FRDist can tell which appropriate reaction is nearest. ``--memory`` writes predictions (compressed;
the values repeat) to a temporary file instead and evaluates them.
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

import h5py
import numpy as np

from react24.clips.appropriate import speaker_distances
from react24.dtw import nearest_distances_plainly
from react24.metrics import frcorr, frdist, frdiv, frdvs, frvar, tlcc
from react24.metrics.all_metrics import evaluate
from react24.metrics.tlcc import LAGS, compute_plainly, official_offset

FRAMES = 750
FIRST, EVERY = "TLCC, sample 0", "TLCC, all samples"


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


def smooth(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """White noise summed over 20 frames, (*shape, T, 25), variance 1."""
    total = np.cumsum(rng.standard_normal((*shape, FRAMES + 20, 25)), axis=-2)
    return (total[..., 20:, :] - total[..., :-20, :]) / np.sqrt(20)


def behaviour(x: np.ndarray, *, binary: bool = False) -> np.ndarray:
    """AUs as probabilities or 0 and 1, valence and arousal in -1..1, expressions that sum to 1."""
    aus = x[..., :15] > 0.8 if binary else 1 / (1 + np.exp(-2 * x[..., :15]))
    expressions = np.exp(x[..., 17:])
    expressions /= expressions.sum(axis=-1, keepdims=True)
    return np.concatenate([aus, np.tanh(0.5 * x[..., 15:17]), expressions], axis=-1)


KINDS = {
    "smooth": "smooth signals that correlate with the truth at 0.6",
    "behaviour": "the same as probabilities",
    "binary": "the same with AUs of 0 and 1",
    "unrelated": "probabilities that have nothing to do with the truth",
    "random": "uniform noise, as the official baseline of that name",
    "noise": "the same, and so is the truth: no reaction is nearer than another",
}


def make_arrays(kind: str, clips: int, samples: int, density: float) -> Arrays:
    rng = np.random.default_rng(0)
    truth, speaker = smooth(rng, clips), smooth(rng, clips)
    predictions = smooth(rng, clips, samples)
    if kind != "unrelated":
        predictions = 0.6 * truth[:, None] + 0.8 * predictions
    if kind != "smooth":
        truth, speaker, predictions = (
            behaviour(x, binary=kind == "binary") for x in (truth, speaker, predictions)
        )
    if kind in ("random", "noise"):
        predictions = rng.random(predictions.shape)
    if kind == "noise":
        truth = rng.random(truth.shape)
    matrix = (rng.random((clips, clips)) < density) | np.eye(clips, dtype=bool)
    as_float32 = (x.astype(np.float32) for x in (predictions, truth, speaker))
    return Arrays(*as_float32, matrix.astype(np.float64))


def timed(function: Callable[[], float]) -> Timing:
    start = time.process_time()
    value = float(function())
    return Timing(value, time.process_time() - start)


def run_ours(data: Arrays) -> dict[str, Timing]:
    p, g, q, m = data.predictions, data.truth, data.speaker, data.matrix
    return {
        "FRCorr": timed(lambda: frcorr(p, g, m).official),
        "FRDist": timed(lambda: frdist(p, g, m).official),
        FIRST: timed(lambda: tlcc(p[:, :1], q).official),
        EVERY: timed(lambda: tlcc(p, q).all_samples),
        "FRVar": timed(lambda: frvar(p).official),
        "FRDiv": timed(lambda: frdiv(p).official),
        "FRDvs": timed(lambda: frdvs(p).official),
    }


def run_plain(data: Arrays) -> dict[str, Timing]:
    """FRDist and TLCC by the definitions that their fast paths are held to."""
    p, g, q = data.predictions, data.truth, data.speaker
    near = [np.flatnonzero(row) for row in data.matrix for _ in range(p.shape[1])]
    flat = p.reshape(-1, *p.shape[2:])
    everything = np.ones((p.shape[1] * p.shape[3], LAGS), bool)
    known = np.ones(p.shape[2], bool)

    def lagged() -> float:
        lags = []
        for clip, said in zip(p, q, strict=True):
            x = np.ascontiguousarray(clip.transpose(0, 2, 1)).reshape(-1, p.shape[2])
            out = np.empty(everything.shape, np.float32)
            compute_plainly(x, np.ascontiguousarray(said.T), known, everything, out)
            lags.append(official_offset(out.reshape(p.shape[1], -1, LAGS).transpose(0, 2, 1)))
        return np.abs(lags).mean()

    return {
        "FRDist": timed(lambda: nearest_distances_plainly(flat, g, near).sum() / len(p)),
        EVERY: timed(lagged),
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
            # compute_TLCC_mp, which the official evaluation calls, returns after sample 0.
            FIRST: timed(lambda: metric.compute_TLCC(p[:, :1], q)),
            EVERY: timed(lambda: metric.compute_TLCC(p, q)),
            "FRVar": timed(lambda: metric.compute_FRVar(p)),
            "FRDiv": timed(lambda: metric.compute_s_mse(p)),
            "FRDvs": timed(lambda: metric.compute_FRDvs(p)),
        }


def report(ours: dict[str, Timing], official: dict[str, Timing], together: Timing) -> None:
    print(f"{'metric':<24} {'ours, s':>9} {'official, s':>12} {'ratio':>7} {'difference':>11}")
    for name, mine in ours.items():
        line = f"{name:<24} {mine.seconds:9.3f}"
        if name in official:
            theirs = official[name]
            difference = abs(mine.value - theirs.value) / max(abs(theirs.value), 1e-30)
            ratio = theirs.seconds / max(mine.seconds, 1e-9)
            line += f" {theirs.seconds:12.3f} {ratio:7.1f} {difference:11.1e}"
        print(line)
    # Ours has TLCC of all samples in either case.
    for name, without in (("table as it is published", EVERY), ("table, TLCC of all", FIRST)):
        line = f"{name:<24} {together.seconds:9.3f}"
        if official:
            total = sum(t.seconds for metric, t in official.items() if metric != without)
            line += f" {total:12.3f} {total / together.seconds:7.1f}"
        print(line)


def time_kind(kind: str, options: argparse.Namespace) -> Arrays:
    data = make_arrays(kind, options.clips, options.samples, options.density)
    pairs = int(data.matrix.sum()) * options.samples
    shape = f"N = {options.clips}, S = {options.samples}, T = {FRAMES}"
    print(f"\n{kind} ({KINDS[kind]}): {shape}, {pairs} pairs of sequences")
    ours = run_ours(data)
    together = timed(
        lambda: evaluate(data.predictions, data.truth, data.speaker, data.matrix).frcorr.official
    )
    for name, plain in run_plain(data).items():
        ratio = plain.seconds / ours[name].seconds
        print(f"{name}: {ratio:.1f} times as fast as the plain definition ({plain.seconds:.2f} s)")
    report(ours, run_official(options.official, data) if options.official else {}, together)
    return data


def write_file(path: Path, clips: int, samples: int) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name in ("truth", "speaker"):
            file[name] = rng.random((clips, FRAMES // 25, 25), np.float32).repeat(25, axis=1)
        shape = (clips, samples, FRAMES, 25)
        chunk = (1, 1, FRAMES, 25)
        data = file.create_dataset("emotion", shape, "f4", chunks=chunk, compression="lzf")
        for clip in range(clips):
            data[clip] = rng.random((samples, FRAMES // 25, 25), np.float32).repeat(25, axis=1)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_memory(clips: int, samples: int) -> None:
    """Evaluate predictions in HDF5, with five appropriate reactions a clip."""
    matrix = np.eye(clips, dtype=np.uint8)
    for row in range(clips):
        matrix[row, (row + np.arange(5)) % clips] = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.h5"
        write_file(path, clips, samples)
        before = peak_megabytes()
        with h5py.File(path) as file:
            arrays = file["emotion"], file["truth"], file["speaker"]
            whole = arrays[0].size * 4 / 2**20
            spent = timed(lambda: evaluate(*arrays, matrix).frcorr.official)
    print(f"N = {clips}, S = {samples}, T = {FRAMES}: {whole:.0f} MB of predictions in HDF5")
    print(f"{spent.seconds:.0f} s; peak memory {peak_megabytes():.0f} MB ({before:.0f} MB before)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="checkout of the official repository")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--density", type=float, default=0.1, help="share of appropriate pairs")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=["smooth"])
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.clips, options.samples)
        return
    small = make_arrays("smooth", 2, 1, 1.0)
    start = time.process_time()
    evaluate(small.predictions, small.truth, small.speaker, small.matrix)
    run_plain(small)
    print(f"loading or compiling the kernels: {time.process_time() - start:.1f} s")
    for kind in options.kind:
        data = time_kind(kind, options)
    speakers = np.concatenate([data.truth, data.speaker, data.predictions[:, 0]])
    speaker_distances(speakers[:2])
    compared = timed(lambda: speaker_distances(speakers).sum())
    speaker_pairs = len(speakers) * (len(speakers) - 1) / 2
    rate = speaker_pairs / compared.seconds
    print(
        f"\nappropriate, stand-in: {rate:.0f} speaker pairs/s, that is "
        f"{1600 * 1599 / 2 / rate:.0f} s for a split of 1600 clips"
    )
    print(f"peak memory of all this: {peak_megabytes():.0f} MB")


if __name__ == "__main__":
    main()
