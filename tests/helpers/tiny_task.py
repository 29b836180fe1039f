"""A task of the training loop that trains in milliseconds, and a way to run it alone.

``python tiny_task.py FOLDER SECONDS_PER_STEP`` trains it, so that a test can kill it;
``python tiny_task.py FOLDER 0 2`` trains it with two processes that share each batch.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from torch import nn

from react24.contracts.task import StageTask
from react24.training.dataset import epoch_order, every_direction
from react24.training.loop import FitResult, fit
from react24.training.settings import LoopSettings

PAIRS, BATCH, EPOCHS = 7, 3, 10
STEPS = EPOCHS * 3


class TinyTask(StageTask):
    """Regression of 4 numbers from 6, with dropout and noise, 3 steps an epoch (3, 3, 1 pairs)."""

    stage = "tiny"
    steps_per_epoch = 3
    validation_steps = 1

    def __init__(self, fail_at: int | None = None, wait: float = 0.0, norm: bool = True):
        weights = torch.Generator().manual_seed(1)
        self.data = torch.randn(2 * PAIRS, 6, generator=weights)
        self.truth = self.data @ torch.randn(6, 4, generator=weights)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            middle = [nn.BatchNorm1d(16), nn.Dropout(0.1)] if norm else [nn.Tanh()]
            self.module = nn.Sequential(nn.Linear(6, 16), *middle, nn.Linear(16, 4))
        self.fail_at, self.wait, self.seen, self.noise = fail_at, wait, [], 0.01 * norm

    def configure_optimizer(self):
        return torch.optim.AdamW(self.module.parameters(), lr=0.03)

    def make_batch(self, epoch, step, order):
        if self.fail_at == epoch * self.steps_per_epoch + step:
            raise KeyboardInterrupt
        time.sleep(self.wait)
        part = epoch_order(PAIRS, order).batch(step, BATCH)
        self.seen.append((epoch, step, part.speaker.tolist()))
        return {
            "x": self.data[part.speaker].repeat(2, 1),
            "y": self.truth[part.speaker].repeat(2, 1),
        }

    def make_validation_batch(self, step):
        rows = every_direction(PAIRS).speaker
        return {"x": self.data[rows], "y": self.truth[rows]}

    def loss(self, batch, noise):
        x = batch["x"]
        if self.module.training:
            x = x + self.noise * torch.randn(x.shape, generator=noise).to(x)
        loss = (self.module(x) - batch["y"]).square().mean()
        return {"loss": loss, "double": 2 * loss}


def run(
    folder: Path, task: TinyTask | None = None, *, seed: int = 0, code: str = "", **settings
) -> tuple[TinyTask, FitResult]:
    """Train in ``folder/checkpoints`` and ``folder/out``."""
    task = task or TinyTask()
    devices, stop = settings.pop("devices", 1), settings.pop("stop", None)
    values = {"epochs": EPOCHS, "validate_every": 4, "checkpoint_steps": 4, **settings}
    result = fit(
        task,
        LoopSettings(**values),
        checkpoint_dir=folder / "checkpoints",
        output_dir=folder / "out",
        seed=seed,
        device="cpu",
        devices=devices,
        created_by="test",
        inputs={"data": "0" * 64},
        code=code,
        stop=stop,
    )
    return task, result


if __name__ == "__main__":
    where, seconds, *processes = sys.argv[1:]
    if processes:
        task, result = run(Path(where), TinyTask(norm=False), devices=int(processes[0]))
        if result.is_first:
            torch.save(task.module.state_dict(), Path(where) / "weights.pt")
    else:
        run(Path(where), TinyTask(wait=float(seconds)), checkpoint_steps=1)
