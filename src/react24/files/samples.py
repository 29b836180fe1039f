"""The samples file: how reactions are written, whoever made them (no torch here)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from react24.conventions import CLIP_FRAMES
from react24.files import contract
from react24.files.contract import StoreError

WIDTHS = {"emotion": 25, "coefficients": 58}
"""Dataset -> channels."""


@dataclass(frozen=True)
class SamplesInfo:
    """What a samples file says of itself.

    Attributes:
        model: Model or baseline.
        seed: Of training and sampling.
        split: Of the clips.
        samples: Reactions per direction, S.
        pretrained: Whether every network behind clips and model ran with pretrained weights.
        variant: Of the model; ``baseline`` for baselines.
    """

    model: str
    seed: int
    split: str
    samples: int
    pretrained: bool
    variant: str


class SamplesWriter:
    """An open samples file, filled direction by direction; memory is that of one direction."""

    def __init__(self, file: h5py.File, rows: int, samples: int, datasets: tuple[str, ...]):
        self._missing = np.ones(rows, bool)
        self._datasets = {}
        for name in datasets:
            shape = (rows, samples, CLIP_FRAMES, WIDTHS[name])
            chunks = (1, *shape[1:])
            self._datasets[name] = file.create_dataset(name, shape, np.float32, chunks=chunks)

    def write(self, row: int, **reactions: np.ndarray) -> None:
        """Write all reactions of one direction.

        Args:
            row: Speaker row i; the reactions are those of listener row (i + L) mod 2L.
            reactions: ``emotion`` (S, 750, 25) and, where the file has them, ``coefficients``
                (S, 750, 58), native units.

        Raises:
            StoreError: A dataset is missing or too many, has another shape, or holds a value that
                is not finite.
        """
        if reactions.keys() != self._datasets.keys():
            raise StoreError(
                f"direction {row}: expected {', '.join(self._datasets)}, got {', '.join(reactions)}"
            )
        for name, values in reactions.items():
            dataset = self._datasets[name]
            if values.shape != dataset.shape[1:]:
                raise StoreError(
                    f"direction {row}: {name} has shape {values.shape}, not {dataset.shape[1:]}"
                )
            if not np.isfinite(values).all():
                sample, frame, channel = np.argwhere(~np.isfinite(values))[0]
                raise StoreError(
                    f"direction {row}: {name} is not finite in sample {sample}, frame {frame}, "
                    f"channel {channel}"
                )
            dataset[row] = values
        self._missing[row] = False

    def check_complete(self) -> None:
        """Raise StoreError if a direction was not written."""
        if self._missing.any():
            raise StoreError(
                f"{self._missing.sum()} directions were not written, the first is "
                f"{int(np.argmax(self._missing))}"
            )


@contextmanager
def create_samples(
    output: Path,
    info: SamplesInfo,
    *,
    index: np.ndarray,
    datasets: tuple[str, ...],
    created_by: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> Iterator[SamplesWriter]:
    """Write a samples file, atomically; it must be complete when the block ends.

    Args:
        output: Final name.
        info: Root attributes.
        index: (2L,) of the clips.
        datasets: ``emotion``, and ``coefficients`` where they are made.
        created_by: Rule or command.
        config: Settings, JSON-able.
        inputs: Name -> sha256.

    Raises:
        StoreError: A direction is missing or unfit.
    """
    with contract.create(
        output, schema="samples", created_by=created_by, config=config, inputs=inputs
    ) as file:
        file.attrs.update(asdict(info))
        file.create_dataset("index", data=index)
        writer = SamplesWriter(file, len(index), info.samples, datasets)
        yield writer
        writer.check_complete()


def clip_key(row: np.void) -> tuple[str, str, int]:
    """What names a row of a clips index in a random stream: session, role and clip number."""
    return row["session"].decode(), row["role"].decode(), int(row["clip"])
