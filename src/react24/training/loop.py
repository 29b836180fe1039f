"""The training loop: one explicit loop for every stage of every model.

A run is a function of its task, settings and seed. It can be interrupted at any step: the state
between two steps is the module, the optimiser, the step number, the loss sums of the epoch and,
where they are asked for, the EMA and the best weights; everything random is keyed by the step
(``react24.seeding``). An interrupted and resumed run ends with the same weights as an
uninterrupted one on the same device and thread count.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from react24.contracts.task import Batch, Losses, StageTask
from react24.devices import is_out_of_memory
from react24.files.atomic import DiskFullError
from react24.seeding import generator, stream_seed
from react24.training.batches import BatchLoader, Processes, Shard
from react24.training.checkpoint import CheckpointFolder
from react24.training.engine import (
    compile_loss,
    open_engine,
    prepare_processor,
    step_too_large,
)
from react24.training.keep import EMA, BestWeights
from react24.training.lease import Lease
from react24.training.record import Board, EpochMeans, History, StepProgress
from react24.training.settings import LoopSettings
from react24.training.stopping import StopRequestedError, StopSignals

logger = logging.getLogger(__name__)

WITHOUT_CHECKPOINT_SECONDS = 1800.0
"""So long a training goes on without a checkpoint while the disk is full."""


@dataclass(frozen=True)
class FitResult:
    """What a finished training was.

    Attributes:
        steps: Steps in all, those before an interruption included.
        seconds: Wall time of the steps kept, over all interruptions.
        history: Training curves.
        resumed_at: Steps that a checkpoint of an earlier start had done; 0 for none.
        device: ``cpu`` or ``cuda:0`` and the like.
        kept_step: Step of the weights that were kept; ``steps`` unless ``keep_best`` chose others.
        is_first: Whether this process is the one that writes (the first of several GPUs).
    """

    steps: int
    seconds: float
    history: History
    resumed_at: int
    device: str
    kept_step: int
    is_first: bool = True


class TrainingDivergedError(RuntimeError):
    """The loss is no longer finite."""


def fit(
    task: StageTask,
    settings: LoopSettings,
    *,
    checkpoint_dir: Path,
    output_dir: Path,
    seed: int,
    device: str = "auto",
    devices: int = 1,
    threads: int = 1,
    created_by: str,
    inputs: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    code: str = "",
    lease: Lease | None = None,
    stop: StopSignals | None = None,
    what: str = "",
) -> FitResult:
    """Train a task to the end, continuing an interrupted run of the same task where there is one.

    Writes ``history.h5`` and, as it goes, a TensorBoard log (``tensorboard/``) into
    ``output_dir`` and checkpoints into ``checkpoint_dir``. The task's module holds the final
    weights afterwards.

    While the disk is full, it goes on without checkpoints and tries again at each interval; after
    half an hour it stops, with the last checkpoint to continue from.

    Args:
        task: What to train.
        settings: Of the loop.
        checkpoint_dir: Of this run alone; the last checkpoints stay there when it is done, and
            what is needed to write the outputs again.
        output_dir: Of this stage.
        seed: Of order and noise (the caller seeds the initial weights).
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: Processes that share each batch, one per GPU. Batch sizes stay what they are: a
            batch of 32 on 4 GPUs is 8 each.
        threads: CPU threads of torch.
        created_by: Rule or command, for the history file.
        inputs: Name -> sha256 of the data.
        config: Settings of the model and stage.
        code: Digest of the code that trains; a change of it starts anew.
        lease: Of ``checkpoint_dir``, confirmed before each checkpoint.
        stop: Asked after each step whether a signal wants the end.
        what: What progress is told of; ``training`` and the stage where empty.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite.
        InputError: The device or precision is not to be had, ``keep_best`` names no loss term, or
            the memory of the GPU does not hold a step.
        DiskFullError: The disk was full for too long, or is at the end.
        LeaseLostError: Another training has taken over the checkpoints.
        StopRequestedError: A signal asked for the end; a checkpoint is written.
    """
    prepare_processor(threads)
    identity = {
        "stage": task.stage,
        "seed": seed,
        "loop": settings.shaping(),
        "config": dict(config or {}),
        "inputs": dict(inputs),
        "code": code,
        "devices": devices,
    }
    folder = CheckpointFolder(checkpoint_dir, identity)
    engine = open_engine(device, precision=settings.precision, devices=devices, tf32=settings.tf32)
    run = _Run(task, settings, folder, seed, engine)
    run.lease, run.stop = lease, stop
    resumed_at = run.resume()
    with run.board(output_dir / "tensorboard") as board:
        run.to_the_end(board, what or f"training {task.stage}")
    kept_step = run.keep()
    run.save_finished(kept_step)
    task.finish()
    if run.processes.is_first:
        run.history.write(
            output_dir / "history.h5", created_by=created_by, config=identity, inputs=inputs
        )
    return FitResult(
        steps=run.step,
        seconds=run.seconds,
        history=run.history,
        resumed_at=resumed_at,
        device=str(run.engine.device),
        kept_step=kept_step,
        is_first=run.processes.is_first,
    )


class _LossModule(nn.Module):
    """The task's loss as a module's forward, which is where Fabric puts precision and DDP."""

    def __init__(self, task: StageTask, *, compiled: bool, device: torch.device):
        super().__init__()
        self.module = task.module
        self._loss = compile_loss(task.loss, device) if compiled else task.loss

    def forward(self, batch: Batch, noise: torch.Generator) -> Losses:
        """The loss terms of a batch."""
        return self._loss(batch, noise)


class _Run:
    """The state of a run and what changes it."""

    def __init__(
        self,
        task: StageTask,
        settings: LoopSettings,
        checkpoints: CheckpointFolder,
        seed: int,
        engine: Any,
    ):
        self.task, self.settings, self.checkpoints, self.seed = task, settings, checkpoints, seed
        self.engine, self.processes = engine, Processes(engine)
        task.module = self.processes.synchronise_norms(task.module)
        self.raw_optimizer = task.configure_optimizer()
        loss = _LossModule(task, compiled=settings.compile, device=engine.device)
        self.model, self.optimizer = engine.setup(loss, self.raw_optimizer)
        task.to(engine.device)
        self.ema = EMA(task.module, settings.ema) if settings.ema else None
        self.best = BestWeights(settings.keep_best) if self._keeps_best() else None
        self.lease: Lease | None = None
        self.stop: StopSignals | None = None
        self.kept_step: int | None = None  # known once the run is done
        self.full_since: float | None = None
        self.step, self.seconds, self.items = 0, 0.0, 0
        self.history, self.epoch = History(), EpochMeans()
        self.total = settings.epochs * task.steps_per_epoch
        if settings.max_steps is not None:
            self.total = min(self.total, settings.max_steps)

    def _keeps_best(self) -> bool:
        if self.settings.keep_best is None:
            return False
        if not self.task.validation_steps:
            logger.warning(
                "training.keep_best is %s, but there is no validation split to find the best "
                "weights with: the last ones are kept",
                self.settings.keep_best,
            )
        return self.task.validation_steps > 0

    @property
    def ended(self) -> bool:
        """Whether all steps are made, or no validation has been better for long enough."""
        patience = self.settings.patience
        stop = patience is not None and self.best is not None and self.best.waited >= patience
        return stop or self.step >= self.total or self.kept_step is not None

    def resume(self) -> int:
        """Take over the newest usable checkpoint; returns the steps it had done."""
        state = self.checkpoints.load() if self.processes.is_first else None
        state = self.processes.from_first(state)
        if state is None:
            return 0
        self.task.module.load_state_dict(state["module"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = History(**state["history"])
        self.kept_step = state.get("kept_step")
        if self.kept_step is not None:
            return self.step
        self.raw_optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None:
            self.ema.load(state["ema"])
        if self.best is not None:
            self.best = BestWeights(self.best.name, **state["best"])
        if self.processes.is_first:  # the sums of the others are in it
            sums = {
                name: torch.tensor(value, dtype=torch.float64, device=self.engine.device)
                for name, value in state["sums"].items()
            }
            self.epoch = EpochMeans(sums, state["items"])
        return self.step

    def save(self) -> None:
        """Write a checkpoint of the state between two steps."""
        sums = self.processes.sum_up(self.epoch)
        if not self.processes.is_first:
            return
        state = {
            "module": self.task.module.state_dict(),
            "optimizer": self.raw_optimizer.state_dict(),
            "ema": self.ema.values if self.ema is not None else {},
            "best": self.best.as_dict() if self.best is not None else {},
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history.as_dict(),
            "sums": {name: float(value) for name, value in sums.sums.items()},
            "items": sums.items,
        }
        if self.lease is not None:
            self.lease.confirm()
        try:
            self.checkpoints.save(self.step, state)
            self.full_since = None
        except DiskFullError as error:
            self._go_on_without(error)

    def _go_on_without(self, error: DiskFullError) -> None:
        """Bear a full disk for a while: whoever makes room saves the training."""
        now = time.monotonic()
        if self.full_since is None:
            self.full_since = now
        if now - self.full_since > WITHOUT_CHECKPOINT_SECONDS:
            raise error
        logger.error(
            "%s. THE DISK IS FULL: training goes on, but what it does from here on is lost if it "
            "ends before there is room; the checkpoint is tried again every %.0f s, and training "
            "stops after %.0f minutes without one",
            *(error, self.settings.checkpoint_seconds, WITHOUT_CHECKPOINT_SECONDS / 60),
        )

    def save_finished(self, kept_step: int) -> None:
        """Write what a later start needs to write the outputs again; the module is the kept one."""
        if self.kept_step is not None or not self.processes.is_first:
            return
        state = {
            "module": self.task.module.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history.as_dict(),
            "kept_step": kept_step,
        }
        try:
            self.checkpoints.save_finished(self.step, state)
        except DiskFullError as error:  # the checkpoints before it do as well
            logger.warning("%s", error)

    def to_the_end(self, board: Any, what: str) -> None:
        """All steps that are left; a checkpoint after the last one.

        Raises:
            GPUMemoryError: The memory of the GPU does not hold a step.
        """
        try:
            self._make_steps(board, what)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise step_too_large(what, self.task.stage, self.items, error) from error
            raise

    def _make_steps(self, board: Any, what: str) -> None:
        saved_at, saved_time = self.step, time.monotonic()
        self.model.train()
        with self._batches() as batches, StepProgress(what, self.total, self.step) as progress:
            while not self.ended:
                began = time.monotonic()
                terms = self._train_step(batches)
                if self.step % self.task.steps_per_epoch == 0 or self.step == self.total:
                    self._finish_epoch(board)
                progress.step(terms["loss"].item() if progress.due() else None)
                self.seconds += time.monotonic() - began
                due, stop = self.processes.from_first(self._due(saved_at, saved_time))
                if self.ended or due or stop:
                    self.save()
                    saved_at, saved_time = self.step, time.monotonic()
                if stop:
                    raise StopRequestedError(f"{what}: stopped after {self.step} steps")

    def keep(self) -> int:
        """Give the module the weights that are kept; returns the step they are of."""
        if self.kept_step is not None:
            return self.kept_step
        if self.best is not None and self.best.weights is not None:
            self.task.module.load_state_dict(self.best.weights)
            logger.info(
                "kept the weights of step %d, with the lowest %s of the validations: %.6g",
                *(self.best.step, self.best.name, self.best.value),
            )
            return self.best.step
        if self.ema is not None:
            self.ema.copy_to_module()
        return self.step

    def _batches(self) -> BatchLoader:
        on_gpu = self.engine.device.type == "cuda"
        prefetch = self.settings.prefetch
        if prefetch is None:
            prefetch = on_gpu or self.task.slow_batches
        return BatchLoader(self._make_shard, self.total, prefetch=prefetch, pin=on_gpu)

    def _make_shard(self, number: int) -> Shard:
        epoch, step = divmod(number, self.task.steps_per_epoch)
        order = generator(self.seed, self.task.stage, "order", epoch)
        return self.processes.shard(self.task.make_batch(epoch, step, order))

    def _due(self, step: int, moment: float) -> tuple[bool, bool]:
        """Whether it is time for a checkpoint, and whether the end is asked for."""
        every = self.settings.checkpoint_steps
        due = every is not None and self.step - step >= every
        due = due or time.monotonic() - moment >= self.settings.checkpoint_seconds
        return due, self.stop is not None and self.stop.asked is not None

    def _train_step(self, batches: BatchLoader) -> Losses:
        epoch, step = divmod(self.step, self.task.steps_per_epoch)
        shard = batches.take(self.step)
        self.items = len(next(iter(shard.batch.values())))
        batch = self.engine.to_device(shard.batch)
        key = (epoch, step, *self.processes.key)
        # Dropout has no generator of its own; it must not depend on the steps before either.
        torch.manual_seed(stream_seed(self.seed, self.task.stage, "global", *key))
        noise = generator(self.seed, self.task.stage, "noise", *key)
        rate = self.task.learning_rate(self.step)
        if rate is not None:
            for group in self.raw_optimizer.param_groups:
                group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.model(batch, noise)
        self.engine.backward(terms["loss"] * shard.scale if shard.scale != 1 else terms["loss"])
        if self.settings.gradient_clip is not None:
            self.engine.clip_gradients(
                self.model, self.optimizer, max_norm=self.settings.gradient_clip
            )
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()
        self.epoch.add(terms, shard.items)
        self.step += 1
        return terms

    def _finish_epoch(self, board: Any) -> None:
        epoch = (self.step - 1) // self.task.steps_per_epoch
        terms = self.processes.sum_up(self.epoch).means()
        if not all(map(math.isfinite, terms.values())):
            raise TrainingDivergedError(
                f"training {self.task.stage}: the loss is not finite in epoch {epoch} (step "
                f"{self.step}): {terms}. Lower learning_rate or set training.gradient_clip."
            )
        self._record("train", board, epoch, terms)
        self.epoch = EpochMeans()
        if self.step % self.task.steps_per_epoch == 0:
            self.task.end_epoch(epoch, terms)
        last = self.step == self.total
        if self.task.validation_steps and (last or (epoch + 1) % self.settings.validate_every == 0):
            with self.ema.applied() if self.ema is not None else nullcontext():
                found = self._validate()
                if self.best is not None:
                    self.best.see(self.step, found, self.task.module)
            self._record("val", board, epoch, found)

    def _record(self, part: str, board: Any, epoch: int, terms: Mapping[str, float]) -> None:
        self.history.add(part, self.step, epoch, terms)
        if board is None:
            return
        for name, value in terms.items():
            board.add(f"{self.task.stage}/{part}/{name}", value, self.step)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        # Every process sees all of it: the numbers need not be shared and are the same for all.
        self.model.eval()
        means = EpochMeans()
        for step in range(self.task.validation_steps):
            batch = self.engine.to_device(self.task.make_validation_batch(step))
            noise = generator(self.seed, self.task.stage, "validation", step)
            means.add(self.model(batch, noise), len(next(iter(batch.values()))))
        self.model.train()
        return means.means()

    def board(self, folder: Path) -> AbstractContextManager[Any]:
        """The log for TensorBoard, of the first process alone."""
        return Board(folder, self.step) if self.processes.is_first else nullcontext()
