"""What training costs: a step of both BeLFusion stages, batches, a checkpoint, the start.

    PYTHONPATH=src python benchmarks/train_step.py [--clips 3 6 32] [--steps 10] [--threads 1]

Synthetic behaviour, official sizes, ``variant: fixed``. Side by side in the same run: batches by
index arrays against a ``torch.utils.data.DataLoader`` that reads clip by clip, the decoder that
computes the code's part once against one that repeats it at every frame, and the start of one CPU
without and with Fabric.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from react24.models.belfusion import diffusion as belfusion
from react24.models.belfusion.settings import read_settings
from react24.models.belfusion.vae import BehaviourVAE, vae_losses
from react24.seeding import generator
from react24.training.checkpoint import CheckpointFolder
from react24.training.dataset import epoch_order

SETTINGS = read_settings({"type": "belfusion", "variant": "fixed"})
EPOCH_CLIPS, BATCH = 512, 32


def cpu_ms(work: Callable[[], object], steps: int) -> float:
    """Mean CPU milliseconds of a call, after one that does not count."""
    work()
    began = time.process_time()
    for _ in range(steps):
        work()
    return (time.process_time() - began) / steps * 1e3


def optimiser(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)


def vae_step(clips: int) -> Callable[[], None]:
    vae = BehaviourVAE(SETTINGS.vae)
    optimizer, emotion, face = (
        optimiser(vae),
        torch.rand(clips, 750, 25),
        torch.rand(clips, 750, 58),
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        vae_losses(vae(emotion), emotion, face, SETTINGS.vae).loss.backward()
        optimizer.step()

    return step


def ldm_step(clips: int) -> Callable[[], None]:
    vae = BehaviourVAE(SETTINGS.vae).eval().requires_grad_(False)
    ldm, emotion = belfusion.LatentDiffusion(SETTINGS.ldm), torch.rand(clips, 750, 25)
    optimizer = optimiser(ldm)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        pairs = belfusion.draw_windows(emotion, emotion, SETTINGS.ldm)
        made = belfusion.predict(ldm, vae, pairs)
        losses = belfusion.ldm_losses(
            made.code, made.target_code, made.emotion, made.target, SETTINGS.ldm
        )
        losses.loss.backward()
        optimizer.step()

    return step


def sampling(samples: int) -> Callable[[], None]:
    vae, ldm = BehaviourVAE(SETTINGS.vae).eval(), belfusion.LatentDiffusion(SETTINGS.ldm).eval()
    speaker = torch.rand(1, 750, 25)
    return lambda: belfusion.sample(vae, ldm, speaker, samples, [generator(0)])


def decoders(clips: int) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Ours, and the same recurrence with the code appended to the input of every frame."""
    vae, code = BehaviourVAE(SETTINGS.vae), torch.randn(clips * 15, SETTINGS.vae.latent)

    def repeated() -> Tensor:
        given = vae.from_code(code)
        state, frame, frames = torch.zeros_like(given), code.new_zeros(len(code), 25), []
        for _ in range(SETTINGS.vae.window):
            state = vae.decoder(torch.cat([given, frame], dim=1), state)
            features = state
            for layer in vae.read_out:
                features = torch.tanh(layer(features))
            frame = vae.to_emotion(features)
            frames.append(frame)
        return torch.stack(frames, dim=1)

    torch.testing.assert_close(repeated(), vae.decode(code))
    return (lambda: vae.decode(code).sum().backward(), lambda: repeated().sum().backward())


class PerClip(torch.utils.data.Dataset):
    """One pair per access, roles swapped by chance."""

    def __init__(self, clips: Tensor):
        self.clips, self.pairs = clips, len(clips) // 2

    def __len__(self) -> int:
        return self.pairs

    def __getitem__(self, pair: int) -> tuple[Tensor, Tensor]:
        speaker = pair + self.pairs * int(torch.rand(()) < 0.5)
        return self.clips[speaker], self.clips[(speaker + self.pairs) % len(self.clips)]


def epochs() -> tuple[Callable[[], None], Callable[[], None]]:
    """One epoch by index arrays, and one by a DataLoader."""
    clips = torch.rand(2 * EPOCH_CLIPS, 750, 25)
    loader = torch.utils.data.DataLoader(PerClip(clips), batch_size=BATCH, shuffle=True)

    def ours() -> None:
        for step in range(EPOCH_CLIPS // BATCH):
            part = epoch_order(EPOCH_CLIPS, generator(0, "order")).batch(step, BATCH)
            clips.index_select(0, part.speaker)
            clips.index_select(0, part.listener)

    def per_clip() -> None:
        for _ in loader:
            pass

    return ours, per_clip


def start_seconds(code: str) -> float:
    """CPU seconds of a fresh Python process that runs ``code``."""
    report = (
        "; import resource as r; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"
    )
    command = [sys.executable, "-c", code + report]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def checkpoint() -> Callable[[], object]:
    ldm = belfusion.LatentDiffusion(SETTINGS.ldm)
    optimizer = optimiser(ldm)
    for parameter in ldm.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = {"module": ldm.state_dict(), "optimizer": optimizer.state_dict()}
    folder = tempfile.TemporaryDirectory()

    def save(folder: tempfile.TemporaryDirectory = folder) -> None:
        CheckpointFolder(Path(folder.name), {}).save(1, state)

    return save


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[3, 6, 32])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("CPU milliseconds, torch", torch.__version__, "threads", options.threads)
    for clips in options.clips:
        print(f"vae step, {clips:3d} clips   {cpu_ms(vae_step(clips), options.steps):8.1f}")
        print(f"ldm step, {clips:3d} clips   {cpu_ms(ldm_step(clips), options.steps):8.1f}")
    print(f"sampling, 1 clip x 5   {cpu_ms(sampling(5), 5):8.1f}")
    print(f"checkpoint of the ldm  {cpu_ms(checkpoint(), 3):8.1f}")
    start = start_seconds("import react24.training.loop, torch.utils.tensorboard") * 1e3
    fabric = start_seconds("import react24.training.loop, lightning.fabric") * 1e3
    pairs = {
        "batches of an epoch of 512 pairs (index arrays / DataLoader)": [
            cpu_ms(work, 3) for work in epochs()
        ],
        "decoder, 3 clips, with gradients (code once / at every frame)": [
            cpu_ms(work, options.steps) for work in decoders(3)
        ],
        "start of a training (one CPU / with Fabric)": [start, fabric],
    }
    for name, (ours, other) in pairs.items():
        print(f"{name}: {ours:.1f} / {other:.1f}, {other / ours:.1f} times")


if __name__ == "__main__":
    main()
