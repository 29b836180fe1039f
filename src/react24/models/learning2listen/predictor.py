"""Stage 2: a classifier of the listener's next codes from the speaker and the past codes.

Architecture and loss are those of Learning2Listen (Ng et al., CVPR 2022); its checkpoints load
through ``official``. The speaker's side is computed apart from the listener's
(``speaker_features``): it does not depend on the codes, so sampling computes it once for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.models.learning2listen.blocks import (
    CrossModalBlock,
    Squeeze,
    TransformerBlock,
    init_small,
)
from react24.models.learning2listen.motion import Standardiser
from react24.models.learning2listen.settings import CodebookConfig, PredictorConfig
from react24.training.validity import mean_item

MASK_SEED = 23456
"""Seed of the official predictor's own generator of masks."""

UNMASKED_SHARE = 4
"""Draws beyond the number of codes, as multiples of it, that all hide nothing."""


@dataclass(frozen=True)
class Nucleus:
    """Probabilities (N, codes) of the next code, and how many codes are left, int64 (N,)."""

    probabilities: Tensor
    kept: Tensor


class CodePredictor(nn.Module):
    """The predictor. Motion and sound are in the standardised units of its two ``..._units``.

    A step sees 40 frames of the speaker (32 before the next token and the 8 of it), the sound of
    the same frames, and the listener's last 4 codes, of which ``visible`` may be fewer.
    """

    def __init__(
        self,
        config: PredictorConfig,
        codebook: CodebookConfig,
        *,
        sound_dim: int = 128,
        sound_rate: int = 4,
    ):
        super().__init__()
        self.config, self.codebook = config, codebook
        self.sound_dim, self.sound_rate = sound_dim, sound_rate
        self.tokens = codebook.tokens_per_window
        self.frames = codebook.window + codebook.patch
        width, wide = config.hidden, 2 * config.hidden
        sizes = (config.heads, config.mlp)

        self.past_blocks = nn.ModuleList(
            TransformerBlock(width, *sizes) for _ in range(config.past_layers or 0)
        )
        self.past_position = nn.Parameter(torch.zeros(self.tokens, width))
        self.past_codes = nn.Embedding(codebook.codes, width)

        self.from_sound = nn.Linear(sound_dim, wide)
        self.from_motion = nn.Linear(codebook.channels, wide)
        self.sound_position = nn.Parameter(torch.zeros(self.frames, wide))
        self.motion_position = nn.Parameter(torch.zeros(self.frames, wide))
        self.cross_blocks = nn.ModuleList(
            CrossModalBlock(wide, *sizes) for _ in range(config.cross_layers)
        )
        self.squeeze = Squeeze(wide, wide, codebook.squeeze)
        self.to_speaker = nn.Linear(wide, width)

        self.position = nn.Parameter(torch.zeros(2 * self.tokens + 1, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, *sizes) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, codebook.codes, bias=False)

        self.speaker_units = Standardiser(codebook.channels)
        self.sound_units = Standardiser(sound_dim)
        self.apply(init_small)
        self.past_blocks.requires_grad_(False)

    def speaker_features(self, motion: Tensor, sound: Tensor) -> Tensor:
        """What the speaker contributes to a step, (N, 5, 200).

        Of motion (N, 40, D) and sound (N, 40 * rate, A), whose maximum over the rows of a frame is
        taken.
        """
        rows = sound.unflatten(1, (self.frames, self.sound_rate)).amax(2)  # (N, 40, A)
        h = self.from_motion(motion) + self.motion_position
        for block in self.cross_blocks:
            h = block(self.queries(rows, block), h)
        return self.to_speaker(self.squeeze(h))

    def queries(self, rows: Tensor, block: CrossModalBlock) -> Tensor:
        """Queries of a cross-modal block: ``to_q(from_sound(rows) + sound_position)``.

        The two products are taken together first, which is less work for narrow sound.
        """
        weight = block.attention.to_q.weight
        fixed = functional.linear(self.from_sound.bias + self.sound_position, weight)  # (40, 400)
        return functional.linear(rows, weight @ self.from_sound.weight) + fixed

    def past_features(self, codes: Tensor, visible: Tensor | int | None) -> Tensor:
        """What the listener's past contributes: int64 (N, 4) -> (N, 4, 200); see ``forward``."""
        h = self.past_codes(codes)
        if visible is None:
            h = h + self.past_position
            for block in self.past_blocks:
                h = block(h)
            return h
        if isinstance(visible, Tensor) or visible < self.tokens:
            h = h * self._seen(visible, h).unsqueeze(-1)
        return h + self.past_position

    def _seen(self, visible: Tensor | int, like: Tensor) -> Tensor:
        """Which are seen, bool (1 or N, 4): the last ``visible`` codes are seen."""
        last = torch.arange(self.tokens, 0, -1, device=like.device)
        if isinstance(visible, Tensor):
            visible = visible.to(like.device).unsqueeze(-1)
        return (last <= visible).reshape(-1, self.tokens)

    def attention_mask(self, visible: Tensor | int, like: Tensor) -> Tensor:
        """Which of the 9 steps see which: bool (1 or N, 1, 9, 9).

        ``rows`` cuts the attention of hidden codes to all codes, and lets everything else see
        hidden ones; ``keys`` lets nothing see a hidden code.
        """
        seen = self._seen(visible, like)  # (1 or N, 4)
        steps = 2 * self.tokens + 1
        mask = torch.ones(len(seen), steps, steps, dtype=torch.bool, device=like.device)
        if self.config.mask == "keys":
            mask[:, :, : self.tokens] = seen.unsqueeze(1)
        else:
            mask[:, : self.tokens, : self.tokens] = seen.unsqueeze(2)
        return mask.unsqueeze(1)

    def forward(
        self,
        speaker: Tensor,
        codes: Tensor,
        visible: Tensor | int | None,
        rows: int | None = None,
    ) -> Tensor:
        """Logits of the next codes.

        Args:
            speaker: (N, 5, 200) of ``speaker_features``.
            codes: int64 (N, 4), the listener's last codes.
            visible: How many of them are seen, from the last one back; a number for all or
                int64 (N,); numbers over 4 mean 4. None hides nothing and adds the blocks over the
                past, which no official script does.
            rows: How many of the 9 rows are wanted. The first 4 are the codes of the next window.

        Returns:
            (N, rows, 200).
        """
        h = torch.cat([self.past_features(codes, visible), speaker], dim=1) + self.position
        mask = None
        if isinstance(visible, Tensor) or (visible is not None and visible < self.tokens):
            mask = self.attention_mask(visible, h)
        for block in self.blocks[:-1]:
            h = block(h, mask)
        if rows is not None and mask is not None:
            mask = mask[:, :, :rows]
        h = self.blocks[-1](h, mask, rows)
        return self.to_logits(self.norm(h))


def predictor_loss(logits: Tensor, future: Tensor, counts: Tensor | None = None) -> Tensor:
    """Cross-entropy of the next window's codes, int64 (N, 4), by logits (N, 4 or more, 200).

    The mean is over the windows of ``counts``, bool (N,); None for all.
    """
    logits = logits[:, : future.shape[1]]
    if counts is None:
        return functional.cross_entropy(logits.flatten(0, 1), future.flatten())
    each = functional.cross_entropy(logits.transpose(1, 2), future, reduction="none")  # (N, 4)
    return mean_item(each.mean(1), counts)


def nucleus(logits: Tensor, temperature: float = 0.7, top_p: float = 0.9) -> Nucleus:
    """Probabilities, from logits (N, codes), with the unlikely codes left out.

    The code at which the sum of probabilities crosses ``top_p`` stays, those after it go.
    ``top_p`` is in (0, 1]; temperature 1 and top_p 1 give the plain probabilities.
    """
    ordered, order = (logits / temperature).sort(dim=-1, descending=True, stable=True)
    before = ordered.softmax(-1).cumsum(-1).roll(1, -1)
    before[..., 0] = 0
    dropped = before > top_p
    ordered = ordered.masked_fill(dropped, -torch.inf).softmax(-1)
    probabilities = torch.empty_like(logits).scatter_(-1, order, ordered)
    return Nucleus(probabilities, (~dropped).sum(-1))


@lru_cache(maxsize=4)
def _official_draws(limit: int, count: int) -> np.ndarray:
    return np.random.RandomState(MASK_SEED).randint(0, limit, size=count)


def official_visible(step: int, tokens: int = 4) -> int:
    """How many codes the official predictor leaves visible at its ``step``-th forward pass.

    Uniform on 0..20 for 4 tokens, from its own generator; 4 and more hide nothing.
    """
    count = 1024 * (1 + step // 1024)
    return int(_official_draws(tokens * (1 + UNMASKED_SHARE) + 1, count)[step])
