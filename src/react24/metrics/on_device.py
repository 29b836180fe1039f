"""FRCorr and FRDist on a GPU (or any device of torch), with the results of the processor.

Imported only where a device is asked for: the metrics do not need torch otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from react24.devices import ROOM_TO_MAKE, FittingBatches
from react24.dtw import Sequences, rounding_error
from react24.metrics.moments import Moments

NUMBERS_AT_ONCE = 2**27
"""Numbers of the sequences that are warped side by side: half a gigabyte in float32."""

CHECK_EVERY = 64
"""Diagonals after which pairs that are certain to be given up are left out."""


class DeviceTruth:
    """Ground truth kept on a device."""

    def __init__(self, truth: Sequences, device: torch.device):
        self.device = device
        self.values = torch.from_numpy(truth.values).to(device)

    def warper(self, samples: Sequences) -> DeviceWarper:
        """What compares some samples with it."""
        return DeviceWarper(torch.from_numpy(samples.values).to(self.device), self.values)


class DeviceWarper:
    """DTW of chosen pairs of (M, T, 25) and (N, T, 25) on one device, like ``LaneWarper``."""

    def __init__(self, samples: torch.Tensor, truth: torch.Tensor):
        self._samples, self._truth = samples, truth

    def screen(
        self, pairs: np.ndarray, channels: slice, limits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``LaneWarper.screen``."""
        error = rounding_error(self._samples.shape[1] + self._truth.shape[1])
        found = self._warp(pairs, channels, limits * (1 + error), torch.float32)
        return found * (1 - error), found * (1 + error)

    def confirm(self, pairs: np.ndarray, channels: slice, limits: np.ndarray) -> np.ndarray:
        """See ``LaneWarper.confirm``."""
        return self._warp(pairs, channels, limits, torch.float64)

    def _warp(
        self, pairs: np.ndarray, channels: slice, limits: np.ndarray, kind: torch.dtype
    ) -> np.ndarray:
        device = self._samples.device
        x, y = self._samples[..., channels], self._truth[..., channels]
        most = limits**2

        def warp(part: np.ndarray) -> np.ndarray:
            owner, target = torch.from_numpy(pairs[:, part]).to(device)
            limit = torch.from_numpy(most[part]).to(device, kind)
            return warp_diagonals(x[owner], y[target], limit).cpu().numpy()

        fitting = FittingBatches(
            max(1, NUMBERS_AT_ONCE // (x.shape[1] * x.shape[2])),
            what="FRDist",
            unit="pairs of sequences",
            advice=ROOM_TO_MAKE,
        )
        made = fitting.run(warp, np.arange(pairs.shape[1]))
        sums = np.concatenate([np.empty(0), *made])
        return np.where(sums <= most, np.sqrt(sums), np.inf)


def warp_diagonals(x: torch.Tensor, y: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
    """Smallest sums of squared distances along a path, one diagonal after the other.

    The cells of a diagonal do not wait for each other. Costs are float32, sums of the limits' type.

    Args:
        x: float32 (P, T1, C), rows.
        y: float32 (P, T2, C), columns.
        limit: (P,); a sum above it may be given up.

    Returns:
        (P,); inf where it was given up.
    """
    count, rows, _ = x.shape
    columns = y.shape[1]
    backwards = y.flip(1)  # a diagonal is then a stretch of both
    out = limit.new_full((count,), torch.inf)
    kept = torch.arange(count, device=x.device)
    # Sums on the last diagonals; entry i + 1 is row i, entry 0 lies above the first row.
    before, last, new = limit.new_full((3, count, rows + 1), torch.inf)
    before[:, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        first, stop = max(0, diagonal - columns + 1), min(rows, diagonal + 1)
        shift = columns - 1 - diagonal
        gaps = x[:, first:stop] - backwards[:, shift + first : shift + stop]
        cost = gaps.square_().sum(dim=-1)
        best = torch.minimum(last[:, first:stop], last[:, first + 1 : stop + 1])
        best = torch.minimum(best, before[:, first:stop])
        new[:, first] = torch.inf  # beyond the last column
        torch.add(best, cost, out=new[:, first + 1 : stop + 1])
        before, last, new = last, new, before
        if diagonal % CHECK_EVERY == CHECK_EVERY - 1:
            # Every path has a cell on one of two neighbouring diagonals.
            alive = torch.minimum(before, last).amin(dim=1) <= limit[kept]
            if int(alive.sum()) < 0.75 * len(kept):
                x, backwards, kept = x[alive], backwards[alive], kept[alive]
                before, last, new = before[alive], last[alive], new[alive]
                if not len(kept):
                    return out
    out[kept] = last[:, rows]
    return out


def move_moments(device: torch.device) -> Callable[[Moments], Moments]:
    """What moves moments of sequences to a device."""

    def move(found: Moments) -> Moments:
        tensors: dict[str, Any] = {
            name: torch.from_numpy(values).to(device) for name, values in vars(found).items()
        }
        return Moments(**tensors)

    return move
