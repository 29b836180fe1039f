"""REGNN, official checkpoints: the table of names, and a file to weights of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from react24.models.regnn.network import RegnnNetwork
from react24.models.regnn.settings import VARIANTS, NetworkConfig, read_settings
from react24.weights import names as official_keys
from react24.weights.official_files import OfficialFile
from react24.weights.recognise import REGNN

VISUAL_WIDTH, SOUND_WIDTH = 768, 128

NO_TENSORS = tuple(
    f"perceptual_processor.fuse_model.{name}.{buffer}"
    for name in ("trans_v_with_a", "trans_v_mem")
    for buffer in ("version", "embed_positions._float_tensor")
)
"""Buffers without effect, of size 1; one of them is memory that was never set."""


def official_names(config: NetworkConfig) -> dict[str, str]:
    """Official key -> our name, without ``NO_TENSORS``."""
    return {
        **_perception("perceptual_processor.fuse_model", "perception", config),
        **_cognition("cognitive_processor", "cognition", config),
        **_motor("motor_processor", "motor", config),
    }


def _perception(theirs: str, ours: str, config: NetworkConfig) -> dict[str, str]:
    names = {
        f"{theirs}.proj_a.weight": f"{ours}.project_sound.weight",
        f"{theirs}.proj_v.weight": f"{ours}.project_visual.weight",
    }
    for a, b in (("trans_v_with_a", "visual_to_sound"), ("trans_v_mem", "memory")):
        for i in range(config.layers):
            layer, mine = f"{theirs}.{a}.layers.{i}", f"{ours}.{b}.layers.{i}"
            for part in ("weight", "bias"):
                names[f"{layer}.self_attn.in_proj_{part}"] = f"{mine}.project.{part}"
            names |= official_keys.of_layers(
                {
                    f"{layer}.self_attn.out_proj": f"{mine}.project_out",
                    f"{layer}.fc1": f"{mine}.widen",
                    f"{layer}.fc2": f"{mine}.narrow",
                    f"{layer}.layer_norms.0": f"{mine}.norm_attention",
                    f"{layer}.layer_norms.1": f"{mine}.norm_feedforward",
                }
            )
        names |= official_keys.of_layers({f"{theirs}.{a}.layer_norm": f"{ours}.{b}.norm"})
    return names | official_keys.of_layers(
        {
            f"{theirs}.proj1": f"{ours}.residual.0",
            f"{theirs}.proj2": f"{ours}.residual.2",
            f"{theirs}.out_layer": f"{ours}.to_fused",
        }
    )


def _cognition(theirs: str, ours: str, config: NetworkConfig) -> dict[str, str]:
    layers = {"convert_layer": "to_nodes", "EdgeLayer.qk.0": "edges.mix"}
    layers |= {f"dll.mean_{i}": f"components.{i}" for i in range(config.components)}
    names = official_keys.of_layers(
        {
            f"{theirs}.{a}.fc{number}": f"{ours}.{b}.{2 * number - 2}"
            for a, b in layers.items()
            for number in (1, 2)
        }
    )
    return names | {f"{theirs}.EdgeLayer.qk.1.weight": f"{ours}.edges.project.weight"}


def _motor(theirs: str, ours: str, config: NetworkConfig) -> dict[str, str]:
    factors = {"l": "lower", "u": "upper", "log_s": "log_scale", "p": "permutation"}
    factors["sign_s"] = "sign"
    names = {f"{theirs}.{a}": f"{ours}.rotation.{b}" for a, b in factors.items()}
    for i in range(config.motor_layers):
        layer, mine = f"{theirs}.Layers.{i}", f"{ours}.layers.{i}"
        names |= {
            f"{layer}.norm_layer._log_scale": f"{mine}.norm.log_scale",
            f"{layer}.norm_layer._shift": f"{mine}.norm.shift",
            f"{layer}.attn_1.w": f"{mine}.attention.channel_weights",
            **official_keys.of_layers({f"{layer}.attn_1.qk": f"{mine}.attention.project"}),
        }
    return names


def _extra_dimensions(config: NetworkConfig) -> dict[str, int]:
    """Official keys of tensors with a dimension of size 1 that ours do not have, and which."""
    convolutions = {f"perceptual_processor.fuse_model.proj_{n}.weight": 2 for n in ("a", "v")}
    layers = range(config.motor_layers)
    return convolutions | {f"motor_processor.Layers.{i}.attn_1.w": 0 for i in layers}


def load_official(
    state: Mapping[str, Tensor],
    config: NetworkConfig | None = None,
    *,
    visual_width: int = VISUAL_WIDTH,
    sound_width: int = SOUND_WIDTH,
    initialised: bool = True,
) -> RegnnNetwork:
    """A network with the weights of an official file, in eval mode.

    Norms of the attention (``lipnorm``, a Python attribute) are computed from the weights.

    Args:
        state: The ``state_dict`` of the pickled module, with or without ``module.``.
        config: Sizes and quirks; the official ones where left out.
        visual_width: Channels of the visual stream.
        sound_width: Channels of the sound stream.
        initialised: Whether the ActNorms have seen data (``_init``, a Python attribute that a
            ``state_dict`` lacks); if not, the first training step overwrites them.

    Raises:
        InputError: Tensors are missing, unexpected or of another shape.
    """
    config = config or NetworkConfig(**VARIANTS["official"]["network"])
    network = RegnnNetwork(config, visual_width, sound_width)
    state = {k: v for k, v in official_keys.strip_module(state).items() if k not in NO_TENSORS}
    for key, dim in _extra_dimensions(config).items():
        if key in state:
            state[key] = state[key].squeeze(dim)
    official_keys.load(network, state, official_names(config), what=REGNN)
    network.motor.initialised.fill_(initialised)
    return network.eval()


def convert(
    settings: Mapping[str, Any], files: Mapping[str, OfficialFile], clips: None = None
) -> dict[str, dict[str, Tensor]]:
    """Weights of the only stage, from ``generator``: the pickled network, or its ``state_dict``.

    Raises:
        InputError: The file is another one, or does not have the sizes of the settings.
    """
    resolved = read_settings(settings)
    file = files["generator"]
    state = file.state(REGNN)
    flags = file.content.get("attributes", {})
    initialised = all(value for name, value in flags.items() if name.endswith("norm_layer._init"))
    with file.naming():
        network = load_official(
            state,
            resolved.network,
            visual_width=resolved.visual_width,
            sound_width=resolved.sound_width,
            initialised=initialised,
        )
    return {"generator": network.state_dict()}
