"""Clips files of synthetic features, as our training reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from react24.files import contract


def write_clips(path: Path, stream: str, native: np.ndarray) -> Path:
    """A clips file of native values (2L, 750, D): L clips of role a, then those of role b."""
    rows, frames, width = native.shape
    index = np.zeros(rows, contract.INDEX_DTYPE)
    for row in range(rows):
        pair, role = row % (rows // 2), "ab"[row // (rows // 2)]
        name = f"session{pair:03d}"
        partner = (row + rows // 2) % rows
        index[row] = (name.encode(), role.encode(), f"{name}_{role}".encode(), partner, 1, 0)
    mean, std = native.mean(1), native.std(1) + 1e-6
    with contract.create(path, schema="clips", created_by="official_models") as file:
        zscored = ((native - mean[:, None]) / std[:, None]).astype(np.float32)
        file.create_dataset("zscored", data=zscored, chunks=(1, frames, width))
        file.create_dataset("native", data=native, chunks=(1, frames, width))
        file.create_dataset("valid", data=np.ones((rows, frames), bool))
        file.create_dataset("mean", data=mean.astype(np.float32))
        file.create_dataset("std", data=std.astype(np.float32))
        file.create_dataset("index", data=index)
        names = json.dumps([f"c{i}" for i in range(width)])
        attributes = {"stream": stream, "split": "train", "feature_names": names}
        attributes |= {"pretrained": False, "weights": "none needed", "backend": "landmarks"}
        file.attrs.update(attributes)
    return path
