"""BeLFusion: training steps of both stages, and sampling."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from official.checkouts import (
    Options,
    drawn,
    gradient_difference,
    import_from,
    read_options,
    relative,
    replaced,
)
from official.measure import Case, Sides
from react24.models.belfusion import diffusion as belfusion
from react24.models.belfusion.denoiser import load_official_ldm
from react24.models.belfusion.settings import LDMConfig, VAEConfig
from react24.models.belfusion.vae import load_official_vae, vae_losses

CLIPS, FRAMES = 32, 750
OFFICIAL_LDM = LDMConfig(window_start="first_window", discard_draws=True)


def behaviour(clips: int, seed: int) -> Tensor:
    """Smooth synthetic behaviour in [0, 1], (clips, 750, 25)."""
    steps = drawn(clips, FRAMES, 25, seed=seed).cumsum(1)
    return torch.sigmoid(0.1 * steps)


def vae_code(checkout: Path) -> tuple[Options, nn.Module, Callable[..., dict[str, Tensor]]]:
    """Official configuration, model and loss of stage 1."""
    config = read_options(checkout / "config" / "1_belfusion_vae.yaml")
    models, losses = import_from(checkout, "model", "model.losses")
    torch.manual_seed(0)
    model = getattr(models, config.arch.type)(config.arch.args)
    return config, model, partial(getattr(losses, config.loss.type), **config.loss.args)


def statistics_of(model: nn.Module) -> dict[str, Tensor]:
    """What the official script computes after stage 1, over a few clips."""
    with torch.no_grad():
        codes = model.encode_all(behaviour(4, seed=9))
    return {
        "min": codes.amin(0), "max": codes.amax(0), "mean": codes.mean(0), "std": codes.std(0),
        "var": codes.var(0),
    }  # fmt: skip


def ldm_code(checkout: Path) -> tuple[Options, Any, Callable[..., dict[str, Tensor]], Any]:
    """Official configuration, model and loss of stage 2, and our stage 1 with its weights."""
    vae_config, vae, _ = vae_code(checkout)
    config = read_options(checkout / "config" / "2_belfusion_ldm.yaml")
    models, losses = import_from(checkout, "model", "model.losses")
    statistics = statistics_of(vae)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        torch.save({"state_dict": vae.state_dict(), "statistics": statistics}, path)
        arch = {"type": vae_config.arch.type, "args": dict(vae_config.arch.args)}
        (path.parent / "config.yaml").write_text(yaml.safe_dump({"arch": arch}))
        arguments = Options(config.arch.args, emb_emotion_path=str(path))
        matcher = getattr(models, config.arch.type)(arguments)
    ours = load_official_vae(vae.state_dict(), statistics).requires_grad_(False)
    criterion = partial(getattr(losses, config.loss.type), **config.loss.args)
    return config, matcher, criterion, ours


def adamw(module: nn.Module, config: Options, *, fused: bool | None = None) -> torch.optim.AdamW:
    rate, decay = config.optimizer.lr, config.optimizer.weight_decay
    return torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=decay, fused=fused)


def descend(losses: dict[str, Tensor], optimizer: torch.optim.Optimizer, optimize: bool) -> Tensor:
    """The second half of a step of theirs, which writes every term to its log."""
    for value in losses.values():
        value.item()
    losses["loss"].backward()
    if optimize:
        optimizer.step()
    return losses["loss"]


def make_vae(baseline: Path) -> Sides:
    """A step of stage 1, as the official ``train`` makes it: the 3DMM targets are zeros."""
    config, theirs, criterion = vae_code(baseline)
    ours = load_official_vae(theirs.state_dict())
    emotion, face = behaviour(CLIPS, seed=1), torch.zeros(CLIPS, FRAMES, 58)
    their_optimizer, our_optimizer = adamw(theirs, config), adamw(ours, config, fused=True)
    theirs.train()
    ours.train()
    generator = torch.Generator().manual_seed(0)

    def official(optimize: bool = True) -> Tensor:
        their_optimizer.zero_grad()
        losses = criterion(**theirs(listener_emotion=emotion, listener_3dmm=face))
        return descend(losses, their_optimizer, optimize)

    def mine(noise: Tensor | None = None, optimize: bool = True) -> Tensor:
        our_optimizer.zero_grad(set_to_none=True)
        output = ours(emotion, noise=noise, generator=generator)
        loss = vae_losses(output, emotion, None, VAEConfig()).loss
        loss.backward()
        if optimize:
            our_optimizer.step()
        return loss

    def compare() -> float:
        noise = drawn(CLIPS * FRAMES // 50, 128, seed=2)
        with replaced(torch, "randn_like", lambda *_: noise):
            their_loss = official(optimize=False)
        our_loss = mine(noise, optimize=False)
        return max(relative(our_loss, their_loss), gradient_difference(theirs, ours))

    return Sides(official, mine, "loss and norm of the gradients of a step", compare)


def make_ldm(baseline: Path) -> Sides:
    """A step of stage 2, ten draws per clip."""
    config, theirs, criterion, vae = ldm_code(baseline)
    ours = load_official_ldm(theirs.state_dict(), OFFICIAL_LDM)
    speaker, listener = behaviour(CLIPS, seed=3), behaviour(CLIPS, seed=4)
    their_optimizer = adamw(theirs.model, config)
    our_optimizer = adamw(ours, config, fused=True)
    theirs.train()
    ours.train()
    generator = torch.Generator().manual_seed(0)

    def official(optimize: bool = True) -> Tensor:
        their_optimizer.zero_grad()
        losses = criterion(**theirs(speaker_emotion=speaker, listener_emotion=listener))
        return descend(losses, their_optimizer, optimize)

    def step_ours(pairs: belfusion.WindowPairs, optimize: bool = True, **given: Tensor) -> Tensor:
        our_optimizer.zero_grad(set_to_none=True)
        made = belfusion.predict(ours, vae, pairs, generator=generator, **given)
        losses = belfusion.ldm_losses(
            made.code, made.target_code, made.emotion, made.target, OFFICIAL_LDM
        )
        losses.loss.backward()
        if optimize:
            our_optimizer.step()
        return losses.loss

    def mine() -> Tensor:
        return step_ours(belfusion.draw_windows(speaker, listener, OFFICIAL_LDM, generator))

    def compare() -> float:
        start, noise = torch.tensor([7]), drawn(CLIPS, 10, 128, seed=5)
        steps = np.random.default_rng(0).integers(10, size=CLIPS)
        with _official_draws(start, noise.flatten(0, 1), steps):
            their_loss = official(optimize=False)
        pairs = belfusion.windows_at(speaker, listener, start.expand(CLIPS), 50)
        our_loss = step_ours(pairs, optimize=False, steps=torch.from_numpy(steps), noise=noise)
        of_gradients = gradient_difference(theirs.model, ours.denoiser)
        return max(relative(our_loss, their_loss), of_gradients)

    return Sides(official, mine, "loss and norm of the gradients of a step", compare)


@contextmanager
def _official_draws(start: Tensor, noise: Tensor, steps: np.ndarray) -> Iterator[None]:
    """What the official step draws, given: window start, noise, diffusion steps."""
    with (
        replaced(torch, "randint", lambda *_, **__: start),
        replaced(torch, "randn_like", lambda *_: noise),
        replaced(np.random, "choice", lambda *_, **__: steps),
    ):
        yield


def make_sampling(baseline: Path) -> Sides:
    """Ten reactions to one clip; the official evaluation runs the whole model once for each."""
    _, theirs, _, vae = ldm_code(baseline)
    ours = load_official_ldm(theirs.state_dict(), OFFICIAL_LDM)
    theirs.eval()
    speaker, listener = behaviour(1, seed=6), behaviour(1, seed=7)
    generator = torch.Generator()

    def official() -> Tensor:
        with torch.no_grad():
            found = [
                theirs(speaker_emotion=speaker, listener_emotion=listener)["prediction"]
                for _ in range(10)
            ]
        return torch.stack(found, 1)

    def mine() -> Tensor:
        return belfusion.sample(vae, ours, speaker, 10, [generator.manual_seed(0)]).emotion

    def compare() -> float:
        noise = iter(torch.randn((10, 15, 128), generator=generator.manual_seed(0)))
        with replaced(torch, "randn", lambda *_, **__: next(noise)):
            expected = official()
        return relative(mine(), expected)

    return Sides(official, mine, "ten reactions from the same noise", compare)


CASES = (
    Case("belfusion_vae", "BeLFusion VAE, step of 32 x 750 frames", 1.2, make_vae),
    Case("belfusion_ldm", "BeLFusion LDM, step of 32 clips, k = 10", 1.3, make_ldm),
    Case("belfusion_sampling", "BeLFusion, 10 reactions to a clip", 5.0, make_sampling, False),
)
