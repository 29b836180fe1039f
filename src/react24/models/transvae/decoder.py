"""The transformer parts of Trans-VAE: a latent read off the speaker, a reaction written from it.

The layers are PyTorch's post-norm transformer layers with the same parameters; only what is used
of their output is computed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.models.transvae.settings import LONGEST, TransVAEConfig


def position_codes(frames: int, width: int) -> Tensor:
    """Sines (even columns) and cosines (odd ones) of the frame number, (frames, width).

    Source: Vaswani et al. 2017, section 3.5, base 10000.
    """
    frame = torch.arange(frames, dtype=torch.float32).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    codes = torch.zeros(frames, width)
    codes[:, 0::2] = torch.sin(frame * rate)
    codes[:, 1::2] = torch.cos(frame * rate)
    return codes


def attend(
    attention: nn.MultiheadAttention, queries: Tensor, memory: Tensor, *, causal: bool = False
) -> Tensor:
    """Attention of queries (B or 1, Q, D) to memory (B, K, D): (B, Q, D).

    Args:
        attention: Holds the weights.
        queries: Those of a causal attention are the last Q of the memory.
        memory: Where it is a single token, all weights are 1 and only its value counts.
        causal: A query does not see what comes after it.
    """
    heads, width = attention.num_heads, attention.embed_dim
    dropout = attention.dropout if attention.training else 0.0
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    if memory.shape[1] == 1:
        value = functional.linear(memory, weight[2 * width :], bias[2 * width :])  # (B, 1, D)
        if dropout:
            # A weight of 1 per clip, query and head, dropped like any other.
            kept = value.new_ones(len(memory), queries.shape[1], heads, 1)
            kept = functional.dropout(kept, dropout)
            value = (value.unflatten(-1, (heads, -1)) * kept).flatten(-2)  # (B, Q, D)
        return attention.out_proj(value)

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (B, heads, n, D / heads)

    query = split(functional.linear(queries, weight[:width], bias[:width]))
    both = functional.linear(memory, weight[width:], bias[width:])
    key, value = map(split, both.chunk(2, dim=-1))
    seen, before = None, memory.shape[1] - queries.shape[1]
    if causal and before:
        seen = torch.ones(queries.shape[1], memory.shape[1], dtype=torch.bool, device=query.device)
        seen = seen.tril(before)
    found = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, dropout_p=dropout, is_causal=causal and not before
    )
    return attention.out_proj(found.transpose(1, 2).flatten(-2))


class _Layer(nn.Module):
    """What both kinds of transformer layers share."""

    def __init__(self, config: TransVAEConfig):
        super().__init__()
        self.self_attention = self._attention(config)
        self.linear1 = nn.Linear(config.width, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, config.width)
        self.norm1 = nn.LayerNorm(config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    @staticmethod
    def _attention(config: TransVAEConfig) -> nn.MultiheadAttention:
        return nn.MultiheadAttention(
            config.width, config.heads, dropout=config.dropout, batch_first=True
        )

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(functional.relu(self.linear1(x)))
        return self.dropout(self.linear2(hidden))


class EncoderLayer(_Layer):
    """A post-norm transformer encoder layer."""

    def forward(self, tokens: Tensor, first: int) -> Tensor:
        """The layer's output for the ``first`` tokens of (B, n, D) alone."""
        x = tokens[:, :first]
        x = self.norm1(x + self.dropout(attend(self.self_attention, x, tokens)))
        return self.norm2(x + self._feed_forward(x))


class DecoderLayer(_Layer):
    """A post-norm transformer decoder layer with causal self-attention."""

    def __init__(self, config: TransVAEConfig):
        super().__init__(config)
        self.cross_attention = self._attention(config)
        self.norm3 = nn.LayerNorm(config.width)

    def forward(self, tokens: Tensor, memory: Tensor, last: int | None = None) -> Tensor:
        """The layer's output for the ``last`` tokens of (B, n, D); None for all.

        The attention to ``memory`` (B, m, D) has no mask, as in the official code.
        """
        x = tokens if last is None else tokens[:, -last:]
        x = self.norm1(x + self.dropout(attend(self.self_attention, x, tokens, causal=True)))
        x = self.norm2(x + self.dropout(attend(self.cross_attention, x, memory)))
        return self.norm3(x + self._feed_forward(x))


class LatentEncoder(nn.Module):
    """A Gaussian of the latent, from features of the speaker.

    Two learned tokens stand before the features of the frames; what one layer makes of them are
    mean and logarithm of the variance.
    """

    def __init__(self, config: TransVAEConfig):
        super().__init__()
        self.mean_token = nn.Parameter(torch.randn(config.width))
        self.log_variance_token = nn.Parameter(torch.randn(config.width))
        self.linear = nn.Linear(config.width, config.width)
        self.layer = EncoderLayer(config)
        self.with_positions = config.speaker_positions
        codes = position_codes(LONGEST, config.width)
        self.register_buffer("positions", codes, persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (B, 128) each, from features (B, n, 128)."""
        frames = self.linear(features)
        if self.with_positions:
            frames = frames + self.positions[: frames.shape[1]]
        learned = torch.stack([self.mean_token, self.log_variance_token])
        tokens = torch.cat([learned.expand(len(frames), -1, -1), frames], dim=1)
        mean, log_variance = self.layer(tokens, first=2).unbind(1)
        return mean, log_variance


class MotionWriter(nn.Module):
    """Writes features of a reaction from a latent: two decoder layers over position codes."""

    def __init__(self, config: TransVAEConfig):
        super().__init__()
        self.layer1 = DecoderLayer(config)
        self.layer2 = DecoderLayer(config)
        # The official code makes one layer and copies it.
        self.layer2.load_state_dict(self.layer1.state_dict())
        self.dropout = nn.Dropout(config.dropout)
        codes = position_codes(LONGEST, config.width)
        self.register_buffer("positions", codes, persistent=False)

    def forward(self, latent: Tensor, frames: int) -> Tensor:
        """Latents (B, 128) -> features (B, frames, 128)."""
        queries = self.positions[:frames].unsqueeze(0)
        if self.training:  # else the queries are the same for all clips, and so is all before
            queries = self.dropout(queries.expand(len(latent), -1, -1))  # the latent comes in
        x = self.layer1(queries, latent.unsqueeze(1))
        return self.layer2(x, x)
