"""Official checkpoints of Trans-VAE as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from react24.conventions import COEFFICIENT_DIM
from react24.models.transvae.network import TransVAE
from react24.models.transvae.settings import VARIANTS, TransVAEConfig, read_settings
from react24.weights import names as official_keys
from react24.weights.official_files import OfficialFile, read_mean_face
from react24.weights.recognise import TRANSVAE_OFFLINE, TRANSVAE_ONLINE

_SPEAKER, _DECODER = "speaker_behaviour_encoder.", "reaction_decoder."
_ATTENTION = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")

CONSTANT = f"{_DECODER}PE.pe"
"""The table of position codes, which official checkpoints hold and we compute."""

UNUSED_OFFLINE = ("fusion.weight", "fusion.bias")
"""A layer that offline checkpoints hold and that has no effect."""


def convert(
    settings: Mapping[str, Any], files: Mapping[str, OfficialFile], clips: None = None
) -> dict[str, dict[str, Tensor]]:
    """Weights of the one stage, from ``transvae`` and ``mean_face``; ``clips`` is not used.

    Without ``mean_face`` coefficients come out relative to the mean face.

    Raises:
        InputError: A file is another one, or does not have the sizes of the settings.
    """
    config = read_settings(settings).transvae
    mean = read_mean_face(files.get("mean_face"), COEFFICIENT_DIM)
    state = files["transvae"].state(TRANSVAE_ONLINE if config.online else TRANSVAE_OFFLINE)
    with files["transvae"].naming():
        model = load_official(state, config, coefficient_mean=mean)
    return {"transvae": model.state_dict()}


def load_official(
    state: Mapping[str, Tensor],
    config: TransVAEConfig | None = None,
    *,
    coefficient_mean: Tensor | None = None,
) -> TransVAE:
    """Trans-VAE with the weights of an official checkpoint, in eval mode.

    Args:
        state: The checkpoint's ``state_dict``, with or without ``module.`` before its keys.
        config: Settings; the official ones where left out, online if the checkpoint is.
        coefficient_mean: (58,) mean face that the official 3DMM targets are relative to.

    Raises:
        InputError: Tensors are missing, unexpected or of another shape.
    """
    state = official_keys.strip_module(state)
    if config is None:
        online = any(key.startswith(f"{_DECODER}lstm.") for key in state)
        config = TransVAEConfig(online=online, **VARIANTS["official"]["transvae"])
    model = TransVAE(config)
    ignored = (CONSTANT,) if config.online else (CONSTANT, *UNUSED_OFFLINE)
    given = {key: _without_time(value) for key, value in state.items() if key not in ignored}
    kind = "online" if config.online else "offline"
    official_keys.load(model, given, official_names(config.online), what=f"{kind} Trans-VAE")
    if coefficient_mean is not None:
        model.coefficient_mean.copy_(torch.as_tensor(coefficient_mean).reshape(-1))
    return model.eval()


def _without_time(value: Tensor) -> Tensor:
    """A kernel over (1, height, width) without its first axis; other tensors as they are."""
    return value.squeeze(2) if value.ndim == 5 else value


def official_names(online: bool) -> dict[str, str]:
    """Official key -> our name: 69 tensors offline, 97 online."""
    names = {
        f"{_SPEAKER}video_encoder.Conv3D.conv{i}.weight": f"encoder.conv{i}.weight"
        for i in range(1, 6)
    }
    names |= {f"{_DECODER}vae_model.mu_token": "latent.mean_token"}
    names |= {f"{_DECODER}vae_model.logvar_token": "latent.log_variance_token"}
    both = {"self_attn": "self_attention", "multihead_attn": "cross_attention"}
    one = {"self_attn": "self_attention"}
    latent = f"{_DECODER}vae_model.seqTransEncoder.layers.0"
    names |= _layer(latent, "latent.layer", one, norms=2)
    layers = {"1": "writer.layer1", "2": "writer.layer2"}
    linear = {
        f"{_SPEAKER}video_encoder.fc": "encoder.video",
        f"{_SPEAKER}audio_feature_map": "encoder.audio",
        f"{_SPEAKER}fusion_layer": "encoder.fusion",
        f"{_DECODER}vae_model.linear": "latent.linear",
        f"{_DECODER}listener_reaction_3dmm_map_layer": "to_coefficients",
        f"{_DECODER}listener_reaction_emotion_map_layer.0": "to_emotion.0",
        f"{_DECODER}listener_reaction_emotion_map_layer.1": "to_emotion.1",
    }
    if online:
        layers["3d"] = "continue_motion"
        linear |= {
            "fusion": "with_past",
            f"{_DECODER}linear_3d": "from_past",
            f"{_DECODER}linear_reaction": "from_motion",
        }
        names |= {
            f"{_DECODER}lstm.{name}_l0": f"lstm.{name}_l0"
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
    for number, ours in layers.items():
        theirs = f"{_DECODER}listener_reaction_decoder_{number}.layers.0"
        names |= _layer(theirs, ours, both, norms=3)
    return names | official_keys.of_layers(linear)


def _layer(theirs: str, ours: str, attentions: Mapping[str, str], norms: int) -> dict[str, str]:
    """Names of the tensors of a transformer layer."""
    names = {
        f"{theirs}.{a}.{part}": f"{ours}.{b}.{part}"
        for a, b in attentions.items()
        for part in _ATTENTION
    }
    others = ("linear1", "linear2", *(f"norm{i + 1}" for i in range(norms)))
    return names | official_keys.of_layers({f"{theirs}.{n}": f"{ours}.{n}" for n in others})
