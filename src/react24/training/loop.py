"""The training loop: one explicit loop for every stage of every model.

A run is a function of its task, settings and seed. It can be interrupted at any step: the state
between two steps is the module, the optimiser, the step number and the loss sums of the epoch;
everything random is keyed by the step (``react24.training.seeding``). An interrupted and resumed
run ends with the same weights as an uninterrupted one on the same device and thread count.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from react24.training.checkpoint import CheckpointFolder
from react24.training.engine import open_engine
from react24.training.history import EpochMeans, History
from react24.training.progress import StepProgress
from react24.training.seeding import generator, stream_seed
from react24.training.settings import LoopSettings
from react24.training.task import Batch, Losses, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitResult:
    """What a finished training was.

    Attributes:
        steps: Steps in all, those before an interruption included.
        seconds: Wall time of the steps kept, over all interruptions.
        history: Training curves.
        resumed_at: Steps that a checkpoint of an earlier start had done; 0 for none.
        device: ``cpu`` or ``cuda:0`` and the like.
    """

    steps: int
    seconds: float
    history: History
    resumed_at: int
    device: str


class TrainingDivergedError(RuntimeError):
    """The loss is no longer finite."""


def fit(
    task: Task,
    settings: LoopSettings,
    *,
    checkpoint_dir: Path,
    output_dir: Path,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    created_by: str,
    inputs: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    code: str = "",
) -> FitResult:
    """Train a task to the end, continuing an interrupted run of the same task where there is one.

    Writes ``history.h5`` and, as it goes, a TensorBoard log (``tensorboard/``) into
    ``output_dir`` and checkpoints into ``checkpoint_dir``. The task's module holds the final
    weights afterwards.

    Args:
        task: What to train.
        settings: Of the loop.
        checkpoint_dir: Of this run alone; the last checkpoint stays there when it is done.
        output_dir: Of this stage.
        seed: Of order and noise (the caller seeds the initial weights).
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch.
        created_by: Rule or command, for the history file.
        inputs: Name -> sha256 of the data.
        config: Settings of the model and stage.
        code: Digest of the code that trains; a change of it starts anew.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite.
        InputError: The device or precision is not to be had.
    """
    torch.set_num_threads(threads)
    identity = {
        "stage": task.stage,
        "seed": seed,
        "loop": settings.shaping(),
        "config": dict(config or {}),
        "inputs": dict(inputs),
        "code": code,
    }
    run = _Run(task, settings, CheckpointFolder(checkpoint_dir, identity), seed, device)
    resumed_at = run.resume()
    with _board(output_dir / "tensorboard", run.step) as board:
        run.to_the_end(board)
    run.history.write(
        output_dir / "history.h5", created_by=created_by, config=identity, inputs=inputs
    )
    return FitResult(run.step, run.seconds, run.history, resumed_at, str(run.engine.device))


class _LossModule(nn.Module):
    """The task's loss as a module's forward, which is where Fabric puts precision and DDP."""

    def __init__(self, task: Task):
        super().__init__()
        self.module = task.module
        self._loss = task.loss

    def forward(self, batch: Batch, noise: torch.Generator) -> Losses:
        """The loss terms of a batch."""
        return self._loss(batch, noise)


class _Run:
    """The state of a run and what changes it."""

    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        checkpoints: CheckpointFolder,
        seed: int,
        device: str,
    ):
        self.task, self.settings, self.checkpoints, self.seed = task, settings, checkpoints, seed
        self.engine = open_engine(device, precision=settings.precision)
        self.raw_optimizer = task.configure_optimizer()
        self.model, self.optimizer = self.engine.setup(_LossModule(task), self.raw_optimizer)
        task.to(self.engine.device)
        self.step, self.seconds = 0, 0.0
        self.history, self.epoch = History(), EpochMeans()
        self.total = settings.epochs * task.steps_per_epoch
        if settings.max_steps is not None:
            self.total = min(self.total, settings.max_steps)

    def resume(self) -> int:
        """Take over the newest usable checkpoint; returns the steps it had done."""
        state = self.checkpoints.load()
        if state is None:
            return 0
        self.task.module.load_state_dict(state["module"])
        self.raw_optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = History(**state["history"])
        sums = {
            name: torch.tensor(value, dtype=torch.float64, device=self.engine.device)
            for name, value in state["sums"].items()
        }
        self.epoch = EpochMeans(sums, state["clips"])
        return self.step

    def save(self) -> None:
        """Write a checkpoint of the state between two steps."""
        if not self.engine.is_global_zero:
            return
        state = {
            "module": self.task.module.state_dict(),
            "optimizer": self.raw_optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history.as_dict(),
            "sums": {name: float(value) for name, value in self.epoch.sums.items()},
            "clips": self.epoch.clips,
        }
        self.checkpoints.save(self.step, state)

    def to_the_end(self, board: Any) -> None:
        """All steps that are left; a checkpoint after the last one."""
        saved_at, saved_time = self.step, time.monotonic()
        self.model.train()
        with StepProgress(f"training {self.task.stage}", self.total, self.step) as progress:
            while self.step < self.total:
                began = time.monotonic()
                terms = self._train_step()
                if self.step % self.task.steps_per_epoch == 0 or self.step == self.total:
                    self._finish_epoch(board)
                progress.step(terms["loss"].item() if progress.due() else None)
                self.seconds += time.monotonic() - began
                if self.step == self.total or self._checkpoint_due(saved_at, saved_time):
                    self.save()
                    saved_at, saved_time = self.step, time.monotonic()

    def _checkpoint_due(self, step: int, moment: float) -> bool:
        every = self.settings.checkpoint_steps
        if every is not None and self.step - step >= every:
            return True
        return time.monotonic() - moment >= self.settings.checkpoint_seconds

    def _train_step(self) -> Losses:
        epoch, step = divmod(self.step, self.task.steps_per_epoch)
        order = generator(self.seed, self.task.stage, "order", epoch)
        batch = self.engine.to_device(self.task.make_batch(epoch, step, order))
        # Dropout has no generator of its own; it must not depend on the steps before either.
        torch.manual_seed(stream_seed(self.seed, self.task.stage, "global", epoch, step))
        noise = generator(self.seed, self.task.stage, "noise", epoch, step)
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.model(batch, noise)
        self.engine.backward(terms["loss"])
        if self.settings.gradient_clip is not None:
            self.engine.clip_gradients(
                self.model, self.optimizer, max_norm=self.settings.gradient_clip
            )
        self.optimizer.step()
        self.epoch.add(terms, _clips_in(batch))
        self.step += 1
        return terms

    def _finish_epoch(self, board: Any) -> None:
        epoch = (self.step - 1) // self.task.steps_per_epoch
        terms = self.epoch.means()
        if not all(map(_finite, terms.values())):
            raise TrainingDivergedError(
                f"training {self.task.stage}: the loss is not finite in epoch {epoch} (step "
                f"{self.step}): {terms}. Lower learning_rate or set training.gradient_clip."
            )
        self._record("train", board, epoch, terms)
        self.epoch = EpochMeans()
        last = self.step == self.total
        if self.task.validation_steps and (last or (epoch + 1) % self.settings.validate_every == 0):
            self._record("val", board, epoch, self._validate())

    def _record(self, part: str, board: Any, epoch: int, terms: Mapping[str, float]) -> None:
        self.history.add(part, self.step, epoch, terms)
        for name, value in terms.items():
            board.add_scalar(f"{self.task.stage}/{part}/{name}", value, self.step)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.model.eval()
        means = EpochMeans()
        for step in range(self.task.validation_steps):
            batch = self.engine.to_device(self.task.make_validation_batch(step))
            noise = generator(self.seed, self.task.stage, "validation", step)
            means.add(self.model(batch, noise), _clips_in(batch))
        self.model.train()
        return means.means()


def _clips_in(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def _finite(value: float) -> bool:
    return value - value == 0


def _board(folder: Path, step: int) -> Any:
    """A TensorBoard writer; a new run replaces the log of the one before it."""
    from torch.utils.tensorboard import SummaryWriter

    if step == 0 and folder.is_dir():
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
