"""BeLFusion, stage 1: a recurrent VAE of 50-frame windows of facial behaviour, with a 3DMM head.

Architecture, loss and default sizes are those of the BeLFusion baseline of REACT 2024; its
checkpoints load through ``load_official_vae``. ``docs/models/belfusion.md`` tells what differs
between the variants.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from react24.devices import send
from react24.errors import InputError
from react24.models.belfusion.recurrence import read_window, write_window
from react24.models.belfusion.settings import VAEConfig
from react24.training import validity
from react24.weights import names as official_keys

SMALLEST_RANGE = 1e-8
"""A code dimension that never moves would divide by zero; this keeps it at -1."""

SMALLEST_STD = 1e-6
"""Below this a 3DMM coefficient counts as constant and is not scaled."""


@dataclass(frozen=True)
class VAEOutput:
    """What the VAE makes of a batch of behaviour.

    Attributes:
        emotion: (B, T, 25) reconstruction, native units.
        coefficients: (B, T, 58), standardised units of the module's ``coefficient_mean/std``.
        mean: (B * T/50, 128) posterior means.
        log_variance: (B * T/50, 128).
    """

    emotion: Tensor
    coefficients: Tensor
    mean: Tensor
    log_variance: Tensor


@dataclass(frozen=True)
class VAELosses:
    """Loss of stage 1: ``loss`` is the weighted sum of the three terms."""

    loss: Tensor
    emotion: Tensor
    kld: Tensor
    coefficients: Tensor


def cut_windows(sequence: Tensor, window: int) -> Tensor:
    """Cut (..., T, D) into consecutive windows: (..., T/window, window, D).

    Raises:
        InputError: T is not a positive multiple of ``window``.
    """
    frames = sequence.shape[-2]
    if frames == 0 or frames % window:
        raise InputError(
            f"a sequence of {frames} frames cannot be cut into windows of {window}: the length "
            f"must be a positive multiple of {window} (a clip has 750)"
        )
    return sequence.unflatten(-2, (frames // window, window))


class BehaviourVAE(nn.Module):
    """The recurrent VAE.

    A GRU reads a window (window, 25) to its last state; two linear layers give the posterior. A
    second GRU writes the window from a code, fed with its own last output; a small network reads
    3DMM coefficients off the written behaviour, frame by frame.

    The buffers ``code_minimum`` ... ``code_std`` hold the statistics of the codes over the
    training split, ``coefficient_mean`` and ``coefficient_std`` the units of the 3DMM head; all
    travel with the weights.
    """

    def __init__(self, config: VAEConfig):
        super().__init__()
        self.config = config
        hidden, sizes = config.hidden, (config.hidden, *config.read_out)
        self.encoder = nn.GRU(config.emotion_dim, hidden, batch_first=True)
        self.to_mean = nn.Linear(hidden, config.latent)
        self.to_log_variance = nn.Linear(hidden, config.latent)
        self.from_code = nn.Linear(config.latent, hidden)
        self.decoder = nn.GRUCell(hidden + config.emotion_dim, hidden)
        self.read_out = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.to_emotion = nn.Linear(sizes[-1], config.emotion_dim)
        self.to_coefficients = nn.Sequential(
            nn.Linear(config.emotion_dim, config.coefficient_hidden),
            nn.Tanh(),
            nn.Linear(config.coefficient_hidden, config.coefficient_dim),
        )
        code = hidden if config.code == "state" else config.latent
        for name, value in (("minimum", -1.0), ("maximum", 1.0), ("mean", 0.0), ("std", 1.0)):
            self.register_buffer(f"code_{name}", torch.full((code,), value))
        self.register_buffer("coefficient_mean", torch.zeros(config.coefficient_dim))
        self.register_buffer("coefficient_std", torch.ones(config.coefficient_dim))

    def forward(
        self,
        emotion: Tensor,
        *,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> VAEOutput:
        """Encode, draw a code (in training mode; else its mean) and decode.

        Args:
            emotion: (B, T, 25) native units, T a multiple of the window.
            noise: (B * T/50, 128) standard normal, to be used instead of a draw.
            generator: CPU generator of the draw, so that a seed means the same on every device.

        Raises:
            InputError: T is not a multiple of the window.
        """
        windows = cut_windows(emotion, self.config.window).flatten(0, 1)  # (B*T/50, 50, D)
        state = read_window(self.encoder, windows)
        mean, log_variance = self.to_mean(state), self.to_log_variance(state)
        code = mean
        if self.training:
            if noise is None:
                noise = torch.randn(mean.shape, generator=generator)
            code = mean + torch.exp(0.5 * log_variance) * send(noise, mean)
        written = self.decode(code).reshape(emotion.shape)  # (B, T, D)
        return VAEOutput(written, self.standard_coefficients(written), mean, log_variance)

    def encode(self, windows: Tensor) -> Tensor:
        """Code of each window, as ``config.code`` has it: (..., 50, 25) -> (..., 128)."""
        if windows.shape[-2:] != (self.config.window, self.config.emotion_dim):
            raise InputError(
                f"expected windows of {self.config.window} frames and {self.config.emotion_dim} "
                f"channels, found {tuple(windows.shape)}"
            )
        flat = windows.reshape(-1, *windows.shape[-2:])  # (N, 50, D)
        code = read_window(self.encoder, flat)
        if self.config.code != "state":
            code = self.to_mean(code)
        return code.reshape(*windows.shape[:-2], -1)

    def decode(self, code: Tensor) -> Tensor:
        """Write a window from each code: (N, 128) -> (N, 50, 25), native units.

        The recurrence is the official one, without teacher forcing.
        """
        return write_window(self.decoder, self.from_code(code), self._frame, self.config.window)

    def _frame(self, state: Tensor) -> Tensor:
        for layer in self.read_out:
            state = torch.tanh(layer(state))
        return self.to_emotion(state)

    def standard_coefficients(self, emotion: Tensor) -> Tensor:
        """3DMM coefficients in standardised units: (..., 25) -> (..., 58)."""
        return self.to_coefficients(emotion)

    def coefficients(self, emotion: Tensor) -> Tensor:
        """3DMM coefficients in native units: (..., 25) -> (..., 58)."""
        return self.standard_coefficients(emotion) * self.coefficient_std + self.coefficient_mean

    def to_unit(self, code: Tensor) -> Tensor:
        """Scale codes so that the range seen in training is [-1, 1]."""
        span = (self.code_maximum - self.code_minimum).clamp_min(SMALLEST_RANGE)
        return 2 * (code - self.code_minimum) / span - 1

    def from_unit(self, code: Tensor) -> Tensor:
        """Undo ``to_unit``."""
        span = (self.code_maximum - self.code_minimum).clamp_min(SMALLEST_RANGE)
        return (code + 1) / 2 * span + self.code_minimum

    @torch.no_grad()
    def set_coefficient_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Units of the 3DMM head: (58,) mean and std of the training split, native units.

        With ``coefficient_target: zero`` the head is trained to output 0, the mean face, and
        official outputs are not scaled, so std stays 1 there. A coefficient that does not move
        is not scaled either.
        """
        self.coefficient_mean.copy_(mean)
        if self.config.coefficient_target != "zero":
            self.coefficient_std.copy_(torch.where(std < SMALLEST_STD, torch.ones_like(std), std))

    @torch.no_grad()
    def fit_code_statistics(self, batches: Iterable[Tensor]) -> None:
        """Set the code statistics from behaviour of the training split, (B, T, 25) on our device.

        Raises:
            InputError: Fewer than two windows in all.
        """
        windows = (cut_windows(batch, self.config.window) for batch in batches)
        codes = [self.encode(batch).flatten(0, -2).double() for batch in windows]
        every = torch.cat(codes) if codes else torch.empty(0, self.config.latent)
        if len(every) < 2:
            raise InputError("statistics of the codes need at least two windows of behaviour")
        self.code_minimum.copy_(every.amin(0))
        self.code_maximum.copy_(every.amax(0))
        self.code_mean.copy_(every.mean(0))
        self.code_std.copy_(every.std(0))


@dataclass(frozen=True)
class VAEMask:
    """What of a batch is held against its targets.

    Attributes:
        emotion: bool (B, T); None for all.
        coefficients: bool (B, T); None for all.
        windows: bool (B, T/50), which windows count at all; None for all.
    """

    emotion: Tensor | None = None
    coefficients: Tensor | None = None
    windows: Tensor | None = None

    @classmethod
    def of(cls, emotion: Tensor | None, coefficients: Tensor | None, window: int) -> VAEMask:
        """From where the two targets are valid, bool (B, T) each; None for everywhere."""
        if emotion is None:
            return cls(None, coefficients, None)
        emotion, kept = validity.within_usable(emotion, window)
        frames = kept.repeat_interleave(window, -1)
        return cls(emotion, validity.both(frames, coefficients), kept)


def vae_losses(
    output: VAEOutput,
    emotion: Tensor,
    coefficients: Tensor | None,
    config: VAEConfig,
    mask: VAEMask | None = None,
) -> VAELosses:
    """Loss of stage 1.

    ``weight_emotion * MSE(emotion) + weight_kld * KLD + weight_coefficients * MSE(3DMM)`` with
    KLD = -1/2 * sum over all windows and dimensions of (1 + log v - m^2 - v), divided by the
    number of clips (not of windows), as in the official code.

    Args:
        output: Of the VAE.
        emotion: (B, T, 25) target, native units.
        coefficients: (B, T, 58) target in standardised units; None for zeros, which is what the
            official run compared with.
        config: The weights.
        mask: What counts; None for all. Means are then over what counts, and KLD is the mean over
            the windows that count times the windows of a clip.
    """
    mask = mask or VAEMask()
    mean, log_variance = output.mean, output.log_variance
    emotion_loss = validity.squared_error(output.emotion, emotion, mask.emotion)
    surprise = 1 + log_variance - mean.square() - log_variance.exp()  # (B * T/50, 128)
    if mask.windows is None:
        kld = -0.5 * surprise.sum() / len(emotion)
    else:
        per_window = validity.mean_item(surprise.sum(-1), mask.windows.flatten())
        kld = -0.5 * per_window * mask.windows.shape[1]
    if coefficients is None:
        coefficient_loss = validity.mean_error(output.coefficients.square(), mask.coefficients)
    else:
        coefficient_loss = validity.squared_error(
            output.coefficients, coefficients, mask.coefficients
        )
    loss = (
        config.weight_emotion * emotion_loss
        + config.weight_kld * kld
        + config.weight_coefficients * coefficient_loss
    )
    return VAELosses(loss, emotion_loss, kld, coefficient_loss)


def _official_names() -> dict[str, str]:
    names = {
        f"{theirs}.rnn_f.{part}": f"{ours}.{part}{suffix}"
        for theirs, ours, suffix in (("x_rnn", "encoder", "_l0"), ("d_rnn", "decoder", ""))
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    layers = {
        "fc_mu_enc": "to_mean",
        "fc_logvar_enc": "to_log_variance",
        "fc_z_dec": "from_code",
        "d_mlp.affine_layers.0": "read_out.0",
        "d_mlp.affine_layers.1": "read_out.1",
        "d_out": "to_emotion",
        "coeff_reg.0": "to_coefficients.0",
        "coeff_reg.2": "to_coefficients.2",
    }
    return names | official_keys.of_layers(layers)


OFFICIAL_VAE = _official_names()
"""Official key -> our name, 24 tensors."""

_STATISTICS = {
    "min": "code_minimum",
    "max": "code_maximum",
    "mean": "code_mean",
    "std": "code_std",
}


def load_official_vae(
    state: Mapping[str, Tensor],
    statistics: Mapping[str, Tensor] | None = None,
    config: VAEConfig | None = None,
    *,
    coefficient_mean: Tensor | None = None,
) -> BehaviourVAE:
    """A VAE with the weights of an official checkpoint, in eval mode.

    Args:
        state: The checkpoint's ``state_dict``, with or without ``module.`` before its keys.
        statistics: The checkpoint's ``statistics`` (of the encoder state): min, max, mean, std,
            each (128,). Needed for stage 2; without them the codes are not scaled.
        config: Sizes; the official ones where left out. Its ``code`` must be ``state``, because
            official statistics and stage 2 are of the encoder state.
        coefficient_mean: (58,) mean face that the official 3DMM targets were relative to.

    Raises:
        InputError: Tensors or statistics are missing, unexpected or of another shape.
    """
    config = (config or VAEConfig()).replace(coefficient_target="zero")
    if config.code not in (None, "state"):
        raise InputError(f"official checkpoints work on code: state, found code: {config.code}")
    vae = BehaviourVAE(config.replace(code="state"))
    official_keys.load(vae, state, OFFICIAL_VAE, what="stage 1 of BeLFusion (its VAE)")
    if statistics is not None:
        wanted = {k: v for k, v in statistics.items() if k != "var"}  # std says the same
        tensors = {k: torch.as_tensor(v) for k, v in wanted.items()}
        what = "BeLFusion's code statistics (the checkpoint's entry 'statistics')"
        official_keys.load(vae, tensors, _STATISTICS, what=what)
    if coefficient_mean is not None:
        vae.coefficient_mean.copy_(torch.as_tensor(coefficient_mean).reshape(-1))
    return vae.eval()
