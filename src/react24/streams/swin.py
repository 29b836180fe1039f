"""Swin-T face features of the speaker's pictures, one row per video frame: the stream ``swin``.

The network is transformers' ``SwinModel``. From the top: the extractor, the network's weights:
checkpoints of REGNN's code, which is Microsoft's, are renamed to transformers' keys. Reference: Liu
et al., "Swin Transformer", ICCV 2021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from transformers import SwinConfig, SwinModel

from react24.devices import ROOM_TO_MAKE, FittingBatches, choose_device
from react24.errors import InputError
from react24.faces.crop import VIEW_SIZE
from react24.files.contract import Features
from react24.streams.sources import PictureSource, batches
from react24.weights import fetch
from react24.weights.random import RandomWeights
from react24.weights.reading import load_torch, tell_difference

CPU_BATCH = 4
"""More pictures at once are slower on a processor: their maps leave its cache."""

GPU_BATCH = 64

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
        weights_folder: Where published weights are kept, if elsewhere than usual.

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
        weights_folder: str | Path | None = None,
    ):
        self.device = choose_device(device)
        self.batch = batch or (CPU_BATCH if self.device.type == "cpu" else GPU_BATCH)
        self.feature_names = tuple(f"swin_{i:03d}" for i in range(WIDTH))
        network, self.weights, self.pretrained = load_swin(weights, seed, weights_folder)
        self._network = network.to(self.device)  # type: ignore[arg-type]  # transformers wraps `to`
        self._fitting = FittingBatches(
            self.batch, what="swin", unit="pictures", advice=ROOM_TO_MAKE
        )

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
            rows = np.concatenate(self._fitting.run(self.embed, batch.pictures))
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
            # Mean over the 49 tokens behind the last norm: `forward_features` of REGNN's code.
            return self._network(prepare(shown)).pooler_output.cpu().numpy()


def prepare(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W): (x / 255 - 0.5) / 0.5, in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float().div(255.0).sub(0.5).div(0.5)


def make_model() -> SwinModel:
    """Swin-T with weights of no meaning. Its sizes are the defaults of ``SwinConfig``."""
    config = SwinConfig()
    config._attn_implementation = "sdpa"
    return SwinModel(config)


def load_swin(weights: str, seed: int, folder: str | Path | None) -> tuple[SwinModel, str, bool]:
    """Network, name and digest of its weights, pretrained or not.

    Args:
        weights: ``random``, a registry name, or a file with the official state dict.
        seed: For random weights.
        folder: Where published weights are kept, if elsewhere than usual.

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
    return model.requires_grad_(False).eval(), text, resolved.pretrained


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
    differing = tell_difference(rest, wanted)
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
    raise InputError(f"{file}: not the weights of this network: {differing}; {expected}")


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
