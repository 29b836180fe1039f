"""REGNN, perceptual processor: what is seen and heard of the speaker, fused frame by frame.

The fusion is the crossmodal transformer of MulT (Tsai et al. 2019), one direction of it: vision
looks at sound. Numbers are those of the REGNN baseline of REACT 2024.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.models.regnn.dropout import dropout
from react24.models.regnn.settings import NetworkConfig

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, (B, heads, T, width / heads) each."""


def position_codes(frames: int, width: int) -> Tensor:
    """Sines, then cosines, of the positions 1 .. frames: (frames, width).

    Frequencies 10000^(-i / (width/2 - 1)), i = 0 .. width/2 - 1.
    """
    half = width // 2
    step = math.log(10000.0) / max(half - 1, 1)
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -step)
    angles = torch.arange(1, frames + 1, dtype=torch.float32).unsqueeze(1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class FusionLayer(nn.Module):
    """A pre-norm transformer layer; it attends to its input or to given keys and values."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.width
        self.heads, self.dropout = config.heads, config.dropout
        self.norm_attention = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)  # rows: queries, keys, values
        self.project_out = nn.Linear(width, width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.widen = nn.Linear(width, config.feedforward)
        self.narrow = nn.Linear(config.feedforward, width)
        for linear in (self.project, self.project_out, self.widen, self.narrow):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, memory: KeysValues | None = None) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        normed = self.norm_attention(x)
        if memory is None:
            queries, keys, values = map(self._split, self.project(normed).chunk(3, dim=-1))
        else:
            width = x.shape[-1]
            weight, bias = self.project.weight[:width], self.project.bias[:width]
            queries = self._split(functional.linear(normed, weight, bias))
            keys, values = memory
        found = functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self._drop(self.project_out(found.transpose(1, 2).flatten(2)))
        hidden = self._drop(functional.relu(self.widen(self.norm_feedforward(x))))
        return x + self._drop(self.narrow(hidden))

    def keys_values(self, keys: Tensor, values: Tensor) -> KeysValues:
        """What this layer sees of a memory.

        The layer's norm is applied to the memory too. Its gain and offset are moved into the
        projection, so that the memory is normalised once for all layers.

        Args:
            keys: (B, T, width), of mean 0 and variance 1 at each frame.
            values: (B, T, width), normalised in the same way.
        """
        width = keys.shape[-1]
        weight, bias = self.project.weight[width:], self.project.bias[width:]
        bias = bias + weight @ self.norm_attention.bias
        weight = weight * self.norm_attention.weight
        (key_weight, value_weight), (key_bias, value_bias) = weight.chunk(2), bias.chunk(2)
        return (
            self._split(functional.linear(keys, key_weight, key_bias)),
            self._split(functional.linear(values, value_weight, value_bias)),
        )

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, width / heads)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)


class FusionTransformer(nn.Module):
    """Scaled input plus position code, the layers, a last norm."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.scale = math.sqrt(config.width)
        self.dropout, self.zero_padding = config.dropout_embedding, config.zero_padding
        self.layers = nn.ModuleList(FusionLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        codes = position_codes(config.window, config.width)
        self.register_buffer("positions", codes, persistent=False)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """(B, T, width), and what to attend to, (B, T, width), if not x itself -> (B, T, width)."""
        x = self._drop(self._embed(x))
        if memory is None:
            for layer in self.layers:
                x = layer(x)
            return self.norm(x)
        embedded, width = self._embed(memory), memory.shape[-1:]
        # Keys and values are dropped apart, as officially.
        keys = functional.layer_norm(self._drop(embedded), width)
        values = functional.layer_norm(self._drop(embedded), width) if self._drops else keys
        for layer in self.layers:
            x = layer(x, layer.keys_values(keys, values))
        return self.norm(x)

    def _embed(self, x: Tensor) -> Tensor:
        codes = self.positions[: x.shape[1]]
        if self.zero_padding:
            codes = codes * (x[..., :1] != 0)  # (B, T, width)
        return torch.add(codes, x, alpha=self.scale)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)

    @property
    def _drops(self) -> bool:
        return self.training and self.dropout > 0


class PerceptualProcessor(nn.Module):
    """Fuses both streams of the speaker.

    ``project_sound`` is there for every sound stream, because official files hold it, and used
    where the stream is not as wide as the transformers.
    """

    def __init__(self, config: NetworkConfig, visual_width: int, sound_width: int):
        """Sizes, and the channels of both streams."""
        super().__init__()
        width = config.width
        self.project_visual = nn.Linear(visual_width, width, bias=False)
        self.project_sound = nn.Linear(sound_width, width, bias=False)
        self.projects_sound = sound_width != width
        self.project_sound.requires_grad_(self.projects_sound)
        self.visual_to_sound = FusionTransformer(config)
        self.memory = FusionTransformer(config)
        self.residual = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.to_fused = nn.Linear(width, config.fused)

    def forward(self, visual: Tensor, sound: Tensor) -> Tensor:
        """(B, T, visual width), (B, T, sound width) -> (B, T, fused)."""
        if self.projects_sound:
            sound = self.project_sound(sound)
        x = self.memory(self.visual_to_sound(self.project_visual(visual), sound))
        return self.to_fused(x + self.residual(x))
