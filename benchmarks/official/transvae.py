"""Trans-VAE, offline: training steps and sampling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from official.checkouts import drawn, gradient_difference, import_from, relative, replaced
from official.measure import Case, Sides
from react24.models.transvae.network import TransVAEReactions, transvae_losses
from react24.models.transvae.official import load_official
from react24.models.transvae.settings import read_settings

SETTINGS = read_settings({"type": "transvae", "variant": "official"})
WIDTH = SETTINGS.transvae.width


def their_code(baseline: Path, pixels: int) -> tuple[nn.Module, ModuleType]:
    """Official network, and the module of its losses."""
    models, losses = import_from(baseline, "model", "model.losses")
    torch.manual_seed(0)
    return models.TransformerVAE(img_size=pixels, online=False, device="cpu"), losses


def pictures(clips: int, frames: int, pixels: int) -> Tensor:
    """uint8 (B, T, 3, H, W)."""
    shape, generator = (clips, frames, 3, pixels, pixels), torch.Generator().manual_seed(1)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def to_float(frames: Tensor) -> Tensor:
    """What the official loader makes of pictures."""
    return (frames.float() / 255 - 0.5) / 0.5


@contextmanager
def _official_draws(noise: Tensor) -> Iterator[None]:
    """The official latents from given noise (n, B, 128), one after the other."""
    given = iter(noise)
    normal = torch.distributions.Normal
    with replaced(normal, "rsample", lambda self: self.loc + self.scale * next(given)):
        yield


def make_step(baseline: Path, *, clips: int, pixels: int, frames: int = 256) -> Sides:
    """A step; the official one makes two passes, the second for the diversity of reactions."""
    config = SETTINGS.transvae
    theirs, losses = their_code(baseline, pixels)
    ours = load_official(theirs.state_dict(), config)
    criterion = losses.VAELoss(config.weight_kld)
    rate, decay = config.learning_rate, config.weight_decay
    their_optimizer = torch.optim.AdamW(theirs.parameters(), lr=rate, weight_decay=decay)
    our_optimizer = torch.optim.AdamW(ours.parameters(), lr=rate, weight_decay=decay, fused=True)
    theirs.train()
    ours.train()
    seen = pictures(clips, frames, pixels)
    video, audio = to_float(seen), drawn(clips, frames, 78, seed=2)
    emotion, face = drawn(clips, frames, 25, seed=4).sigmoid(), drawn(clips, frames, 58, seed=3)
    generator = torch.Generator().manual_seed(0)

    def official(optimize: bool = True) -> Tensor:
        their_optimizer.zero_grad()
        made_face, made_emotion, latents = theirs(video, audio)
        loss, reconstruction, kld = criterion(emotion, face, made_emotion, made_face, latents)
        with torch.no_grad():
            other_face, other_emotion, _ = theirs(video, audio)
        apart = losses.div_loss(other_face, made_face)
        apart = apart + losses.div_loss(other_emotion, made_emotion)
        loss = loss + config.weight_diversity * apart
        for value in (loss, reconstruction, kld, apart):
            value.item()
        loss.backward()
        if optimize:
            their_optimizer.step()
        return loss

    def mine(noise: Tensor | None = None, optimize: bool = True) -> Tensor:
        our_optimizer.zero_grad(set_to_none=True)
        if noise is None:
            drawn_now = [ours.draw_noise(clips, frames, generator) for _ in range(2)]
            noise = torch.stack(drawn_now)
        speaker = ours.encode(seen, audio)
        made = ours.write(speaker, noise[0], frames)
        with torch.no_grad():
            other = ours.write(speaker, noise[1], frames)
        loss = transvae_losses(made, emotion, ours.to_units(face), ours, other).loss
        loss.backward()
        if optimize:
            our_optimizer.step()
        return loss

    def compare() -> float:
        theirs.eval()
        ours.eval()
        noise = drawn(2, 1, clips, WIDTH, seed=5)
        with _official_draws(noise[:, 0]):
            their_loss = official(optimize=False)
        our_loss = mine(noise, optimize=False)
        theirs.train()
        ours.train()
        return max(relative(our_loss, their_loss), gradient_difference(theirs, ours))

    return Sides(official, mine, "loss and norm of the gradients, without dropout", compare)


def make_sampling(baseline: Path, *, pixels: int = 64, frames: int = 750) -> Sides:
    """Ten reactions to one clip; the official evaluation runs the whole model once for each."""
    theirs, _ = their_code(baseline, pixels)
    theirs.eval()
    ours = TransVAEReactions(load_official(theirs.state_dict(), SETTINGS.transvae))
    seen, audio = pictures(1, frames, pixels), drawn(1, frames, 78, seed=6)
    video, generator = to_float(seen), torch.Generator()

    def official() -> Tensor:
        with torch.no_grad():
            return torch.stack([theirs(video, audio)[1] for _ in range(10)], dim=1)

    def mine() -> Tensor:
        speaker = {"frames": seen, "mfcc": audio}
        return ours.react(speaker, 10, [generator.manual_seed(0)]).emotion

    def compare() -> float:
        noise = ours.model.draw_noise(10, frames, generator.manual_seed(0))  # (1, 10, 128)
        with _official_draws(noise.transpose(0, 1)):
            expected = official()
        return relative(mine(), expected)

    return Sides(official, mine, "ten reactions from the same noise", compare)


CASES = (
    Case(
        "transvae_step", "Trans-VAE, step of 4 x 256 frames x 64 px", None,
        partial(make_step, clips=4, pixels=64),
    ),
    Case(
        "transvae_step_224", "Trans-VAE, step of 1 x 256 frames x 224 px", None,
        partial(make_step, clips=1, pixels=224),
    ),
    Case(
        "transvae_sampling", "Trans-VAE, 10 reactions to a clip of 64 px", 5.0, make_sampling,
        False,
    ),
)  # fmt: skip
