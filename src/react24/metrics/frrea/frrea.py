"""FRRea: the Fréchet Inception Distance between rendered reactions and real frames.

Official source: ``python -m pytorch_fid real fake`` on pictures that ``evaluate.py`` of
baseline_react2024 writes. Features are those of that program; means, covariances and the distance
are torchmetrics'.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from react24.errors import InputError
from react24.log import progress

logger = logging.getLogger(__name__)

WEIGHTS = "fid-inception"
"""Entry of the registry of weights."""

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

ENOUGH = 2048
"""Pictures below which the covariance of 2048 features cannot have full rank."""

NO_FRAMES = "no frames were given (--frames-real, --frames-made)"
"""Why there is usually no value."""


@dataclass(frozen=True)
class FRRea:
    """Result of ``frrea``.

    Attributes:
        value: The distance; lower is better. None where there are no frames.
        reason: Why there is no value.
        real: Real pictures.
        made: Rendered pictures.
        weights: Name and SHA-256 of the network's weights.
    """

    value: float | None
    reason: str = ""
    real: int = 0
    made: int = 0
    weights: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        if self.value is None:
            return {"value": None, "reason": self.reason}
        return {
            "value": self.value,
            "frames_real": self.real,
            "frames_made": self.made,
            "weights": self.weights,
        }


def frrea(
    real: Path,
    made: Path,
    *,
    weights: str = WEIGHTS,
    every: int = 1,
    batch_size: int = 32,
    device: str = "auto",
    weights_folder: Path | None = None,
) -> FRRea:
    """Compare two folders of pictures.

    Args:
        real: Pictures of the real listeners, in folders of any depth.
        made: Pictures of the rendered reactions.
        weights: ``fid-inception`` (the published file, fetched and verified), or the path of such
            a file. Random weights are refused: their distance measures nothing.
        every: Of the pictures of each folder, in the order of their numbers, take number 0,
            ``every``, 2 ``every``, ...; officially every 30th frame.
        batch_size: Pictures at once.
        device: ``auto``, ``cpu``, ``cuda``.
        weights_folder: Where published weights are kept.

    Raises:
        InputError: No pictures, unreadable ones, weights that cannot be had or are others.
    """
    from react24.weights import fetch, registry
    from react24.weights.reading import load_torch

    folders = {"real": real, "made": made}
    pictures = {name: find_pictures(folder, every) for name, folder in folders.items()}
    if weights == registry.RANDOM:
        raise InputError(
            f"FRRea with random weights measures nothing; use {WEIGHTS} or a path of that file"
        )
    resolved = fetch.resolve(weights, weights_folder)
    assert resolved.path is not None, "only random weights have no file"
    content = load_torch(fetch.find_weights_file(resolved.path))
    value = frechet_distance(
        pictures["real"], pictures["made"], content, batch_size=batch_size, device=device
    )
    counts = {name: len(paths) for name, paths in pictures.items()}
    if min(counts.values()) < ENOUGH:
        logger.warning(
            "FRRea of %d real and %d made pictures: with fewer than %d on either side it is "
            "too high; compare only values from as many pictures",
            counts["real"],
            counts["made"],
            ENOUGH,
        )
    return FRRea(value, "", counts["real"], counts["made"], resolved.describe())


def find_pictures(folder: Path, every: int = 1) -> list[Path]:
    """Every ``every``-th picture of a folder and of those in it, hidden ones left out.

    Raises:
        InputError: Fewer than two pictures, or ``every`` below 1.
    """
    if every < 1:
        raise InputError(f"--frames-every {every}; it is at least 1")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of pictures")
    found: list[Path] = []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        pictures = [n for n in names if n.lower().endswith(SUFFIXES) and not n.startswith(".")]
        found += [Path(place, name) for name in sorted(pictures, key=_by_number)[::every]]
    if len(found) < 2:
        raise InputError(
            f"{folder}: {len(found)} pictures; at least 2 are needed ({', '.join(SUFFIXES)})"
        )
    return found


def _by_number(name: str) -> list[tuple[int, int | str]]:
    """Sorts 2.png before 10.png."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def frechet_distance(
    real: Sequence[Path],
    made: Sequence[Path],
    weights: dict[str, Any],
    *,
    batch_size: int = 32,
    device: str = "auto",
) -> float:
    """Fréchet distance of the features of at least 2 real and 2 rendered pictures.

    |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½) with means and unbiased covariances in float64; for
    ``weights`` see ``Inception``.
    """
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    from react24.devices import choose_device
    from react24.metrics.frrea.inception import FittingInception

    place = choose_device(device)
    distance = FrechetInceptionDistance(feature=FittingInception(weights, batch_size)).to(place)
    for paths, is_real, what in ((real, True, "real frames"), (made, False, "made frames")):
        with torch.inference_mode():
            for batch in read_batches(paths, batch_size, what):
                distance.update(batch.to(place), real=is_real)
    with torch.inference_mode():
        return float(distance.compute())


def read_batches(paths: Sequence[Path], batch_size: int, what: str) -> Iterator[Any]:
    """Pictures as float32 (B, 3, H, W), RGB in [0, 1]; a change of size begins a new batch."""
    import torch

    batch: list[torch.Tensor] = []
    for path in progress(paths, what=what, unit="picture"):
        picture = torch.from_numpy(read_picture(path)).permute(2, 0, 1).float() / 255
        if batch and (len(batch) == batch_size or batch[0].shape != picture.shape):
            yield torch.stack(batch)
            batch = []
        batch.append(picture)
    yield torch.stack(batch)


def read_picture(path: Path) -> Any:
    """uint8 (H, W, 3), RGB.

    Raises:
        InputError: Not a picture.
    """
    import cv2
    import numpy as np

    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise InputError(f"{path}: not a readable picture")
    return np.ascontiguousarray(picture[..., ::-1])
