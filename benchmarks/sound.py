"""What the networks of sound and face cost beside a straightforward way to do the same.

    python benchmarks/sound.py [STREAM ...] [--frames 750] [--repeats 3] [--threads 1]

Every measurement runs in a process of its own, ours and the plain one in turn. Reported are the
CPU seconds (user and system) for one sound of that length (for ``swin``, for 64 pictures),
smallest of the repeats, without the time to import and to build the network, and the peak memory
of the process with both. Weights are random. "difference" is the largest difference between the
two results relative to the largest value.

Plain VGGish: all frames in one float64 matrix, all examples in one batch, ``nn.Conv2d``.
``winograd`` is VGGish again, beside the same extractor with torch's own convolutions in their
fastest arrangement (``convolution="direct"``): what ``vggish_fast.py`` is worth. Plain cepstra: a
call of ``torchaudio.compliance.kaldi.mfcc`` per video frame, as in the published data set. Plain
Swin-T: all pictures in one batch, as the published code does with the 751 of a clip. wav2vec2 has
no line: it is transformers' model as it comes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PAIRS = {name: f"{name}-plain" for name in ("vggish", "winograd", "mfcc", "swin")}
PICTURES = 64


def make_sound(frames: int, rate: int) -> np.ndarray:
    clock = np.arange(frames * rate // 25) / rate
    noise = np.random.default_rng(0).standard_normal(len(clock))
    tone = np.sin(2 * np.pi * 180 * clock) * (1 + np.sin(2 * np.pi * 2.3 * clock))
    return (0.2 * tone + 0.02 * noise).astype(np.float32)


def make_pictures() -> np.ndarray:
    size = (PICTURES, 224, 224, 3)
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


def run_ours(name: str, frames: int):
    if name == "swin":
        from react24.streams.sources import PictureSource
        from react24.streams.swin import Swin

        swin, pictures = Swin(device="cpu"), make_pictures()
        return lambda: swin.extract(PictureSource(pictures, np.ones(PICTURES, bool))).values
    if name in ("vggish", "winograd"):
        return run_vggish(frames, "winograd")
    from react24.streams.mfcc import MFCC

    return run_extractor(MFCC(), frames)


def run_extractor(extractor, frames: int):
    from react24.streams.sources import SoundSource

    extractor.extract(SoundSource(make_sound(2, extractor.sample_rate), 2))  # imports
    source = SoundSource(make_sound(frames, extractor.sample_rate), frames)
    return lambda: extractor.extract(source).values


def run_vggish(frames: int, convolution: str):
    from react24.streams.vggish import VGGish

    extractor = VGGish(device="cpu", postprocess=False, convolution=convolution)
    return run_extractor(extractor, frames)


def run_plain_vggish(frames: int):
    import torch

    from react24.streams.vggish import VARIANTS, draw_random

    network, settings = draw_random(0).network, VARIANTS["regnn"]
    sound = make_sound(frames, settings.sample_rate).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(settings.window) / settings.window)

    def run():
        framed = np.lib.stride_tricks.sliding_window_view(sound, settings.window)[:: settings.hop]
        magnitude = np.abs(np.fft.rfft(framed * window, settings.fft))
        log_mel = np.log(magnitude @ settings.make_mel_matrix() + settings.offset)
        count = len(log_mel) // settings.example_frames
        examples = log_mel[: count * settings.example_frames].reshape(count, -1, settings.bands)
        with torch.no_grad():
            rows = network(torch.from_numpy(examples.astype(np.float32))).numpy()
        return np.concatenate([rows, rows[-1:]])

    return run


def run_plain_mfcc(frames: int):
    import torch
    from torchaudio.compliance import kaldi
    from torchaudio.functional import compute_deltas

    ticks = torch.from_numpy(make_sound(frames, 44100)).unflatten(0, (frames, 1, -1))

    def run():
        rows = []
        for tick in ticks:
            cepstra = kaldi.mfcc(tick, sample_frequency=44100, use_energy=True).T
            deltas = compute_deltas(cepstra)
            rows.append(torch.stack([cepstra, deltas, compute_deltas(deltas)]).ravel())
        return torch.stack(rows).numpy()

    return run


def run_plain_swin(frames: int):
    import torch
    from transformers import SwinConfig, SwinModel

    from react24.streams.swin import draw_random_state, prepare

    model = SwinModel(SwinConfig()).eval()
    model.load_state_dict(draw_random_state(model, 0)[0])
    pictures = torch.from_numpy(make_pictures())

    def run():
        with torch.no_grad():
            return model(prepare(pictures)).pooler_output.numpy()

    return run


PLAIN = {
    "swin-plain": run_plain_swin,
    "vggish-plain": run_plain_vggish,
    "winograd-plain": lambda frames: run_vggish(frames, "direct"),
    "mfcc-plain": run_plain_mfcc,
}


def measure_here(part: str, frames: int, threads: int, output: Path) -> None:
    import torch

    torch.set_num_threads(threads)
    run = PLAIN[part](frames) if part in PLAIN else run_ours(part, frames)
    began = time.process_time()
    values = run()
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    np.savez(output, values=values, seconds=seconds, peak=peak)


def measure(part: str, frames: int, threads: int, folder: Path) -> dict[str, np.ndarray]:
    output = folder / f"{part}.npz"
    options = ["--part", part, "--frames", str(frames), "--threads", str(threads)]
    subprocess.run([sys.executable, __file__, *options, "--output", str(output)], check=True)
    with np.load(output) as arrays:
        return dict(arrays)


def compare(names: list[str], frames: int, repeats: int, threads: int) -> None:
    print(
        f"{frames / 25:g} s of sound, {PICTURES} pictures, {threads} thread(s), "
        f"smallest of {repeats}"
    )
    print(
        f"{'network':10} {'ours':>8} {'plain':>8} {'ratio':>6} {'GiB':>5} {'plain':>6} difference"
    )
    with tempfile.TemporaryDirectory() as folder:
        for ours in names:
            plain = PAIRS[ours]
            runs: dict[str, list] = {ours: [], plain: []}
            for _ in range(repeats):
                for part in (ours, plain):
                    runs[part].append(measure(part, frames, threads, Path(folder)))
            cost = {p: min(float(r["seconds"]) for r in runs[p]) for p in runs}
            peak = {p: max(float(r["peak"]) for r in runs[p]) for p in runs}
            values = {p: runs[p][0]["values"] for p in runs}
            difference = np.abs(values[ours] - values[plain]).max() / np.abs(values[plain]).max()
            print(
                f"{ours:10} {cost[ours]:7.2f}s {cost[plain]:7.2f}s {cost[plain] / cost[ours]:6.2f} "
                f"{peak[ours]:5.2f} {peak[plain]:6.2f} {difference:.1e}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("streams", nargs="*", metavar="STREAM", help=f"of {', '.join(PAIRS)}")
    parser.add_argument("--frames", type=int, default=750)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        measure_here(given.part, given.frames, given.threads, given.output)
    else:
        unknown = set(given.streams) - set(PAIRS)
        if unknown:
            parser.error(f"no such stream: {', '.join(unknown)}")
        compare(given.streams or list(PAIRS), given.frames, given.repeats, given.threads)


if __name__ == "__main__":
    main()
