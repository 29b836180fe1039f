"""Which official file this is: told by the names in it, for error messages and for checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from react24.weights.names import strip_module

BELFUSION_VAE = "stage 1 of BeLFusion (its VAE)"
BELFUSION_LDM = "stage 2 of BeLFusion (its latent diffusion MLP)"
L2L_CODEBOOK = "stage 1 of Learning2Listen (its codebook)"
L2L_PREDICTOR = "stage 2 of Learning2Listen (its predictor)"
REGNN = "REGNN"
TRANSVAE_ONLINE = "Trans-VAE, online"
TRANSVAE_OFFLINE = "Trans-VAE, offline"

NETWORKS = {
    BELFUSION_VAE: ("x_rnn.rnn_f.weight_ih", "fc_mu_enc.weight"),
    BELFUSION_LDM: ("time_embed.0.weight", "cond_embed.0.weight"),
    L2L_CODEBOOK: ("quantize.embedding.weight", "encoder.encoder_pos_embedding.pos_embedding"),
    L2L_PREDICTOR: ("listener_past_tok_embedding.weight", "audio_projector.weight"),
    REGNN: ("motor_processor.Layers.0.attn_1.w", "cognitive_processor.convert_layer.fc1.weight"),
    TRANSVAE_ONLINE: ("reaction_decoder.vae_model.mu_token", "reaction_decoder.lstm.weight_ih_l0"),
    TRANSVAE_OFFLINE: (
        "reaction_decoder.vae_model.mu_token",
        "speaker_behaviour_encoder.video_encoder.fc.weight",
    ),
}
"""Network -> keys by which its state_dict is known; the first that fits counts."""

_TABLES = {
    "statistics of Learning2Listen's listener (stage 1)": {"body_mean_Y", "body_std_Y"},
    "statistics of Learning2Listen's speaker and sound (stage 2)": {"body_mean_X", "body_std_X"},
    "statistics of BeLFusion's codes": {"min", "max", "mean", "std"},
}
_LIGHTNING = {"pytorch-lightning_version", "callbacks", "hyper_parameters", "loops"}
SHOWN = 6
"""Names that a description spells out."""


def describe_content(content: Any) -> str:
    """What a file holds, in words that go on ``this is ...``."""
    if isinstance(content, Mapping) and list(content) == ["array"]:
        return f"a single array of {_shape(content['array'])}"
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    if not content:
        return "an empty dict"
    keys = set(content)
    state = find_state(content)
    if "class" in keys and "attributes" in keys:
        return (
            f"a whole pickled network of class {content['class']}, {_describe_state(state or {})}"
        )
    if {"state", "param_groups"} <= keys:
        return "the state of an optimiser, without a network"
    for what, names in _TABLES.items():
        if names <= keys:
            return what
    if state is content:
        return _describe_state(state)
    if state is None:
        return f"a dict of {_list(map(str, content))}"
    kind = "a checkpoint of PyTorch Lightning" if _LIGHTNING & keys else "a whole checkpoint"
    epoch = f", epoch {content['epoch']}" if isinstance(content.get("epoch"), int) else ""
    return f"{kind} ({_list(map(str, content))}{epoch}) with {_describe_state(state)}"


def find_state(content: Any) -> Mapping[str, Tensor] | None:
    """The state_dict in a file: the file itself, or its entry ``state_dict``; None without."""
    if not isinstance(content, Mapping):
        return None
    for found in (content, content.get("state_dict")):
        if isinstance(found, Mapping) and found and all(map(_is_entry, found.items())):
            return found
    return None


def name_state(state: Mapping[str, Tensor]) -> str | None:
    """Which network a state_dict is of, a key of ``NETWORKS``; None for an unknown one."""
    keys = set(strip_module(state))
    return next((name for name, signs in NETWORKS.items() if keys.issuperset(signs)), None)


def _is_entry(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def _describe_state(state: Mapping[str, Tensor]) -> str:
    name = name_state(state)
    if name:
        return f"a state_dict of {name}"
    shapes = [f"{key} {_shape(value)}" for key, value in state.items()]
    return f"a state_dict of an unknown network ({len(shapes)} tensors: {_list(shapes, 3)})"


def _list(names: Any, most: int = SHOWN) -> str:
    texts = [text[:80] for text in names]
    return ", ".join(texts[:most]) + (", ..." if len(texts) > most else "")


def _shape(value: Tensor | np.ndarray) -> str:
    return "x".join(map(str, value.shape)) or "1 number"
