"""Training the emotion head of the codebook: 25-D behaviour from 3DMM motion."""

from __future__ import annotations

import logging
import math

import torch

from react24.conventions import CLIP_FRAMES
from react24.log import progress
from react24.models.learning2listen.codebook import MotionCodebook
from react24.models.learning2listen.motion import (
    MotionStatistics,
    measure,
    measure_valid,
    smooth_motion,
)
from react24.models.learning2listen.sequences import all_sequences, all_valid
from react24.models.learning2listen.settings import EmotionConfig
from react24.seeding import generator, stream_seed
from react24.training.dataset import ClipDataset, valid_frames
from react24.training.validity import both, squared_error

logger = logging.getLogger(__name__)

STAGE = "codebook"


def fit_emotion(
    codebook: MotionCodebook,
    clips: ClipDataset,
    config: EmotionConfig,
    *,
    smooth: bool,
    mask_invalid: bool,
    seed: int,
) -> None:
    """Train the head, with the rest of the codebook as it is, and mark it as fitted.

    A share of the windows (``decoded``) is what the codebook writes of them, which is what the head
    sees in sampling, the rest is real motion. Loss: mean squared error of the behaviour in units of
    its standard deviation.

    Args:
        codebook: Its emotion head is changed, nothing else.
        clips: Of the training split: ``motion`` and ``emotion``, native.
        config: Settings of the head.
        smooth: Whether motion is smoothed first.
        mask_invalid: Leave out frames in which motion or behaviour is invalid.
        seed: Of weights and order.
    """
    head, device = codebook.emotion, codebook.units.mean.device
    codebook.eval()
    _initialise(head, seed)
    head.units.set(_units(clips, mask_invalid))
    head.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    window = codebook.config.window
    for step in progress(range(config.steps), what="training the emotion head", unit="step"):
        chance = generator(seed, STAGE, "emotion", step)
        rows = torch.randint(clips.rows, (config.batch_size,), generator=chance)
        starts = torch.randint(CLIP_FRAMES - window + 1, rows.shape, generator=chance)
        motion, emotion = (
            clips.take_windows(name, rows, starts, window).to(device)
            for name in ("motion", "emotion")
        )
        motion = codebook.units(smooth_motion(motion) if smooth else motion)
        if some := round(config.decoded * len(motion)):
            motion[:some] = codebook.decode(codebook.indices(motion[:some]))
        rate = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        valid = None
        if mask_invalid:
            names = {"motion": "motion", "emotion": "emotion"}
            found = valid_frames(clips, names, rows, starts, window)
            valid = both(found.get("motion"), found.get("emotion"))
            valid = None if valid is None else valid.to(device)
        loss = squared_error(head(motion), head.units(emotion), valid)
        loss.backward()
        optimizer.step()
    head.requires_grad_(False)
    head.fitted.fill_(True)
    logger.info("emotion head: squared error of the last batch %.3f of the variance", loss.item())


def _units(clips: ClipDataset, mask_invalid: bool) -> MotionStatistics:
    """Mean and standard deviation of the behaviour."""
    values = all_sequences(clips, "emotion", CLIP_FRAMES)
    valid = all_valid(clips, "emotion", CLIP_FRAMES) if mask_invalid else None
    if valid is None:
        return measure(values, "plain")
    return measure_valid(zip(values, valid, strict=True))


def _initialise(head: torch.nn.Module, seed: int) -> None:
    """Fresh weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, STAGE, "emotion", "weights"))
        for layer in head.layers:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
