"""The two stages as tasks of the training loop."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from react24.contracts.reactions import load_stage
from react24.contracts.task import Batch, Losses, StageContext, StageTask
from react24.conventions import CLIP_FRAMES
from react24.models.learning2listen.codebook import MotionCodebook, codebook_losses
from react24.models.learning2listen.emotion import fit_emotion
from react24.models.learning2listen.motion import (
    MotionStatistics,
    measure,
    measure_valid,
    smooth_motion,
)
from react24.models.learning2listen.predictor import CodePredictor, official_visible, predictor_loss
from react24.models.learning2listen.sampling import make_predictor
from react24.models.learning2listen.sequences import (
    PieceBatches,
    Pieces,
    all_sequences,
    all_valid,
    check_columns,
    take_sequences,
)
from react24.models.learning2listen.settings import (
    CodebookConfig,
    PredictorConfig,
    TranvaeSettings,
    read_settings,
)
from react24.seeding import generator
from react24.training.dataset import ClipDataset, valid_frames
from react24.training.validity import mean_item, usable, within_usable

BETAS, EPSILON = (0.9, 0.98), 1e-9
"""Of the optimisers of both stages."""

WINDOWS_AT_ONCE = 1024
"""Windows encoded together."""

RESTART_UNTIL = 0.8
"""Share of the training after which codes are left where they are."""

WINDOWS_PER_CODE = 3
"""Encoded windows, per code, that unused codes are placed on."""


def scheduled_rate(
    config: CodebookConfig | PredictorConfig, width: int, step: int, total: int
) -> float:
    """Learning rate of a step: rises in a line, then falls as the root of the step.

    Args:
        config: With ``schedule: steps``, ``learning_rate * width**-0.5 * min(n**-0.5,
            n * warmup_steps**-1.5)`` at n = step + 1, as in the official code; with ``share`` the
            same curve through ``peak_rate`` at ``warmup_share`` of all steps.
        width: Of the model.
        step: 0-based.
        total: Steps in all.
    """
    number = step + 1
    if config.schedule == "steps":
        curve = min(number**-0.5, number * config.warmup_steps**-1.5)
        return config.learning_rate * width**-0.5 * curve
    warm = max(1.0, config.warmup_share * total)
    return config.peak_rate * min(number / warm, (warm / number) ** 0.5)


class _SequenceTask(StageTask):
    """What both stages share: the pieces they are trained on, and the schedule."""

    def __init__(
        self,
        stage: str,
        config: CodebookConfig | PredictorConfig,
        settings: TranvaeSettings,
        context: StageContext,
        first: int = 0,
    ):
        self.stage, self.config, self.settings = stage, config, settings
        self.train, self.val, self.seed = context.train, context.val, context.seed
        self.length = 2 * settings.codebook.window
        self.pieces = PieceBatches(
            self.train,
            self.val,
            length=self.length,
            batch_size=config.batch_size,
            anywhere=config.sequences == "anywhere",
            windows=stage == "codebook",
            first=first,
            key=(self.seed, stage, "sequences"),
        )
        self.steps_per_epoch = self.pieces.steps_per_epoch
        self.validation_steps = self.pieces.validation_steps
        self.slow_batches = not self.train.in_memory
        limit = settings.training.get("max_steps")
        self.total = min(config.epochs * self.steps_per_epoch, limit or 2**62)

    def learning_rate(self, step: int) -> float:
        """See ``scheduled_rate``."""
        width = self.settings.codebook.hidden if self.stage == "codebook" else self.config.hidden
        return scheduled_rate(self.config, width, step, self.total)

    def smooth(self, motion: Tensor) -> Tensor:
        """Smoothed motion, where the settings say so: (n, 64, D)."""
        return smooth_motion(motion) if self.settings.smooth else motion

    def units(self, name: str) -> MotionStatistics:
        """Statistics of a training stream: of smoothed motion, or of the rows of the sound."""
        sequences = all_sequences(self.train, name, self.length)
        valid = all_valid(self.train, name, self.length) if self.config.mask_invalid else None
        if name == "sound":
            sequences = map(self.rows_of, sequences)
            if valid is not None:
                rate = self.settings.sound_rate
                valid = (part.repeat_interleave(rate, 1) for part in valid)
        else:
            sequences = map(self.smooth, sequences)
        if valid is None or self.config.statistics != "plain":
            return measure(sequences, self.config.statistics)
        return measure_valid(zip(sequences, valid, strict=True))

    def rows_of(self, sound: Tensor) -> Tensor:
        """Rows of sound one after the other: (n, T, rate * A) -> (n, T * rate, A)."""
        return sound.unflatten(-1, (self.settings.sound_rate, -1)).flatten(1, 2)


class CodebookTask(_SequenceTask):
    """Stage 1: the codebook learns listeners' windows; the emotion head is trained at the end."""

    def __init__(self, module: MotionCodebook, settings: TranvaeSettings, context: StageContext):
        """Take an untrained codebook, and clips ``motion`` and ``emotion``; measure its units."""
        super().__init__("codebook", settings.codebook, settings, context)
        check_columns(self.train, "motion", settings.codebook.channels)
        self.module = module
        module.emotion.requires_grad_(False)
        module.units.set(self.units("motion"))

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """AdamW; the rate is set at each step."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        decay = self.config.weight_decay
        return torch.optim.AdamW(
            parameters, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=decay, fused=True
        )

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """Sequences, and which window of each is meant."""
        return self._read(self.train, self.pieces.training(step, order))

    def make_validation_batch(self, step: int) -> Batch:
        """All windows end to end, first halves first."""
        return self._read(self.val, self.pieces.validation(step))

    def _read(self, clips: ClipDataset, pieces: Pieces) -> Batch:
        chosen = pieces.listeners, pieces.starts, self.length
        batch = {"motion": clips.take_windows("motion", *chosen), "half": pieces.halves}
        if self.config.mask_invalid:
            batch |= valid_frames(clips, {"valid": "motion"}, *chosen)
        return batch

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss``, ``motion``, ``quantiser``, ``perplexity``."""
        windows, valid, counts = self._windows(batch), None, None
        if "valid" in batch:
            valid = _half(batch["valid"], batch["half"])
            valid, counts = within_usable(valid, valid.shape[1])
            counts = counts.squeeze(1)
            if counts.any():  # windows left out are not part of the batch's statistics either
                windows, valid, counts = windows[counts], valid[counts], None
        losses = codebook_losses(self.module(windows, counts), windows, self.module, valid)
        return dict(vars(losses))

    def _windows(self, batch: Batch) -> Tensor:
        """The windows meant, standardised: (n, 32, D)."""
        motion = self.module.units(self.smooth(batch["motion"]))
        return _half(motion, batch["half"])

    def end_epoch(self, epoch: int, means: Mapping[str, float]) -> None:
        """Place codes that no window uses on encoded windows, but not towards the end."""
        if self.config.restart and (epoch + 1) * self.steps_per_epoch < RESTART_UNTIL * self.total:
            self.place_codes(epoch + 1)

    @torch.no_grad()
    def place_codes(self, epoch: int) -> None:
        """Place unused codes on encoded windows; before the first epoch, all codes.

        Which codes are unused is asked of windows drawn for this, so that it depends on the
        weights and the seed alone, whatever the process or the interruptions.
        """
        quantiser = self.module.quantiser
        codes = quantiser.codes.weight
        chance = generator(self.seed, self.stage, "codes", epoch)
        count = -(-WINDOWS_PER_CODE * len(codes) // self.module.config.tokens_per_window)
        rows = torch.randint(self.train.rows, (count,), generator=chance)
        starts = torch.randint(CLIP_FRAMES - self.length + 1, (count,), generator=chance)
        halves = torch.randint(2, (count,), generator=chance)
        batch = self._read(self.train, Pieces(rows, starts, halves))
        batch = {name: value.to(codes.device) for name, value in batch.items()}
        was_training = self.module.training
        self.module.train(epoch == 0)  # statistics of the batch, before there are any others
        encoded = self.module.encoder(self._windows(batch))
        self.module.train(was_training)
        if "valid" in batch:  # no code is placed on what nobody saw
            kept = usable(_half(batch["valid"], batch["half"]))
            encoded = encoded[kept] if kept.any() else encoded
        vectors = quantiser.vectors(encoded)
        used = torch.bincount(quantiser.indices(encoded).flatten(), minlength=len(codes))
        free = torch.arange(len(codes)) if epoch == 0 else torch.nonzero(used.cpu() == 0).flatten()
        chosen = torch.randperm(len(vectors), generator=chance)[: len(free)]
        codes[free[: len(chosen)].to(codes.device)] = vectors[chosen.to(codes.device)]

    def finish(self) -> None:
        """Train the emotion head."""
        fit_emotion(
            self.module,
            self.train,
            self.settings.emotion,
            smooth=self.settings.smooth,
            mask_invalid=self.config.mask_invalid,
            seed=self.seed,
        )


class PredictorTask(_SequenceTask):
    """Stage 2: the predictor learns the codes of the next window; the codebook is frozen."""

    def __init__(
        self,
        module: CodePredictor,
        codebook: MotionCodebook,
        settings: TranvaeSettings,
        context: StageContext,
    ):
        """Take an untrained predictor, a trained codebook and the clips; measure its units.

        Args:
            module: The predictor.
            codebook: Of stage 1; it is frozen.
            settings: Of both stages.
            context: With clips ``motion``, ``speaker`` and ``sound``.
        """
        hidden = settings.predictor.start == "hidden"
        first = -settings.codebook.window if hidden else 0
        super().__init__("predictor", settings.predictor, settings, context, first)
        check_columns(self.train, "speaker", settings.codebook.channels)
        check_columns(self.train, "sound", settings.sound_dim * settings.sound_rate)
        self.module = module
        self.codebook = codebook.eval().requires_grad_(False)
        self.train_codes = self.val_codes = None
        module.speaker_units.set(self.units("speaker"))
        module.sound_units.set(self.units("sound"))

    def to(self, device: torch.device) -> None:
        """Move the codebook, and encode what is asked for again and again: it is frozen."""
        self.codebook.to(device)
        self.val_codes = self._encode_all(self.val, device) if self.val else None
        if not self.pieces.anywhere:
            self.train_codes = self._encode_all(self.train, device)

    def _encode_all(self, clips: ClipDataset, device: torch.device) -> Tensor:
        """Codes of all sequences end to end, int64 (rows, sequences of a clip, 2, 4)."""
        sequences = map(self.smooth, all_sequences(clips, "motion", self.length))
        found = [self._encode(part.to(device)).cpu() for part in sequences]
        return torch.cat(found).unflatten(0, (clips.rows, -1))

    def _encode(self, motion: Tensor) -> Tensor:
        """Codes of both windows of sequences: (n, 64, D) -> int64 (n, 2, 4)."""
        windows = self.codebook.units(motion).unflatten(1, (2, -1)).flatten(0, 1)
        codes = [self.codebook.indices(part) for part in windows.split(WINDOWS_AT_ONCE)]
        return torch.cat(codes).unflatten(0, (-1, 2))

    def configure_optimizer(self) -> torch.optim.Optimizer:
        """Adam without weight decay; the rate is set at each step."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        return torch.optim.Adam(parameters, lr=0.0, betas=BETAS, eps=EPSILON, fused=True)

    def make_batch(self, epoch: int, step: int, order: torch.Generator) -> Batch:
        """Sequences of both, and how many past codes of each are seen."""
        pieces = self.pieces.training(step, order)
        number = epoch * self.steps_per_epoch + step
        visible = self._visible(len(pieces), number, order, step)
        return self._read(self.train, self.train_codes, pieces, visible)

    def make_validation_batch(self, step: int) -> Batch:
        """All sequences end to end; the same codes are hidden at every validation."""
        pieces = self.pieces.validation(step)
        chance = generator(self.stage, "validation", "visible")
        visible = self._visible(len(pieces), step, chance, step)
        return self._read(self.val, self.val_codes, pieces, visible)

    def _visible(self, count: int, number: int, chance: torch.Generator, step: int) -> Tensor:
        """How many past codes are seen, int64 (count,): one draw for all, or one for each."""
        tokens = self.module.tokens
        if self.config.mask_draw == "batch":
            return torch.full((count,), official_visible(number, tokens))
        drawn = torch.randint(5 * tokens + 1, (step + 1, self.config.batch_size), generator=chance)
        return drawn[step, :count]

    def _read(
        self, clips: ClipDataset, codes: Tensor | None, pieces: Pieces, visible: Tensor
    ) -> Batch:
        """A batch; the listener's codes where they are known, his motion where they are not."""
        listeners, starts = pieces.listeners, pieces.starts
        speakers = (listeners + clips.pairs) % clips.rows
        # Codes of frames before the clip's first cannot be seen.
        there = (starts + self.codebook.config.window) // self.codebook.config.patch
        frames = self.module.frames
        batch = {
            "speaker": take_sequences(clips, "speaker", speakers, starts, self.length),
            "sound": take_sequences(clips, "sound", speakers, starts, frames),
            "visible": torch.minimum(visible, there),
        }
        if codes is None:
            batch["motion"] = take_sequences(clips, "motion", listeners, starts, self.length)
        else:
            batch["codes"] = codes[listeners, starts // self.length]
        if self.config.mask_invalid:
            # Of the window that is predicted, which lies within the clip always.
            future = starts + self.codebook.config.window, self.codebook.config.window
            batch |= valid_frames(clips, {"valid": "motion"}, listeners, *future)
        return batch

    def loss(self, batch: Batch, noise: torch.Generator) -> Losses:
        """``loss`` (the cross-entropy) and ``accuracy`` (share of codes that are the likeliest)."""
        predictor = self.module
        known = "codes" in batch
        codes = batch["codes"] if known else self._encode(self.smooth(batch["motion"]))
        speaker = predictor.speaker_units(self.smooth(batch["speaker"])[:, : predictor.frames])
        sound = predictor.sound_units(self.rows_of(batch["sound"]))
        features = predictor.speaker_features(speaker, sound)
        future = codes[:, 1]
        visible = self._shared(batch["visible"])
        logits = predictor(features, codes[:, 0], visible, rows=future.shape[1])
        counts = usable(batch["valid"]) if "valid" in batch else None
        hits = mean_item((logits.argmax(-1) == future).float().mean(1), counts)
        return {"loss": predictor_loss(logits, future, counts), "accuracy": hits}

    def _shared(self, visible: Tensor) -> Tensor | int:
        """One number where all are the same: where it says that all are seen, nothing is masked."""
        same = self.config.mask_draw == "batch" and self.config.start == "zeros"
        return int(visible[0]) if same else visible


def _half(sequences: Tensor, halves: Tensor) -> Tensor:
    """One window of each sequence: (n, 64, ...) and int64 (n,) -> (n, 32, ...)."""
    both = sequences.unflatten(1, (2, -1))  # (n, 2, 32, ...)
    return both[torch.arange(len(both), device=both.device), halves]


def codebook_task(context: StageContext) -> CodebookTask:
    """Stage 1, with its units from the training split and, if they restart, its codes placed."""
    settings = read_settings(context.settings)
    codebook = context.initialise(lambda: MotionCodebook(settings.codebook, settings.emotion))
    task = CodebookTask(codebook, settings, context)
    if settings.codebook.restart:
        task.place_codes(0)
    return task


def predictor_task(context: StageContext) -> PredictorTask:
    """Stage 2, on the codes of the trained stage 1."""
    settings = read_settings(context.settings)
    codebook = MotionCodebook(settings.codebook, settings.emotion)
    load_stage(codebook, context.needed, "codebook")
    predictor = context.initialise(lambda: make_predictor(settings))
    return PredictorTask(predictor, codebook, settings, context)
