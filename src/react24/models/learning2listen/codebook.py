"""Stage 1: a VQ-VAE of 32-frame windows of listener motion, with an emotion head.

Architecture and loss are those of Learning2Listen (Ng et al., CVPR 2022); its checkpoints load
through ``official``. ``docs/models/tranvae.md`` tells what differs between the variants. The
emotion head is ours: it reads the 25-D behaviour off motion, frame by frame, and shares nothing
with the codebook.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from react24.conventions import EMOTION_DIM
from react24.errors import InputError
from react24.models.learning2listen.blocks import KERNEL, Expand, Squeeze, TransformerBlock
from react24.models.learning2listen.motion import Standardiser
from react24.models.learning2listen.settings import CodebookConfig, EmotionConfig
from react24.training.validity import mean_error, squared_error

DECODE_AT_ONCE = 64
"""Windows decoded at once in sampling: their activations stay within the processor's cache."""


@dataclass(frozen=True)
class Quantised:
    """What the quantiser makes of encoded windows.

    Attributes:
        values: (N, 4, 256), the chosen codes in the place of the vectors; gradients pass through
            to the encoder.
        indices: int64 (N, 4).
        loss: 0.25 * mean((sg[q] - h)^2) + mean((q - sg[h])^2).
    """

    values: Tensor
    indices: Tensor
    loss: Tensor


@dataclass(frozen=True)
class CodebookOutput:
    """What stage 1 makes of windows: (N, 32, D) written again, and how it was quantised."""

    motion: Tensor
    quantised: Quantised


@dataclass(frozen=True)
class CodebookLosses:
    """Loss of stage 1: ``loss`` is the sum of the two terms.

    ``perplexity`` says how evenly the codes of the batch were used (1: only one, 200: all alike).
    """

    loss: Tensor
    motion: Tensor
    quantiser: Tensor
    perplexity: Tensor


class MotionEncoder(nn.Module):
    """Windows (N, 32, D) -> (N, 4, 256)."""

    def __init__(self, config: CodebookConfig):
        super().__init__()
        width = config.hidden
        self.squeeze = Squeeze(config.channels, width, config.squeeze)
        self.linear = nn.Linear(width, width)
        self.position = nn.Parameter(torch.zeros(config.tokens_per_window, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, config.mlp) for _ in range(config.layers)
        )

    def forward(self, motion: Tensor) -> Tensor:
        """(N, 32, D) -> (N, 4, 256)."""
        h = self.linear(self.squeeze(motion)) + self.position
        for block in self.blocks:
            h = block(h)
        return h


class MotionDecoder(nn.Module):
    """Codes (N, 4, 256) -> windows (N, 32, D)."""

    def __init__(self, config: CodebookConfig):
        super().__init__()
        width = config.hidden
        self.expand = Expand(width, config.squeeze)
        self.position = nn.Parameter(torch.zeros(config.window, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, config.mlp) for _ in range(config.layers)
        )
        self.write = nn.Conv1d(width, config.channels, KERNEL, padding=KERNEL // 2)

    def forward(self, values: Tensor) -> Tensor:
        """(N, 4, 256) -> (N, 32, D)."""
        h = self.expand(values) + self.position
        for block in self.blocks:
            h = block(h)
        return self.write(h.transpose(1, 2)).transpose(1, 2)


class Quantiser(nn.Module):
    """Nearest codes, without moving averages.

    With ``tokens: channel_blocks`` the vectors that are quantised are not time steps: the encoded
    window is transposed to (256, 4) and its memory cut into 4 vectors of 256, so that vector j
    holds channels 64 j to 64 j + 63 with all their time steps.
    """

    def __init__(self, config: CodebookConfig):
        super().__init__()
        self.blocks = config.tokens == "channel_blocks"
        self.commitment = config.commitment
        self.codes = nn.Embedding(config.codes, config.hidden)
        nn.init.uniform_(self.codes.weight, -1 / config.codes, 1 / config.codes)

    def vectors(self, h: Tensor) -> Tensor:
        """What is quantised of encoded windows: (N, 4, 256) -> (N * 4, 256)."""
        if self.blocks:
            h = h.transpose(1, 2)  # (N, 256, 4), to be read in the order of memory
        return h.reshape(-1, self.codes.embedding_dim)

    def windows(self, vectors: Tensor, tokens: int) -> Tensor:
        """Undo ``vectors``: (N * 4, 256) -> (N, 4, 256)."""
        width = self.codes.embedding_dim
        if self.blocks:
            return vectors.reshape(-1, width, tokens).transpose(1, 2)
        return vectors.reshape(-1, tokens, width)

    def distances(self, vectors: Tensor) -> Tensor:
        """Squared distances to every code: (M, 256) -> (M, 200)."""
        codes = self.codes.weight
        lengths = vectors.square().sum(1, keepdim=True) + codes.square().sum(1)
        return torch.addmm(lengths, vectors, codes.T, alpha=-2)

    @torch.no_grad()
    def indices(self, h: Tensor) -> Tensor:
        """Nearest codes of encoded windows: (N, 4, 256) -> int64 (N, 4)."""
        return self.distances(self.vectors(h)).argmin(1).reshape(h.shape[:2])

    def forward(self, h: Tensor, counts: Tensor | None = None) -> Quantised:
        """Quantise encoded windows (N, 4, 256), of which ``counts``, bool (N,), make the loss."""
        indices = self.indices(h)
        tokens = None if counts is None else counts.unsqueeze(1).expand(h.shape[:2])
        chosen = self.windows(self.codes(indices.flatten()), h.shape[1])
        loss = self.commitment * squared_error(h, chosen.detach(), tokens)
        loss = loss + squared_error(chosen, h.detach(), tokens)
        return Quantised(h + (chosen - h).detach(), indices, loss)

    def perplexity(self, indices: Tensor) -> Tensor:
        """Exponential of the entropy of the use of codes."""
        found = indices.flatten()
        # Not bincount, which makes a GPU wait until it knows the largest code.
        use = found.new_zeros(self.codes.num_embeddings).scatter_add_(
            0, found, torch.ones_like(found)
        )
        share = use / indices.numel()
        return torch.exp(-(share * torch.log(share + 1e-10)).sum())


class EmotionHead(nn.Module):
    """Behaviour from motion: a convolution over a few frames, then two layers frame by frame."""

    def __init__(self, channels: int, config: EmotionConfig):
        super().__init__()
        size = 2 * config.context + 1
        self.layers = nn.Sequential(
            nn.Conv1d(
                channels, config.hidden, size, padding=config.context, padding_mode="replicate"
            ),
            nn.GELU(),
            nn.Conv1d(config.hidden, config.hidden, 1),
            nn.GELU(),
            nn.Conv1d(config.hidden, EMOTION_DIM, 1),
        )
        self.units = Standardiser(EMOTION_DIM)
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def forward(self, motion: Tensor) -> Tensor:
        """Standardised motion (N, T, D) -> standardised behaviour (N, T, 25)."""
        return self.layers(motion.transpose(1, 2)).transpose(1, 2)


class MotionCodebook(nn.Module):
    """The VQ-VAE. Motion is in the standardised units of ``units``, unless said otherwise."""

    def __init__(self, config: CodebookConfig, emotion: EmotionConfig | None = None):
        super().__init__()
        self.config = config
        self.encoder = MotionEncoder(config)
        self.decoder = MotionDecoder(config)
        self.quantiser = Quantiser(config)
        self.units = Standardiser(config.channels)
        self.emotion = EmotionHead(config.channels, emotion or EmotionConfig())

    def forward(self, motion: Tensor, counts: Tensor | None = None) -> CodebookOutput:
        """Encode, quantise and decode windows (N, 32, D), standardised.

        Those of ``counts``, bool (N,), make the quantiser's loss; None for all.
        """
        quantised = self.quantiser(self.encoder(motion), counts)
        return CodebookOutput(self.decoder(quantised.values), quantised)

    @torch.no_grad()
    def indices(self, motion: Tensor) -> Tensor:
        """Codes of windows: (N, 32, D) -> int64 (N, 4)."""
        return self.quantiser.indices(self.encoder(motion))

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Windows of codes: int64 (N, 4) -> (N, 32, D)."""
        written = []
        for part in indices.split(DECODE_AT_ONCE):
            chosen = self.quantiser.codes(part.flatten())
            written.append(self.decoder(self.quantiser.windows(chosen, part.shape[1])))
        return torch.cat(written)

    def behaviour(self, motion: Tensor) -> Tensor:
        """Behaviour in native units: (N, T, D) -> (N, T, 25).

        Raises:
            InputError: The emotion head was not trained.
        """
        if not self.emotion.fitted:
            raise InputError(
                "the emotion head of this codebook has not been trained: official checkpoints "
                "have none; convert them with the clips of a training split (docs/checkpoints.md)"
            )
        return self.emotion.units.to_native(self.emotion(motion))


def codebook_losses(
    output: CodebookOutput,
    motion: Tensor,
    codebook: MotionCodebook,
    valid: Tensor | None = None,
) -> CodebookLosses:
    """Loss of stage 1: the quantiser's, plus the mean absolute error of each group of columns.

    Args:
        output: Of the codebook.
        motion: (N, 32, D) target, standardised.
        codebook: For the groups and the number of codes.
        valid: bool (N, 32), over which frames the means of the error are; None for all.
    """
    error = (output.motion - motion).abs()
    parts = error.split(codebook.config.parts, dim=-1)
    motion_loss = torch.stack([mean_error(part, valid) for part in parts]).sum()
    quantised = output.quantised
    return CodebookLosses(
        quantised.loss + motion_loss,
        motion_loss,
        quantised.loss,
        codebook.quantiser.perplexity(quantised.indices),
    )
