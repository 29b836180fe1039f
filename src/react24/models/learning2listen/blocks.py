"""What both stages are made of: transformer blocks and convolutions over time.

The blocks are those of Learning2Listen: normalisation first, no dropout, none at the end, and
attention scores scaled by the width of the model, not of a head. All sequences are (N, T, C).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
"""Of the leaky ReLUs."""

KERNEL = 5
"""Frames that a convolution sees."""


class MLP(nn.Module):
    """The second half of a block: h + W2 gelu(W1 norm(h)), GELU by its tanh approximation."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)

    def forward(self, h: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        widened = functional.gelu(self.widen(self.norm(h)), approximate="tanh")
        return h + self.narrow(widened)


class SelfAttention(nn.Module):
    """The first half of a block: h + attention among the steps of norm(h)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, h: Tensor, mask: Tensor | None = None, rows: int | None = None) -> Tensor:
        """Attend among the steps: (N, T, C) -> (N, T or rows, C).

        Where ``mask``, bool broadcast to (N, heads, T or rows, T), is False, a step is not seen.
        With ``rows`` only the first so many steps are made; they still see all.
        """
        normed = self.norm(h)
        if rows is None:
            query, key, value = self.to_qkv(normed).chunk(3, dim=-1)
        else:
            width, weight = h.shape[-1], self.to_qkv.weight
            query = functional.linear(normed[:, :rows], weight[:width])
            key, value = functional.linear(normed, weight[width:]).chunk(2, dim=-1)
        found = attend(query, key, value, self.heads, mask)
        return h[:, :rows] + self.to_out(found)


class CrossAttention(nn.Module):
    """The first half of a cross-modal block: h + attention of another stream to norm(h).

    Queries are ``to_q`` of the other stream as it is; keys and values come from h.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, query: Tensor, h: Tensor) -> Tensor:
        """Queries (N, T, C) and (N, T, C) -> (N, T, C)."""
        key, value = self.to_kv(self.norm(h)).chunk(2, dim=-1)
        return h + self.to_out(attend(query, key, value, self.heads))


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None
) -> Tensor:
    """Attention of ``heads`` heads, scores times (model width)^-0.5.

    Queries (N, R, C), keys and values (N, T, C) -> (N, R, C). Where ``mask``, bool broadcast to
    (N, heads, R, T), is False, a step is not seen.
    """
    scale = query.shape[-1] ** -0.5
    by_head = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, key, value))
    found = functional.scaled_dot_product_attention(*by_head, attn_mask=mask, scale=scale)
    return found.transpose(1, 2).flatten(-2)  # (N, R, C)


class TransformerBlock(nn.Module):
    """A block: attention among the steps, then the MLP."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.mlp = MLP(width, hidden)

    def forward(self, h: Tensor, mask: Tensor | None = None, rows: int | None = None) -> Tensor:
        """See ``SelfAttention``."""
        return self.mlp(self.attention(h, mask, rows))


class CrossModalBlock(nn.Module):
    """A cross-modal block: attention of the other stream, then the MLP."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.attention = CrossAttention(width, heads)
        self.mlp = MLP(width, hidden)

    def forward(self, query: Tensor, h: Tensor) -> Tensor:
        """Queries (N, T, C) and (N, T, C) -> (N, T, C)."""
        return self.mlp(self.attention(query, h))


class ConvBlock(nn.Module):
    """Convolution over five frames, leaky ReLU, batch normalisation.

    Borders repeat the first and last frame.
    """

    def __init__(self, channels: int, width: int, *, stride: int = 1, pool: bool = False):
        """Make the layers; with ``pool`` the maxima of two frames each follow."""
        super().__init__()
        self.pool = pool
        self.conv = nn.Conv1d(
            channels, width, KERNEL, stride=stride, padding=KERNEL // 2, padding_mode="replicate"
        )
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) -> (N, width, T / stride), or half of that with ``pool``."""
        x = self.norm(functional.leaky_relu(self.conv(x), SLOPE))
        if self.pool:
            x = torch.maximum(x[..., 0::2], x[..., 1::2])
        return x


class Squeeze(nn.Module):
    """Halves the frames of a sequence several times, first by a stride, then by maxima."""

    def __init__(self, channels: int, width: int, times: int):
        super().__init__()
        first = ConvBlock(channels, width, stride=2)
        self.blocks = nn.Sequential(
            first, *(ConvBlock(width, width, pool=True) for _ in range(times - 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T / 2**times, width)."""
        return self.blocks(x.transpose(1, 2)).transpose(1, 2)


class Expand(nn.Module):
    """Doubles the steps of a sequence several times, first by a transposed convolution.

    The borders of that one are zeros: the official code asks for repeated frames there, which
    PyTorch does not offer, and its authors have the check removed. The other doublings repeat each
    step; a linear layer follows the last one.
    """

    def __init__(self, width: int, times: int):
        super().__init__()
        self.up = nn.ConvTranspose1d(
            width, width, KERNEL, stride=2, padding=KERNEL // 2, output_padding=1
        )
        self.norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(ConvBlock(width, width) for _ in range(times - 1))
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T * 2**times, C)."""
        x = self.norm(functional.leaky_relu(self.up(x.transpose(1, 2)), SLOPE))
        for i, block in enumerate(self.blocks):
            x = block(x if i == 0 else x.repeat_interleave(2, dim=-1))
        # Linear before repeating: the same numbers at half the work.
        x = self.linear(x.transpose(1, 2))
        return x.repeat_interleave(2, dim=1) if self.blocks else x


@torch.no_grad()
def init_small(module: nn.Module, std: float = 0.02) -> None:
    """Normal weights of linear layers and embeddings, zero biases; for ``Module.apply``."""
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(0.0, std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
