"""BeLFusion, official checkpoints: files of both stages to weights of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from react24.conventions import COEFFICIENT_DIM
from react24.models.belfusion.denoiser import load_official_ldm
from react24.models.belfusion.settings import read_settings
from react24.models.belfusion.vae import load_official_vae
from react24.weights.official_files import OfficialFile, read_mean_face
from react24.weights.recognise import BELFUSION_LDM, BELFUSION_VAE

STATISTICS = ("min", "max", "mean", "std")


def convert(
    settings: Mapping[str, Any], files: Mapping[str, OfficialFile], clips: None = None
) -> dict[str, dict[str, Tensor]]:
    """Weights of both stages.

    Args:
        settings: As ``read_settings`` takes them, ``vae.code`` being ``state``.
        files: ``vae`` and ``ldm``; ``statistics`` of the codes where those of ``vae`` lack them;
            ``mean_face``, without which coefficients come out relative to the mean face.
        clips: Not used.

    Raises:
        InputError: A file is another one, or does not have the sizes of the settings.
    """
    resolved = read_settings(settings)
    statistics = _find_statistics(files)
    mean = read_mean_face(files.get("mean_face"), COEFFICIENT_DIM)
    state = files["vae"].state(BELFUSION_VAE)
    with files["vae"].naming():
        vae = load_official_vae(state, statistics, resolved.vae, coefficient_mean=mean)
    state = files["ldm"].state(BELFUSION_LDM)
    with files["ldm"].naming():
        ldm = load_official_ldm(state, resolved.ldm)
    return {"vae": vae.state_dict(), "ldm": ldm.state_dict()}


def _find_statistics(files: Mapping[str, OfficialFile]) -> Mapping[str, Any]:
    """The statistics of the codes, out of a file of their own or the checkpoint of stage 1."""
    source = files.get("statistics", files["vae"])
    found = source.content.get("statistics", source.content)
    arrays = [found.get(name) for name in STATISTICS] if isinstance(found, Mapping) else [None]
    if all(isinstance(array, Tensor | np.ndarray) for array in arrays):
        return dict(zip(STATISTICS, arrays, strict=True))
    if source is files["vae"]:
        source.state(BELFUSION_VAE)  # another file altogether is refused as such
        raise source.error(
            "an entry 'statistics' beside the state_dict (min, max, mean and std of the codes "
            "over the training split, which stage 2 cannot do without); where the checkpoint has "
            "none, give them as the file 'statistics'"
        )
    raise source.error("min, max, mean and std of BeLFusion's codes")
