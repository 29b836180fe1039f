"""Official checkpoints of Trans-VAE as weights of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from react24.conventions import COEFFICIENT_DIM
from react24.models.transvae.official import load_official
from react24.models.transvae.settings import read_settings
from react24.weights.official_files import OfficialFile, read_mean_face
from react24.weights.recognise import TRANSVAE_OFFLINE, TRANSVAE_ONLINE


def convert(
    settings: Mapping[str, Any], files: Mapping[str, OfficialFile], clips: None = None
) -> dict[str, dict[str, Tensor]]:
    """Weights of the one stage.

    Args:
        settings: As ``read_settings`` takes them.
        files: ``transvae``; ``mean_face``, without which coefficients come out relative to the
            mean face.
        clips: Not used.

    Raises:
        InputError: A file is another one, or does not have the sizes of the settings.
    """
    config = read_settings(settings).transvae
    mean = read_mean_face(files.get("mean_face"), COEFFICIENT_DIM)
    state = files["transvae"].state(TRANSVAE_ONLINE if config.online else TRANSVAE_OFFLINE)
    with files["transvae"].naming():
        model = load_official(state, config, coefficient_mean=mean)
    return {"transvae": model.state_dict()}
