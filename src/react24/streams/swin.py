"""Swin-T face features of the speaker's pictures, one row per video frame: the stream ``swin``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from react24.devices import choose_device
from react24.errors import InputError
from react24.faces.crop import VIEW_SIZE
from react24.files.contract import Features
from react24.streams.sources import PictureSource, batches
from react24.streams.swin_network import WIDTH, load_swin
from react24.weights import registry as weights_registry

CPU_BATCH = 4
"""More pictures at once are slower on a processor: their maps leave its cache."""

GPU_BATCH = 64


class Swin:
    """The visual input of REGNN: 768 features of each picture of the face by itself.

    The pictures are the central 224 of 256 pixels of the face (``react24.faces.crop``), which is
    what the reference makes of REACT's clips: shorter side to 256, central 224, values to [-1, 1].

    Args:
        weights: ``random``, a name of the weights registry (``swin_fer``), or a file with the
            official state dict.
        seed: For random weights.
        device: ``cpu``, ``cuda`` (or ``cuda:1`` ...), or ``auto``.
        batch: Pictures per pass; None for 4 on a processor and 64 on a GPU.
        weights_folder: Where published weights are kept.

    Raises:
        InputError: Weights that cannot be had, or no such device.
    """

    name = "swin"
    backend = "swin"
    picture_size = VIEW_SIZE

    def __init__(
        self,
        weights: str = "random",
        *,
        seed: int = 0,
        device: str = "auto",
        batch: int | None = None,
        weights_folder: str | Path = weights_registry.DEFAULT_FOLDER,
    ):
        self.device = choose_device(device)
        self.batch = batch or (CPU_BATCH if self.device.type == "cpu" else GPU_BATCH)
        self.feature_names = tuple(f"swin_{i:03d}" for i in range(WIDTH))
        network, self.weights, self.pretrained = load_swin(weights, seed, Path(weights_folder))
        self._network = network.to(self.device)

    def extract(self, source: PictureSource) -> Features:
        """Features of the face of one role.

        Args:
            source: Pictures of 224 x 224 pixels.

        Returns:
            Features with values (T, 768) and ``valid`` as the source has it.

        Raises:
            InputError: Pictures of another size, or not one per frame.
        """
        values = np.empty((len(source.valid), WIDTH), np.float32)
        for batch in batches(source, self.batch, what=f"swin of {source.name}"):
            rows = self.embed(batch.pictures)
            for row, (first, end) in zip(rows, batch.ticks, strict=True):
                values[first:end] = row
        return Features(
            values=values,
            valid=np.asarray(source.valid, bool),
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=self.pretrained,
            weights=self.weights,
        )

    def embed(self, pictures: np.ndarray) -> np.ndarray:
        """Features float32 (B, 768) of pictures uint8 (B, 224, 224, 3).

        Raises:
            InputError: Another shape.
        """
        expected = (self.picture_size, self.picture_size, 3)
        if pictures.shape[1:] != expected:
            raise InputError(f"swin: pictures of shape {pictures.shape[1:]}, expected {expected}")
        with torch.inference_mode():
            shown = torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device)
            return self._network(prepare(shown)).cpu().numpy()


def prepare(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W): (x / 255 - 0.5) / 0.5, in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float().div(255.0).sub(0.5).div(0.5)
