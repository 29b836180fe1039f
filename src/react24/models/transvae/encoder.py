"""Trans-VAE's view of the speaker: a convolutional network per picture, joined with the sound.

Every convolution sees one picture; what joins them is the normalisation, which takes mean and
variance of a channel over all pixels of all frames that are looked at. So the feature of a frame
depends on which frames are looked at with it:

- offline, on the whole clip;
- online with ``norm_statistics: prefix``, on everything up to the end of the window that is being
  written: all features are new in each window, the work grows with the square of the windows;
- online with ``norm_statistics: running``, on everything up to the end of the window that the
  frame lies in: a feature never changes again, and one pass makes those of all windows.

No feature depends on the latent draw. One encoding serves all reactions to a speaker.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from react24.errors import InputError
from react24.models.transvae.settings import TransVAEConfig

EPSILON = 1e-5
"""Added to variances, as ``torch.nn.InstanceNorm3d`` does."""

CHUNK = 64
"""Frames whose full-size maps are made at a time; only their pooled quarter is kept."""

Normalise = Callable[[Tensor], Tensor]


def to_input(frames: Tensor) -> Tensor:
    """uint8 pictures as float in [-1, 1]: (x / 255 - 1/2) / (1/2); other types are passed on."""
    return frames.float().div(127.5).sub(1.0) if frames.dtype == torch.uint8 else frames


class SpeakerEncoder(nn.Module):
    """Features of the speaker, one per frame, from pictures and sound."""

    def __init__(self, config: TransVAEConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv2d(3, width // 4, 7, stride=2, padding=3, bias=False)
        self.conv2 = nn.Conv2d(width // 4, width, 7, stride=2, padding=3, bias=False)
        self.conv3 = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        self.conv4 = nn.Conv2d(width, width, 3, stride=1, padding=1, bias=False)
        self.conv5 = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        self.video = nn.Linear(width, width)
        self.audio = nn.Linear(config.audio_dim, width)
        self.fusion = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor, audio: Tensor, window: int | None = None) -> list[Tensor]:
        """Features as each window sees them.

        Args:
            frames: (B, T, 3, H, W), uint8, or float in [-1, 1].
            audio: (B, T, 78) cepstra of the same frames.
            window: Frames of a window; None for offline.

        Returns:
            Offline one tensor (B, T, 128). Online one per window: (B, n, 128) with the n frames up
            to its end, for all windows that hold a frame, the last one possibly incomplete.

        Raises:
            InputError: The two do not have the same frames.
        """
        if frames.shape[:2] != audio.shape[:2]:
            raise InputError(
                f"pictures {tuple(frames.shape[:2])} and sound {tuple(audio.shape[:2])} of the "
                "speaker do not have the same clips and frames"
            )
        clips = [self._maps(clip, window) for clip in frames]  # clips x windows x (n, 128)
        heard = self.audio(audio)
        return [
            self.fusion(torch.cat([self.video(maps), heard[:, : maps.shape[1]]], dim=-1))
            for maps in map(torch.stack, zip(*clips, strict=True))
        ]

    def _maps(self, frames: Tensor, window: int | None) -> list[Tensor]:
        """What the convolutions make of one clip (T, 3, H, W): per window (n, 128)."""
        pooled, mean, variance = self._first(frames)
        total = len(frames)
        if window is None or self.config.norm_statistics == "running":
            if window is None:
                statistics, norm = over_clip(mean, variance), normalise_clip
            else:
                statistics = over_windows(mean, variance, window)
                norm = _running(window)
            maps = self._upper(functional.relu(_standardise(pooled, *statistics)), norm)
            ends = [total] if window is None else window_ends(total, window)
            return [maps[:end] for end in ends]
        return [
            self._upper(
                functional.relu(_standardise(pooled[:n], *over_clip(mean[:n], variance[:n]))),
                normalise_clip,
            )
            for n in window_ends(total, window)
        ]

    def _first(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """First convolution, pooled, and mean and variance of its full maps, (T, 32) each.

        Normalisation and ReLU never decrease, so the largest of four normalised pixels is the
        normalised largest: pooling before them gives the same numbers on a quarter of the pixels.
        """
        parts = []
        for part in frames.split(CHUNK):
            images = to_input(part).contiguous(memory_format=torch.channels_last)
            parts.append(PoolWithMoments.apply(self.conv1(images)))
        pooled, mean, variance = (torch.cat(one) for one in zip(*parts, strict=True))
        return pooled, mean, variance

    def _upper(self, x: Tensor, norm: Normalise) -> Tensor:
        """Convolutions 2 to 5 and the mean over the picture: (n, 32, h, w) -> (n, 128)."""
        x = functional.relu_(norm(self.conv2(x)))
        x = functional.relu_(norm(self.conv3(x)))
        x = x + functional.relu_(norm(self.conv4(x)))
        x = functional.relu_(norm(self.conv5(x)))
        return x.mean((2, 3))


class PoolWithMoments(torch.autograd.Function):
    """3 x 3 maximum, stride 2, with mean and variance per picture and channel of what it pools.

    (n, C, H, W) -> (n, C, h, w), (n, C), (n, C). As one function because the large input is then
    the only thing that is kept for the backward pass, and the three gradients meet in one array.
    """

    @staticmethod
    def forward(ctx, x: Tensor):
        """Pool; float32 moments, the variance from centred values."""
        pooled, where = functional.max_pool2d(x, 3, 2, return_indices=True)
        mean = x.mean((2, 3), dtype=torch.float32)
        variance = (x - mean[:, :, None, None]).square_().mean((2, 3), dtype=torch.float32)
        ctx.save_for_backward(x, where, mean)
        return pooled, mean, variance

    @staticmethod
    def backward(ctx, by_pooled: Tensor, by_mean: Tensor, by_variance: Tensor):
        """Gradient of the input."""
        x, where, mean = ctx.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        factor = 2 * by_variance / pixels  # d variance / d x = 2 (x - mean) / pixels
        constant = by_mean / pixels - factor * mean
        gradient = torch.ops.aten.max_pool2d_with_indices_backward(
            by_pooled, x, [3, 3], [2, 2], [0, 0], [1, 1], False, where
        )
        gradient.addcmul_(x, factor[:, :, None, None].to(x.dtype))
        return gradient.add_(constant[:, :, None, None].to(x.dtype))


def window_ends(frames: int, window: int) -> list[int]:
    """Ends of the windows of a clip, the last one possibly incomplete."""
    return [*range(window, frames, window), frames]


def over_clip(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over frames, (1, C) each, from those of each frame (n, C)."""
    mean, variance = mean.double(), variance.double()
    whole = mean.mean(0, keepdim=True)
    spread = (mean - whole).square().mean(0, keepdim=True)
    return whole.float(), (variance.mean(0, keepdim=True) + spread).float()


def over_windows(mean: Tensor, variance: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Mean and variance over all frames up to the end of each frame's window, (n, C) each."""
    frames = len(mean)
    ends = torch.arange(frames, device=mean.device).div(window, rounding_mode="floor")
    last = (ends * window + window - 1).clamp(max=frames - 1)
    count = (last + 1).unsqueeze(1)
    mean, variance = mean.double(), variance.double()
    whole = mean.cumsum(0)[last] / count
    square = (variance + mean.square()).cumsum(0)[last] / count
    return whole.float(), (square - whole.square()).float()


def _standardise(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """(x - mean) / standard deviation; x (n, C, H, W), statistics (n or 1, C)."""
    scale = torch.rsqrt(variance + EPSILON)
    return torch.addcmul((-mean * scale)[:, :, None, None], x, scale[:, :, None, None])


def normalise_clip(x: Tensor) -> Tensor:
    """Standardise each channel of (n, C, H, W) over all frames and pixels."""
    return functional.batch_norm(x, None, None, training=True, eps=EPSILON)


def _running(window: int) -> Normalise:
    """Standardise over all frames up to the end of each frame's window."""

    def normalise(x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        variance = (x - mean[:, :, None, None]).square().mean((2, 3))
        return _standardise(x, *over_windows(mean, variance, window))

    return normalise
