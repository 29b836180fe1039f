"""VGGish's convolutions on a processor in half the time: the same sums in another order.

Why it is here: a processor is what most extraction runs on, VGGish is the slowest of the sound
streams there, and its convolutions are most of its time. Against the best plain arrangement of
torch's own layers (``VGGishNetwork`` in channels-last order, linear layers in large batches, which
both sides have) it is 1.7 to 1.9 times as fast: ``python benchmarks/sound.py winograd``.
Nothing else of the project needs this file: ``convolution: direct`` and every GPU go through
``VGGishNetwork``, and tests/streams/test_vggish_fast.py holds this to it.

Nine tenths of the multiplications are in five 3x3 convolutions. Each is computed in tiles of 4x4
outputs by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, CVPR 2016), which needs 36
multiplications per tile and pair of channels instead of 144. The 48x32, 24x16 and 12x8 maps of
VGGish divide into such tiles without a remainder. It is exact algebra; in float32 the result
differs from the direct sum by about 3e-6 of the map's maximum, against 1e-6 for the direct sum
itself (the tests allow 2e-5).

All steps are large matrix products on channels-last maps, written into buffers that are kept, so
that no time goes into asking the system for memory.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

TILE = 4
PATCH = TILE + 2
# Evaluation points of the Toom-Cook scheme (and infinity). The textbook's 0, 1, -1, 2, -2 lose
# twice as many digits in float32.
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)


def make_transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the matrices A (6, 4), G (6, 3) and B (6, 6) of the one-dimensional scheme.

    For a patch d of 6 and a filter g of 3: correlation(d, g) = Aᵀ [(G g) * (Bᵀ d)], 4 values.
    A and G evaluate polynomials at the points, B is the inverse of evaluation (transposition of
    Toom-Cook multiplication).
    """

    def evaluate(terms: int) -> np.ndarray:
        matrix = np.vander(POINTS, terms, increasing=True)
        return np.vstack([matrix, np.eye(terms)[-1]])

    return evaluate(TILE), evaluate(3), np.linalg.inv(evaluate(PATCH))


class _Workspace:
    """One float32 buffer per purpose, as large as the largest request so far."""

    def __init__(self):
        self._buffers: dict[str, torch.Tensor] = {}

    def take(self, purpose: str, shape: tuple[int, ...]) -> torch.Tensor:
        """A tensor of that shape whose content is undefined."""
        size = math.prod(shape)
        if purpose not in self._buffers or self._buffers[purpose].numel() < size:
            self._buffers[purpose] = torch.empty(size)
        return self._buffers[purpose][:size].view(shape)


class _WinogradLayer:
    """Convolution 3x3 with zero border, ReLU and, where asked, 2x2 max pool."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, pooled: bool):
        outputs, inputs = weight.shape[:2]
        a, g, b = make_transforms()
        filters = np.einsum("ia,jb,ocab->ijco", g, g, weight.double().numpy(), optimize=True)
        self.filters = _float(filters.reshape(PATCH**2, inputs, outputs))
        self.into = _float(np.kron(b.T, b.T))  # (36, 36)
        self.back = _float(np.kron(a.T, a.T))  # (16, 36)
        self.bias = bias
        self.pooled = pooled

    def run(self, padded: torch.Tensor, out: torch.Tensor, space: _Workspace) -> None:
        """(N, H + 2, W + 2, C) with a zero border to the interior of ``out``, likewise framed."""
        batch, height, width, channels = padded.shape
        down, across = (height - 2) // TILE, (width - 2) // TILE
        tiles, outputs = batch * down * across, self.filters.shape[2]
        image, row, column, _ = padded.stride()

        patches = space.take("patches", (PATCH, PATCH, batch, down, across, channels))
        steps = (row, column, image, TILE * row, TILE * column, 1)
        patches.copy_(padded.as_strided(patches.shape, steps))
        spectrum = space.take("spectrum", (PATCH**2, tiles * channels))
        torch.mm(self.into, patches.view(PATCH**2, -1), out=spectrum)
        product = space.take("product", (PATCH**2, tiles, outputs))
        torch.bmm(spectrum.view(PATCH**2, tiles, channels), self.filters, out=product)
        result = space.take("patches", (TILE**2, tiles * outputs))
        torch.mm(self.back, product.view(PATCH**2, -1), out=result)
        result = result.view(TILE, TILE, batch, down, across, outputs)
        if self.pooled:
            result = torch.maximum(result[0::2], result[1::2])
            result = torch.maximum(result[:, 0::2], result[:, 1::2])
        result.add_(self.bias).relu_()

        size = len(result)  # outputs of a tile along one side: 4, or 2 after the pool
        image, row, column, _ = out.stride()
        steps = (row, column, image, size * row, size * column, 1)
        out.as_strided(result.shape, steps, out.storage_offset() + row + column).copy_(result)


class _FirstLayer:
    """The convolution from one channel to 64, with ReLU and pool, as one matrix product.

    The four outputs that a pool compares are computed as four groups of columns from the 4x4
    patch that they share.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        outputs = len(weight)
        columns = torch.zeros(4, 4, 4, outputs)  # row, column, group, output
        for group in range(4):
            y, x = divmod(group, 2)
            columns[y : y + 3, x : x + 3, group] = weight[:, 0].permute(1, 2, 0)
        self.columns = columns.view(16, 4 * outputs)
        self.bias = bias

    def run(self, examples: torch.Tensor, out: torch.Tensor, space: _Workspace) -> None:
        """(N, 96, 64) to the interior of ``out`` (N, 50, 34, 64)."""
        padded = functional.pad(examples, (1, 1, 1, 1))
        batch, height, width = padded.shape
        down, across = (height - 2) // 2, (width - 2) // 2
        image, row, _ = padded.stride()
        patches = space.take("patches", (batch, down, across, 4, 4))
        patches.copy_(padded.as_strided(patches.shape, (image, 2 * row, 2, row, 1)))
        product = space.take("product", (batch * down * across, self.columns.shape[1]))
        torch.mm(patches.view(-1, 16), self.columns, out=product)
        groups = product.view(batch, down, across, 4, -1)
        top = torch.maximum(groups[..., 0, :], groups[..., 1, :])
        bottom = torch.maximum(groups[..., 2, :], groups[..., 3, :])
        result = torch.maximum(top, bottom, out=top).add_(self.bias).relu_()
        out[:, 1:-1, 1:-1].copy_(result)


def _float(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


class WinogradConvolutions:
    """The convolutional part of ``VGGishNetwork``: (N, 96, 64) to its last map (N, 12288).

    Not safe to use from several threads at once: the buffers are shared.

    Args:
        features: The network's convolutions, each followed by a ReLU and perhaps a 2x2 max pool.
            Their weights are used, not changed.
    """

    def __init__(self, features: nn.Sequential):
        modules = [module for module in features if not isinstance(module, nn.ReLU)]
        layers = [
            (module.weight, module.bias, isinstance(after, nn.MaxPool2d))
            for module, after in itertools.pairwise([*modules, None])
            if isinstance(module, nn.Conv2d) and module.bias is not None
        ]
        self._first = _FirstLayer(*layers[0][:2])
        self._rest = [_WinogradLayer(*layer) for layer in layers[1:]]
        self._sizes = [(len(bias), pooled) for _, bias, pooled in layers]
        self._space = _Workspace()
        self._maps: dict[int, list[torch.Tensor]] = {}

    def __call__(self, examples: torch.Tensor) -> torch.Tensor:
        """As ``VGGishNetwork.convolve``."""
        maps = self._framed_maps(len(examples))
        self._first.run(examples, maps[0], self._space)
        for layer, before, after in zip(self._rest, maps[:-1], maps[1:], strict=True):
            layer.run(before, after, self._space)
        return maps[-1][:, 1:-1, 1:-1].flatten(1)  # a copy: the next call rewrites the maps

    def _framed_maps(self, batch: int) -> list[torch.Tensor]:
        """Zero maps with a border of one, made once per batch size: only interiors are written."""
        if batch not in self._maps:
            maps, height, width = [], 96, 64
            for channels, pooled in self._sizes:
                height, width = (height // 2, width // 2) if pooled else (height, width)
                maps.append(torch.zeros(batch, height + 2, width + 2, channels))
            self._maps[batch] = maps
        return self._maps[batch]
