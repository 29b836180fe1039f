"""Learning2Listen: training steps of codebook and predictor, and autoregressive sampling."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from official.checkouts import drawn, gradient_difference, import_from, relative, replaced
from official.measure import Case, Sides
from react24.models.learning2listen.codebook import codebook_losses
from react24.models.learning2listen.official import load_official_codebook, load_official_predictor
from react24.models.learning2listen.predictor import official_visible, predictor_loss
from react24.models.learning2listen.sampling import Windows, sample_codes, speaker_steps, write
from react24.models.learning2listen.settings import read_settings
from react24.models.learning2listen.tasks import BETAS, EPSILON, scheduled_rate

BATCH, WINDOW, PATCH, MOTION, SOUND = 32, 32, 8, 56, 128
FRAMES = 736
"""Of a clip in sampling: the official code wants (frames - 32) / 8 to be a multiple of 4."""


@dataclass(frozen=True)
class Official:
    """Their code, settings, networks and optimisers.

    Attributes:
        gan_models: Module of stage 1.
        fact_model: Module of stage 2.
        load_utils: Module that encodes the listener for stage 2.
        sampler: The script that samples.
        config: Settings of stage 2.
        codebook: Stage 1 with its optimiser.
        predictor: Stage 2 with its optimiser.
    """

    gan_models: ModuleType
    fact_model: ModuleType
    load_utils: ModuleType
    sampler: ModuleType
    config: dict[str, Any]
    codebook: tuple[nn.Module, Any]
    predictor: tuple[nn.Module, Any]


def _transposed(*arguments: Any, padding_mode: str = "zeros", **options: Any) -> nn.Module:
    """A transposed convolution of today's torch, which refuses any padding but zeros.

    The official README has the user comment the check out; the kernel then pads with zeros.
    """
    return _REAL_TRANSPOSED(*arguments, **options)


_REAL_TRANSPOSED = nn.ConvTranspose1d


def make_official(checkout: Path) -> Official:
    """Everything on their side, with the published settings."""
    root = checkout / "src"
    names = ("vqgan.vqmodules.gan_models", "modules.fact_model", "utils.load_utils")
    modules = import_from(root, *names, "test_vq_decoder")
    gan_models, fact_model, *_ = modules
    first = json.loads((root / "vqgan/configs/l2_32_smoothSS.json").read_text())
    second = json.loads((root / "configs/vq/delta_v6.json").read_text())
    torch.manual_seed(0)
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, replaced(nn, "ConvTranspose1d", _transposed):
        codebook, codebook_optimizer, _ = gan_models.setup_vq_transformer(None, first)
        predictor, predictor_optimizer, _ = fact_model.setup_model(second, first)
    return Official(
        *modules, second, (codebook, codebook_optimizer), (predictor, predictor_optimizer)
    )


def motion(sequences: int, frames: int, seed: int) -> Tensor:
    """Standardised motion that moves smoothly, (N, T, 56)."""
    steps = drawn(sequences, frames + 8, MOTION, seed=seed).cumsum(1)
    return (steps[:, 8:] - steps[:, :-8]) / 8**0.5


def descend(loss: Tensor, optimizer: Any, optimize: bool) -> Tensor:
    """The second half of a step of theirs."""
    optimizer.zero_grad()
    loss.backward()
    if optimize:
        optimizer.step_and_update_lr()
    loss.detach().item()
    return loss


def make_codebook(checkout: Path) -> Sides:
    """A step of stage 1."""
    theirs = make_official(checkout)
    network, optimizer = theirs.codebook
    ours = load_official_codebook(network.state_dict())
    ours.emotion.requires_grad_(False)  # official checkpoints have none
    parameters = [p for p in ours.parameters() if p.requires_grad]
    our_optimizer = torch.optim.AdamW(
        parameters, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=0.01, fused=True
    )
    network.train()
    ours.train()
    windows = motion(BATCH, WINDOW, seed=1)
    given = windows.numpy()
    width, numbers = ours.config.hidden, itertools.count()

    def official(optimize: bool = True) -> Tensor:
        target = torch.from_numpy(given).cuda()
        prediction, quantiser_loss = network(target, None)
        loss = theirs.gan_models.calc_vq_loss(prediction, target, quantiser_loss)
        return descend(loss, optimizer, optimize)

    def mine(optimize: bool = True) -> Tensor:
        our_optimizer.zero_grad(set_to_none=True)
        loss = codebook_losses(ours(windows), windows, ours).loss
        loss.backward()
        if optimize:
            set_rate(our_optimizer, scheduled_rate(ours.config, width, next(numbers), 1))
            our_optimizer.step()
        return loss

    def compare() -> float:
        difference = relative(mine(optimize=False), official(optimize=False))
        return max(difference, gradient_difference(network, ours))

    return Sides(official, mine, "loss and norm of the gradients of a step", compare)


def make_predictor(checkout: Path, *, fixed: bool = True) -> Sides:
    """A step of stage 2.

    Args:
        checkout: Of their code, which encodes the listener's past and future in each step.
        fixed: Sequences lie where they lie in every epoch, as theirs do; ours are then encoded
            before the first step.
    """
    theirs = make_official(checkout)
    codebook, (network, optimizer) = theirs.codebook[0], theirs.predictor
    codebook.requires_grad_(False).eval()
    our_codebook = load_official_codebook(codebook.state_dict()).requires_grad_(False)
    ours = load_official_predictor(network.state_dict())
    our_optimizer = torch.optim.Adam(
        ours.parameters(), lr=0.0, betas=BETAS, eps=EPSILON, fused=True
    )
    network.train()
    ours.train()
    speaker, listener = (motion(BATCH, 2 * WINDOW, seed=seed) for seed in (2, 3))
    sound = drawn(BATCH, 8 * WINDOW, SOUND, seed=4)
    arrays = [tensor.numpy() for tensor in (speaker, listener, sound)]
    most = theirs.config["fact_model"]["cross_modal_model"]["max_mask_len"]
    kind = theirs.config["loss_config"]["loss_type"]
    numbers = itertools.count()

    def official(optimize: bool = True) -> Tensor:
        inputs, future, _, _ = theirs.load_utils.create_data_vq(
            codebook, *arrays, WINDOW, data_type=kind, patch_size=PATCH
        )
        prediction = network(inputs, most, -1)
        cut = future.shape[1]
        loss = theirs.fact_model.calc_logit_loss(prediction[:, :cut, :], future[:, :cut])
        return descend(loss, optimizer, optimize)

    def encode() -> Tensor:
        windows = listener.unflatten(1, (2, -1)).flatten(0, 1)
        return our_codebook.indices(windows).unflatten(0, (-1, 2))  # (n, 2, 4)

    known = encode() if fixed else None

    def mine(number: int | None = None, optimize: bool = True) -> Tensor:
        number = next(numbers) if number is None else number
        our_optimizer.zero_grad(set_to_none=True)
        codes = encode() if known is None else known
        features = ours.speaker_features(speaker[:, : ours.frames], sound[:, : 4 * ours.frames])
        visible = official_visible(number)
        loss = predictor_loss(ours(features, codes[:, 0], visible, rows=4), codes[:, 1])
        loss.backward()
        if optimize:
            set_rate(our_optimizer, scheduled_rate(ours.config, ours.config.hidden, number, 1))
            our_optimizer.step()
        return loss

    def compare() -> float:
        difference = relative(mine(0, optimize=False), official(optimize=False))
        return max(difference, gradient_difference(network, ours))

    note = "loss and norm of the gradients of a step"
    if fixed:
        note += "; ours encodes the sequences once for all epochs, theirs in each step"
    return Sides(official, mine, note, compare)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def make_sampling(checkout: Path) -> Sides:
    """Ten reactions to one clip; the official script runs a clip once for each."""
    theirs = make_official(checkout)
    codebook, predictor = theirs.codebook[0].eval(), theirs.predictor[0].eval()
    settings = read_settings({"type": "tranvae", "variant": "official", "sound": "logmel"})
    our_codebook = load_official_codebook(codebook.state_dict()).eval()
    our_predictor = load_official_predictor(predictor.state_dict()).eval()
    speaker, listener = motion(1, FRAMES, seed=5), motion(1, FRAMES, seed=6).numpy()
    sound, generator = drawn(1, 4 * FRAMES, SOUND, seed=7), torch.Generator()
    options = SimpleNamespace(sample_idx=None)

    def official_once() -> Tensor:
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            found, *_ = theirs.sampler.run_model(
                options, theirs.config, codebook, predictor, speaker.numpy(), listener.copy(),
                sound.numpy(), WINDOW, PATCH,
            )  # fmt: skip
        return torch.from_numpy(found)[:, WINDOW:]

    def official() -> None:
        for _ in range(10):
            official_once()

    def mine(chance: bool = True) -> Tensor:
        config, reactions = settings.sampling, 10 if chance else 1
        features, windows = (
            speaker_steps(our_predictor, speaker, sound, config),
            Windows(our_codebook),
        )
        uniform = None
        if chance:
            shape = (reactions, features.shape[1])
            uniform = torch.rand(shape, generator=generator.manual_seed(0))
        codes = sample_codes(windows, our_predictor, features, config, uniform, reactions)
        return write(windows, codes)

    def compare() -> float:
        def likeliest(probabilities: Tensor, num_samples: int) -> Tensor:
            return probabilities.argmax(-1, keepdim=True)

        with replaced(torch, "multinomial", likeliest):
            expected = official_once()
        with torch.no_grad():
            return relative(mine(chance=False), expected)

    note = (
        "a reaction of the likeliest codes; the official script also encodes and decodes the real "
        "reaction, a seventh of its time"
    )
    return Sides(official, torch.no_grad()(mine), note, compare)


CASES = (
    Case("l2l_codebook", "Learning2Listen codebook, step of 32 x 32 frames", 1.2, make_codebook),
    Case("l2l_predictor", "Learning2Listen predictor, step of 32", 1.2, make_predictor),
    Case(
        "l2l_predictor_anew", "the same, sequences drawn anew", None,
        partial(make_predictor, fixed=False),
    ),
    Case(
        "l2l_sampling", f"Learning2Listen, 10 reactions to {FRAMES} frames", 5.0, make_sampling,
        False,
    ),
)  # fmt: skip
