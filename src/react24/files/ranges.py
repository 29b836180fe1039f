"""Smallest, mean and largest value of a dataset, column by column, without reading it whole."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

BLOCK = 1 << 22
"""Values that are read at a time."""


@dataclass(frozen=True)
class Ranges:
    """What the values of a dataset are like.

    Attributes:
        low: float64 (D,), of the values that count; NaN where there are none.
        mean: float64 (D,).
        high: float64 (D,).
        counted: Rows that count: where the frame is valid.
        rows: All rows.
        odd: Values among them that are not finite, left out of the three.
    """

    low: np.ndarray
    mean: np.ndarray
    high: np.ndarray
    counted: int
    rows: int
    odd: int

    def summary(self) -> str:
        """All columns in one phrase."""
        rows = "values" if len(self.low) == 1 else "rows"
        total = f"{self.rows} {rows}"
        where = total if self.counted == self.rows else f"{self.counted} valid of {total}"
        odd = f", {self.odd} not finite" if self.odd else ""
        if not self.counted or np.isnan(self.low).all():
            return f"no values in {where}{odd}"
        parts = (np.nanmin(self.low), np.nanmean(self.mean), np.nanmax(self.high))
        low, mean, high = map(short, parts)
        return f"min {low}, mean {mean}, max {high} in {where}{odd}"

    def columns(self, names: list[str]) -> list[str]:
        """A line for each column: name, min, mean, max."""
        width = max(map(len, names))
        rows = zip(names, self.low, self.mean, self.high, strict=True)
        return [
            f"{name:<{width}}  {short(low):>10}  {short(mean):>10}  {short(high):>10}"
            for name, low, mean, high in rows
        ]


def measure(dataset: h5py.Dataset, valid: np.ndarray | None = None) -> Ranges:
    """The ranges of a dataset of numbers.

    Args:
        dataset: (..., D), or (T,), which is one column.
        valid: bool, the first dimensions of the dataset; None where all rows count.
    """
    width = dataset.shape[-1] if dataset.ndim > 1 else 1
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    total, finite = np.zeros(width), np.zeros(width, np.int64)
    counted = rows = odd = 0
    step = max(1, BLOCK // max(1, dataset.size // max(1, len(dataset))))
    for start in range(0, len(dataset), step):
        values = np.asarray(dataset[start : start + step], np.float64)
        rows += values.size // width
        if valid is not None:
            values = values[valid[start : start + step]]
        values = values.reshape(-1, width)
        counted += len(values)
        known = np.isfinite(values)
        odd += int((~known).sum())
        finite += known.sum(0)
        total += np.where(known, values, 0).sum(0)
        low = np.minimum(low, np.where(known, values, np.inf).min(0, initial=np.inf))
        high = np.maximum(high, np.where(known, values, -np.inf).max(0, initial=-np.inf))
    some = finite > 0
    low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
    return Ranges(
        low, np.where(some, total / np.maximum(finite, 1), np.nan), high, counted, rows, odd
    )


def short(value: float) -> str:
    """Four digits of a number."""
    return f"{value:.4g}"
