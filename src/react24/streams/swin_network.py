"""Swin-T for inference: building it, and its weights: published, local or random.

Reference: Liu et al., "Swin Transformer", ICCV 2021, in the form of transformers' ``SwinModel``. A
face's features are the final LayerNorm's tokens, averaged: ``forward_features`` of the network in
REGNN's code, which is Microsoft's. Checkpoints of that code are renamed to transformers' keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from transformers import SwinConfig, SwinModel

from react24.errors import InputError
from react24.weights import fetch
from react24.weights.random import RandomWeights
from react24.weights.reading import load_torch

WIDTH = 768
"""Values per picture."""

EXPRESSIONS = 7
"""Classes that the published network tells apart; its classifier is not used."""

RENAMED = (  # ours, the official code's
    ("encoder.layers.", "layers."),
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("embeddings.norm.", "patch_embed.norm."),
    ("layernorm_before.", "norm1."),
    ("layernorm_after.", "norm2."),
    ("layernorm.", "norm."),
    ("attention.relative_position_bias.", "attn."),
    ("attention.o_proj.", "attn.proj."),
    ("attention.q_proj.", "attn.qkv."),
    ("attention.k_proj.", "attn.qkv."),
    ("attention.v_proj.", "attn.qkv."),
)
STACKED = ("q_proj", "k_proj", "v_proj")
"""Linear layers that the official code stacks in one, in this order."""

HEAD = ("head.weight", "head.bias")
CONSTANT = ("attn_mask", "relative_position_index")
"""Last parts of keys that hold what follows from the sizes of the network."""

OTHERS = (  # first parts of a key, where the weights are from
    ("backbone.", "of OpenGraphAU"),
    ("head.fc.", "of timm's Swin"),
    ("features.0.0.", "of torchvision's Swin"),
    ("swin.", "of transformers' Swin"),
    ("embeddings.patch_embeddings.", "of transformers' Swin"),
    ("module.", "of a network that was trained on several GPUs, with `module.` before every key"),
    ("model.", "a training checkpoint, with the weights under `model`"),
    ("state_dict.", "a training checkpoint, with the weights under `state_dict`"),
    ("embeddings.0.", "of VGGish"),
    ("wav2vec2.", "of wav2vec2"),
    ("feature_extractor.conv_layers.", "of wav2vec2"),
)


class SwinNetwork(nn.Module):
    """Pictures (B, 3, 224, 224) in [-1, 1] to features (B, 768)."""

    def __init__(self, model: SwinModel):
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """The mean over the 49 tokens behind the last norm."""
        return self.model(pictures).last_hidden_state.mean(dim=1)


def make_model() -> SwinModel:
    """Swin-T with weights of no meaning. Its sizes are the defaults of ``SwinConfig``."""
    config = SwinConfig()
    config._attn_implementation = "sdpa"
    return SwinModel(config, add_pooling_layer=False)


def load_swin(weights: str, seed: int, folder: Path) -> tuple[SwinNetwork, str, bool]:
    """Network, name and digest of its weights, pretrained or not.

    Args:
        weights: ``random``, a registry name, or a file with the official state dict.
        seed: For random weights.
        folder: Where published weights are kept.

    Raises:
        InputError: Weights that cannot be had, or that are not of this network.
    """
    resolved = fetch.resolve(weights, folder)
    model = make_model()
    if resolved.path is None:
        state, text = draw_random_state(model, seed)
    else:
        file = fetch.find_weights_file(resolved.path)
        state, text = map_keys(load_torch(file), model, file), resolved.describe()
    model.load_state_dict(state)
    network = SwinNetwork(model).requires_grad_(False).eval()
    return network, text, resolved.pretrained


def official_key(key: str) -> str:
    """What the official code calls the tensor that transformers calls ``key``."""
    for ours, theirs in RENAMED:
        key = key.replace(ours, theirs)
    return key


def map_keys(
    state: Mapping[str, torch.Tensor], model: SwinModel, file: Path
) -> dict[str, torch.Tensor]:
    """Bring a state dict of the official code to the keys of ``SwinModel``.

    The classifier is left out. Index tables are compared with ours, since the meaning of the
    position biases hangs on them; they and the masks are made anew.

    Raises:
        InputError: Not a state dict of this network; says what it looks like.
    """
    wanted: dict[str, tuple[int, ...]] = {}
    parts: dict[str, tuple[str, int, int]] = {}  # ours -> official key, part, of how many
    for key, value in model.state_dict().items():
        layer = key.split(".")[-2]
        part, count = (STACKED.index(layer), len(STACKED)) if layer in STACKED else (0, 1)
        parts[key] = official_key(key), part, count
        wanted[official_key(key)] = (count * value.shape[0], *value.shape[1:])
    _check_shapes(state, wanted, file)
    _check_index(state, model, file)
    return {
        key: torch.as_tensor(state[theirs]).to(torch.float32).chunk(count)[part]
        for key, (theirs, part, count) in parts.items()
    }


def _check_shapes(
    state: Mapping[str, torch.Tensor], wanted: Mapping[str, tuple[int, ...]], file: Path
) -> None:
    found = {key: tuple(getattr(value, "shape", ())) for key, value in state.items()}
    rest = {k: s for k, s in found.items() if k not in HEAD and not k.endswith(CONSTANT)}
    differing = sorted(k for k in {*rest, *wanted} if rest.get(k) != wanted.get(k))
    head = found.get("head.weight", (EXPRESSIONS, WIDTH))
    if not differing and head == (EXPRESSIONS, WIDTH):
        return
    expected = (
        f"expected is swin_fer.pth of REGNN, a flat state dict of Swin-T with {EXPRESSIONS} classes"
    )
    for beginning, whose in OTHERS:
        if any(f"{k}." == beginning or k.startswith(beginning) for k in found):
            raise InputError(f"{file}: these weights are {whose}; {expected}")
    if not differing:
        raise InputError(
            f"{file}: the classifier of this Swin-T has shape {head}"
            f"{', as for ImageNet' if head[:1] == (1000,) else ''}; {expected}"
        )
    key = differing[0]
    raise InputError(
        f"{file}: not the weights of this network: {len(differing)} tensors differ, e.g. {key}: "
        f"expected {wanted.get(key, 'no such key')}, found {rest.get(key, 'none')}; {expected}"
    )


def _check_index(state: Mapping[str, torch.Tensor], model: SwinModel, file: Path) -> None:
    for key, ours in model.named_buffers():
        theirs = state.get(official_key(key))
        if theirs is not None and not torch.equal(theirs.flatten().long(), ours):
            raise InputError(
                f"{file}: {official_key(key)} numbers the positions of a window otherwise than the "
                "official code; the position biases cannot be read"
            )


def draw_random_state(model: SwinModel, seed: int) -> tuple[dict[str, torch.Tensor], str]:
    """Weights for runs without the published ones, and their name and digest.

    Weights N(0, 1 / fan in), which keeps the size of the signal through every linear layer, so
    that attention and perceptrons weigh as much as what they are added to; position biases
    N(0, 0.02²), norms 1, other biases 0. From frame to frame of a talking face the features vary
    by a tenth of their size.
    """
    draw = RandomWeights("swin", seed)
    state = {}
    for key, value in model.state_dict().items():
        shape = tuple(value.shape)
        if key.endswith("bias_table"):
            state[key] = draw.normal(key, shape, 0.02)
        elif len(shape) == 1:
            state[key] = draw.constant(key, shape, float("norm" in key and key.endswith("weight")))
        else:
            state[key] = draw.normal(key, shape, 1.0 / math.sqrt(math.prod(shape[1:])))
    return state, draw.describe()
