"""BeLFusion's two stages as tasks of the training loop, and the functions the workflow calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from react24 import store
from react24.errors import InputError
from react24.models import belfusion
from react24.models.belfusion_settings import BelfusionSettings, LDMConfig, VAEConfig, read_settings
from react24.models.belfusion_vae import BehaviourVAE, vae_losses
from react24.training import export
from react24.training.data import (
    Directions,
    Source,
    SplitClips,
    channel_statistics,
    count_batches,
    epoch_order,
    every_direction,
)
from react24.training.engine import resolve_device
from react24.training.loop import FitResult, fit
from react24.training.seeding import stream_seed
from react24.training.settings import LoopSettings, read_loop_settings
from react24.training.task import Batch, Losses

logger = logging.getLogger(__name__)

STATISTICS_ROWS = 64
"""Clips encoded at once for the code statistics."""


class _PairTask:
    """What both stages share: the feed of speaker-listener pairs and the optimiser."""

    def __init__(self, config: VAEConfig | LDMConfig, train: SplitClips, val: SplitClips | None):
        self.config, self.train, self.val = config, train, val
        self.steps_per_epoch = count_batches(train.pairs, config.batch_size)
        self.validation_steps = count_batches(val.rows, config.batch_size) if val else 0

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """AdamW, constant learning rate, betas (0.9, 0.999)."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        config = self.config
        return torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """A batch of an epoch in which each pair comes once, roles swapped by chance."""
        directions = epoch_order(self.train.pairs, order)
        return self._read(self.train, directions.batch(step, self.config.batch_size))

    def make_validation_batch(self, step: int) -> Batch:
        """A batch of all directions of the validation split, in order."""
        directions = every_direction(self.val.pairs)
        return self._read(self.val, directions.batch(step, self.config.batch_size))


class VAETask(_PairTask):
    """Stage 1: the VAE learns the listeners' behaviour."""

    stage = "vae"

    def __init__(self, module: BehaviourVAE, train: SplitClips, val: SplitClips | None):
        """Args: the VAE, and clips with ``emotion`` and, if its targets need them, ``face``."""
        super().__init__(module.config, train, val)
        self.module = module

    def to(self, device: torch.device) -> None:
        """Nothing besides the module."""

    def _read(self, clips: SplitClips, directions: Directions) -> Batch:
        batch = {"emotion": clips.take("emotion", directions.listener)}
        if self.config.coefficient_target == "standardised":
            batch["coefficients"] = clips.take("face", directions.listener)
        return batch

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``emotion``, ``kld``, ``coefficients``."""
        vae, target = self.module, batch.get("coefficients")
        if target is not None:
            target = (target - vae.coefficient_mean) / vae.coefficient_std
        output = vae(batch["emotion"], generator=noise)
        return _terms(vae_losses(output, batch["emotion"], target, self.config))


class LDMTask(_PairTask):
    """Stage 2: diffusion of the listener's codes given the speaker's; the VAE is frozen."""

    stage = "ldm"

    def __init__(
        self,
        module: belfusion.LatentDiffusion,
        vae: BehaviourVAE,
        train: SplitClips,
        val: SplitClips | None,
    ):
        """Args: the diffusion, the trained VAE, and clips with ``speaker`` and ``emotion``."""
        super().__init__(module.config, train, val)
        self.module = module
        self.vae = vae.eval().requires_grad_(False)

    def to(self, device: torch.device) -> None:
        """Move the VAE."""
        self.vae.to(device)

    def _read(self, clips: SplitClips, directions: Directions) -> Batch:
        return {
            "speaker": clips.take("speaker", directions.speaker),
            "listener": clips.take("emotion", directions.listener),
        }

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``code``, ``emotion``."""
        pairs = belfusion.draw_windows(batch["speaker"], batch["listener"], self.config, noise)
        made = belfusion.predict(self.module, self.vae, pairs, generator=noise)
        losses = belfusion.ldm_losses(
            made.code, made.target_code, made.emotion, made.target, self.config
        )
        return _terms(losses)


def _terms(losses: Any) -> Losses:
    return {name: getattr(losses, name) for name in losses.__dataclass_fields__}


def train_vae(
    clips_train: Mapping[str, Path],
    clips_val: Mapping[str, Path] | None,
    settings: Mapping[str, Any],
    output_dir: Path,
    checkpoint_dir: Path,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    *,
    created_by: str = "train_belfusion_vae",
    code: str = "",
) -> None:
    """Train stage 1 and write ``model.safetensors``, ``model.json``, ``history.h5``.

    After training, the statistics of the codes over the training clips (speakers and listeners,
    all windows) are computed in eval mode and stored with the weights.

    Args:
        clips_train: Stream -> clips file; needs ``graphau`` and ``faceverse``.
        clips_val: The same for validation; None to train without.
        settings: Merged settings of the model: ``variant``, ``speaker_space``, ``vae``, ``ldm``
            and, for the loop, ``training`` (``react24.training.settings.LoopSettings``).
        output_dir: Of this stage.
        checkpoint_dir: Of this stage and seed alone.
        seed: Of weights, order and noise.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        created_by: Rule or command.
        code: Digest of the training code; a changed one discards checkpoints.

    Raises:
        InputError: Settings, streams or device cannot be used.
        StoreError: The clips files do not belong together.
    """
    job = _Job(
        model=_read(settings, device), stage="vae", output_dir=Path(output_dir),
        checkpoint_dir=Path(checkpoint_dir), seed=seed, device=device, threads=threads,
        created_by=created_by, code=code,
    )  # fmt: skip
    config = job.model.vae
    paths = _streams(("graphau", "faceverse"), clips_train, clips_val)
    names = {"emotion": ("graphau", "native")}
    if config.coefficient_target == "standardised":
        names["face"] = ("faceverse", "native")
    with _open(names, paths, job) as (train, val):
        vae = job.initialise(BehaviourVAE, config)
        statistics = channel_statistics(paths["train"]["faceverse"])
        vae.set_coefficient_statistics(
            torch.from_numpy(statistics.mean), torch.from_numpy(statistics.std)
        )
        inputs = _digests(paths)
        result = job.fit(VAETask(vae, train, val), inputs)
        _fit_code_statistics(vae, train)
        job.write(vae, result, inputs, train.pretrained)


def train_ldm(
    clips_train: Mapping[str, Path],
    clips_val: Mapping[str, Path] | None,
    settings: Mapping[str, Any],
    output_dir: Path,
    checkpoint_dir: Path,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    *,
    vae_dir: Path,
    created_by: str = "train_belfusion_ldm",
    code: str = "",
) -> None:
    """Train stage 2 on the codes of a trained stage 1; writes the same three files.

    Args:
        clips_train: Stream -> clips file; needs ``graphau``.
        clips_val: The same for validation; None to train without.
        settings: As for ``train_vae``; the VAE's own settings come from ``vae_dir``.
        output_dir: Of this stage.
        checkpoint_dir: Of this stage and seed alone.
        seed: Of weights, order and noise.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads.
        vae_dir: Folder of the trained stage 1.
        created_by: Rule or command.
        code: Digest of the training code; a changed one discards checkpoints.

    Raises:
        InputError: Settings, streams, device or the VAE cannot be used.
        StoreError: The clips files do not belong together.
    """
    job = _Job(
        model=_read(settings, device), stage="ldm", output_dir=Path(output_dir),
        checkpoint_dir=Path(checkpoint_dir), seed=seed, device=device, threads=threads,
        created_by=created_by, code=code,
    )  # fmt: skip
    vae, description = load_vae(Path(vae_dir))
    _check_vae(vae.config, job.model.vae, Path(vae_dir))
    paths = _streams(("graphau",), clips_train, clips_val)
    names = {"emotion": ("graphau", "native"), "speaker": ("graphau", job.model.speaker_space)}
    with _open(names, paths, job) as (train, val):
        ldm = job.initialise(belfusion.LatentDiffusion, job.model.ldm)
        inputs = {**_digests(paths), "vae": description["weights_sha256"]}
        result = job.fit(LDMTask(ldm, vae, train, val), inputs)
        job.write(ldm, result, inputs, train.pretrained and description["pretrained"])


@dataclass(frozen=True)
class _Job:
    """The training of one stage: its settings, its places and how it is run."""

    model: BelfusionSettings
    stage: str
    output_dir: Path
    checkpoint_dir: Path
    seed: int
    device: str
    threads: int
    created_by: str
    code: str

    @property
    def loop(self) -> LoopSettings:
        """Settings of the loop for this stage."""
        epochs = getattr(self.model, self.stage).epochs
        return read_loop_settings(self.model.training, epochs=epochs)

    def shaping(self) -> dict[str, Any]:
        """Settings that the stage depends on: stage 1 does not know those of stage 2."""
        config = asdict(getattr(self.model, self.stage))
        if self.stage == "ldm":
            config["speaker_space"] = self.model.speaker_space
        return config

    def initialise(self, kind: type, config: VAEConfig | LDMConfig) -> Any:
        """A module with seeded weights; torch's global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, self.stage, "weights"))
            return kind(config)

    def fit(self, task: _PairTask, inputs: Mapping[str, str]) -> FitResult:
        """Train to the end, from the last checkpoint where there is one."""
        return fit(
            task,
            self.loop,
            checkpoint_dir=self.checkpoint_dir,
            output_dir=self.output_dir,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            created_by=self.created_by,
            inputs=inputs,
            config=self.shaping(),
            code=self.code,
        )

    def write(
        self, module: nn.Module, result: FitResult, inputs: Mapping[str, str], pretrained: bool
    ) -> None:
        """Write what the stage leaves behind; stage 1 says nothing of the settings of stage 2."""
        config = self.model.as_dict()
        if self.stage == "vae":
            del config["ldm"], config["speaker_space"]
        export.write_timing(self.output_dir, result, self.threads)
        export.write_model(
            self.output_dir,
            module,
            model="belfusion",
            stage=self.stage,
            seed=self.seed,
            pretrained=pretrained,
            config=config,
            inputs=inputs,
            created_by=self.created_by,
        )


def load_vae(folder: Path) -> tuple[BehaviourVAE, dict[str, Any]]:
    """A trained stage 1, in eval mode on the CPU, and its ``model.json``.

    Raises:
        InputError: The folder does not hold a trained BeLFusion VAE.
    """
    description = export.read_description(folder)
    found = (description["model"], description["stage"])
    if found != ("belfusion", "vae"):
        raise InputError(f"{folder}: expected stage vae of belfusion, found {' '.join(found)}")
    vae = BehaviourVAE(read_settings(description["config"], str(folder)).vae)
    vae.load_state_dict(export.read_weights(folder))
    return vae.eval(), description


def _read(settings: Mapping[str, Any], device: str) -> BelfusionSettings:
    """Settings of the model; whatever is wrong with those of the loop or device is found too."""
    resolve_device(device)
    model = read_settings(settings)
    read_loop_settings(model.training, epochs=1)
    return model


def _streams(
    needed: tuple[str, ...], train: Mapping[str, Path], val: Mapping[str, Path] | None
) -> dict[str, dict[str, Path]]:
    """Split -> stream -> path of what is needed."""
    paths = {}
    for split, given in (("train", train), ("val", val)):
        if not given:
            continue
        missing = [name for name in needed if name not in given]
        if missing:
            raise InputError(f"clips of split {split}: stream {', '.join(missing)} is missing")
        paths[split] = {name: Path(given[name]) for name in needed}
    return paths


def _digests(paths: Mapping[str, Mapping[str, Path]]) -> dict[str, str]:
    files = {f"{split}_{name}": p for split, some in paths.items() for name, p in some.items()}
    return store.digest_inputs(**files)


@contextmanager
def _open(
    names: Mapping[str, tuple[str, str]], paths: Mapping[str, Mapping[str, Path]], job: _Job
) -> Iterator[tuple[SplitClips, SplitClips | None]]:
    """The clips of both splits, open together; the second is None without validation."""
    pin, limit = resolve_device(job.device) == "cuda", job.loop.max_memory_mb
    with ExitStack() as stack:
        opened = {}
        for split, streams in paths.items():
            sources = {n: Source(streams[stream], kind) for n, (stream, kind) in names.items()}
            clips = SplitClips(sources, max_memory_mb=limit, pin=pin)
            opened[split] = stack.enter_context(clips)
        yield opened["train"], opened.get("val")


def _fit_code_statistics(vae: BehaviourVAE, train: SplitClips) -> None:
    vae.eval()
    device = next(vae.parameters()).device

    def batches() -> Iterator[Tensor]:
        for start in range(0, train.rows, STATISTICS_ROWS):
            rows = torch.arange(start, min(start + STATISTICS_ROWS, train.rows))
            yield train.take("emotion", rows).to(device)

    vae.fit_code_statistics(batches())


def _check_vae(trained: VAEConfig, asked: VAEConfig, folder: Path) -> None:
    """Refuse a stage 1 that was trained with other settings than this run has."""
    old, new = asdict(trained), asdict(asked)
    different = [f"{k}: {old[k]!r} against {new[k]!r}" for k in old if old[k] != new[k]]
    if different:
        raise InputError(
            f"{folder}: its stage 1 was trained with other settings ({'; '.join(different)}); "
            "train stage 1 again with these settings"
        )
