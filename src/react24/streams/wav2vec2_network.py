"""wav2vec2-base for inference: building it, its weights, and a frugal convolutional front.

Reference: Baevski et al., "wav2vec 2.0", NeurIPS 2020, in the form of transformers'
``Wav2Vec2Model``. The first layer's GroupNorm takes its statistics over the whole piece of sound,
so the plain front keeps two maps of 512 channels x 16 kHz / 5 (0.2 GB each for 30 s). That layer
is a convolution without bias, so mean and variance of its output follow from the mean and the
10x10 covariance of its input; with them the norm becomes a scale and a shift of the convolution,
and the seven layers run piece by piece with the same result.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize
from transformers import Wav2Vec2Config, Wav2Vec2Model

from react24.devices import load_torch
from react24.errors import InputError
from react24.weights import fetch
from react24.weights.random import RandomWeights

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
HOP = math.prod(STRIDES)
FIELD = 400
PIECE = 150
"""Frames (of 20 ms) per piece of the convolutional front: 3 s, 20 MB for the largest map."""

UNUSED = ("masked_spec_embed", "quantizer.", "project_q.", "project_hid.", "lm_head.")
"""Keys of pre-training and recognition checkpoints that hidden states do not depend on."""


class ConvolutionalFront(nn.Module):
    """Waveforms (B, n) to features (B, frames, 512), frames = (n - 400) // 320 + 1.

    Args:
        layers: The ``conv_layers`` of the model's feature extractor.
        piece: Frames computed at a time.
    """

    def __init__(self, layers: nn.ModuleList, piece: int = PIECE):
        super().__init__()
        self.layers = layers
        self.piece = piece

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Run all layers; GroupNorm's statistics are those of each whole waveform."""
        count = (waves.shape[1] - FIELD) // HOP + 1
        return torch.stack([self._run(wave, count) for wave in waves])

    def _run(self, wave: torch.Tensor, count: int) -> torch.Tensor:
        weight, bias = self._fold_norm(wave)
        pieces = []
        for first in range(0, count, self.piece):
            last = min(first + self.piece, count)
            maps = wave[None, None, HOP * first : HOP * (last - 1) + FIELD]
            maps = functional.gelu(functional.conv1d(maps, weight, bias, stride=STRIDES[0]))
            for layer, stride in zip(self.layers[1:], STRIDES[1:], strict=True):
                maps = functional.gelu(functional.conv1d(maps, layer.conv.weight, stride=stride))
            pieces.append(maps[0].T)  # (frames, 512)
        return torch.cat(pieces)

    def _fold_norm(self, wave: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """First convolution and GroupNorm as one convolution with bias, for this waveform."""
        weight, norm = self.layers[0].conv.weight.double(), self.layers[0].layer_norm
        patches = wave.double().unfold(0, KERNELS[0], STRIDES[0])  # (positions, 10)
        centre = patches.mean(dim=0)
        covariance = patches.T @ patches / len(patches) - centre[:, None] * centre
        filters = weight[:, 0]  # (512, 10)
        variance = ((filters @ covariance) * filters).sum(dim=1).clamp_min(0.0)
        scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
        shift = norm.bias.double() - scale * (filters @ centre)
        return (weight * scale[:, None, None]).float(), shift.float()


class Wav2Vec2Network(nn.Module):
    """Waveforms (B, n), normalised, to hidden states (B, frames, hidden)."""

    def __init__(self, model: Wav2Vec2Model):
        super().__init__()
        self.front = ConvolutionalFront(model.feature_extractor.conv_layers)
        self.projection = model.feature_projection
        self.encoder = model.encoder

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Hidden states of the last layer that was kept."""
        hidden, _ = self.projection(self.front(waves))
        return self.encoder(hidden).last_hidden_state


def load_wav2vec2(
    weights: str, seed: int, layers: int | None, folder: Path
) -> tuple[Wav2Vec2Network, Wav2Vec2Config, str, bool]:
    """Network, its configuration, name and digest of the weights, pretrained or not.

    Args:
        weights: ``random``, a registry name, a folder (config.json and weights) or a weights file
            of wav2vec2-base.
        seed: For random weights.
        layers: Transformer layers that are kept (1 to 12); None for all.
        folder: Where published weights are kept.

    Raises:
        InputError: Weights that cannot be had, or that are not of this kind of model.
    """
    resolved = fetch.resolve(weights, folder)
    config = _read_config(resolved.path)
    if layers is not None and not 1 <= layers <= config.num_hidden_layers:
        raise InputError(
            f"wav2vec2 layer {layers}; accepted: last, or 1 to {config.num_hidden_layers}"
        )
    with torch.device("meta"):  # no time and memory for values that are replaced anyway
        model = Wav2Vec2Model(config)
    if resolved.path is None:
        state, text = draw_random_state(model, seed)
    else:
        file = fetch.find_weights_file(resolved.path)
        state, text = map_keys(_read_state(file), model, file), resolved.describe()
    model.load_state_dict(state, assign=True)
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    model.encoder.layers = model.encoder.layers[:layers]
    network = Wav2Vec2Network(model).requires_grad_(False).eval()
    return network, config, text, resolved.pretrained


def _read_config(path: Path | None) -> Wav2Vec2Config:
    settings: dict = {}
    if path is not None and path.is_dir():
        file = path / "config.json"
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{file}: cannot be read ({error}); it comes with the model"
            ) from error
    config = Wav2Vec2Config.from_dict(settings)
    found = (tuple(config.conv_kernel), tuple(config.conv_stride), config.feat_extract_norm)
    wanted = (KERNELS, STRIDES, "group")
    if found != wanted or config.do_stable_layer_norm or config.conv_bias:
        raise InputError(
            f"{path}: only models built like wav2vec2-base can be used (kernels, strides and norm "
            f"{wanted}, norm after each layer, convolutions without bias); found {found}, "
            f"do_stable_layer_norm {config.do_stable_layer_norm}, conv_bias {config.conv_bias}"
        )
    config._attn_implementation = "sdpa"  # scores are not stored: memory linear in length
    return config


def _read_state(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix != ".safetensors":
        return load_torch(file)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from error


def map_keys(
    state: dict[str, torch.Tensor], model: Wav2Vec2Model, file: Path
) -> dict[str, torch.Tensor]:
    """Bring a checkpoint's keys to those of ``Wav2Vec2Model``.

    Strips the ``wav2vec2.`` prefix of pre-training and recognition checkpoints, leaves out what
    hidden states do not depend on, and renames the weight norm of older files (``weight_g``,
    ``weight_v``).

    Raises:
        InputError: Tensors missing, unknown or of another shape (names the first).
    """
    norm = "pos_conv_embed.conv."
    renamed = {}
    for key, value in state.items():
        key = key.removeprefix("wav2vec2.")
        key = key.replace(f"{norm}weight_g", f"{norm}parametrizations.weight.original0")
        key = key.replace(f"{norm}weight_v", f"{norm}parametrizations.weight.original1")
        if not key.startswith(UNUSED):
            renamed[key] = value.to(torch.float32)
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    mask = wanted.pop("masked_spec_embed", None)
    found = {key: tuple(value.shape) for key, value in renamed.items()}
    differing = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
    if differing:
        key = differing[0]
        raise InputError(
            f"{file}: not the weights of this model: {len(differing)} tensors differ, e.g. {key}: "
            f"expected {wanted.get(key, 'no such key')}, found {found.get(key, 'none')}"
        )
    if mask is not None:  # used in training only
        renamed["masked_spec_embed"] = torch.zeros(mask)
    return renamed


def draw_random_state(model: Wav2Vec2Model, seed: int) -> tuple[dict[str, torch.Tensor], str]:
    """Weights for runs without the published ones, and their name and digest.

    Convolutions of the front by He's scale, all other weights N(0, 0.02²) (the model's own
    ``initializer_range``), norms 1, biases 0. At that scale the residual path stays visible
    behind twelve layers, so that rows differ with the sound.
    """
    draw = RandomWeights("wav2vec2", seed)
    config, std = model.config, model.config.initializer_range
    state = {}
    for key, value in model.state_dict().items():
        shape = tuple(value.shape)
        if key.endswith("weight.original0"):  # norms of the positional filters' slices
            slice_size = config.hidden_size**2 // config.num_conv_pos_embedding_groups
            state[key] = draw.constant(key, shape, std * math.sqrt(slice_size))
        elif len(shape) == 1:
            state[key] = draw.constant(key, shape, float("norm.weight" in key))
        elif "conv_layers" in key:
            state[key] = draw.he(key, shape)
        else:
            state[key] = draw.normal(key, shape, std)
    return state, draw.describe()
