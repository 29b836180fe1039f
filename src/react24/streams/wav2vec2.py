"""wav2vec2 hidden states of the speaker's sound, one per video frame: the stream ``wav2vec2``.

The network is transformers' ``Wav2Vec2Model``. From the top: the windows that a sound is cut into,
the extractor, the network's weights. Reference: Baevski et al., "wav2vec 2.0", NeurIPS 2020.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from react24.conventions import FPS
from react24.devices import ROOM_TO_MAKE, FittingBatches, choose_device
from react24.errors import InputError
from react24.files.contract import Features
from react24.log import progress
from react24.streams.sources import SoundSource, TickSound, align_to_ticks
from react24.weights import fetch
from react24.weights.random import RandomWeights
from react24.weights.reading import load_torch, tell_difference

SAMPLE_RATE = 16000
TICK = SAMPLE_RATE // int(FPS)
KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
FIELD = 400
"""Samples that a frame of the network's convolutions hears."""

HOP = math.prod(STRIDES)
GPU_BATCH = 4
"""Windows at once; of four of 30 s the first convolution makes a map of 0.8 GB."""

BORDER = (FIELD - HOP) // 2
"""Samples added on both sides, so that frame j is centred on its own 20 ms, at 320 j + 160."""
VARIANCE_FLOOR = 1e-7

UNUSED = ("masked_spec_embed", "quantizer.", "project_q.", "project_hid.", "lm_head.")
"""Keys of pre-training and recognition checkpoints that hidden states do not depend on."""


@dataclass(frozen=True)
class Window:
    """Ticks [start, start + length of a window) are run; of these [first, last) are kept."""

    start: int
    first: int
    last: int


def plan_windows(frames: int, length: int, overlap: int) -> list[Window]:
    """Cover T ticks with windows of one length.

    Windows advance by ``length - overlap``; the last one is moved back to end with the sound. Of
    two neighbours each gives the half of their overlap that is farther from its own edge. A sound
    shorter than a window gets one window that reaches beyond its end.

    Args:
        frames: T.
        length: Ticks per window.
        overlap: Ticks that neighbours share, at least.

    Returns:
        Windows whose kept ranges partition [0, T).
    """
    step = length - overlap
    count = max(1, -(-(frames - overlap) // step))
    starts = [max(0, min(i * step, frames - length)) for i in range(count)]
    borders = [(before + length + after) // 2 for before, after in itertools.pairwise(starts)]
    kept = itertools.pairwise([0, *borders, frames])
    return [Window(start, *ticks) for start, ticks in zip(starts, kept, strict=True)]


class Wav2Vec2:
    """wav2vec2-base, 768 values per video frame.

    The network makes two frames of 20 ms per video frame. With 40 zeros added on both sides of
    the sound there are exactly 2 T of them, each centred on its own 20 ms, and row t is the mean
    of frames 2 t and 2 t + 1, which hear samples 640 t - 40 to 640 t + 680.

    The sound is normalised once over the whole file (mean 0, variance 1). As GroupNorm, positional
    convolution and attention look at all of what they are given, every row depends on the length
    of the piece: windows always have the same length, whatever the length of the sound. A sound
    that is shorter than one window is followed by zeros up to that length (after normalisation,
    as in the model's own training batches).

    Args:
        weights: ``random``, a name of the weights registry (``wav2vec2-base``,
            ``wav2vec2-base-960h``), a folder with ``config.json`` and ``model.safetensors`` or
            ``pytorch_model.bin``, or such a weights file alone (wav2vec2-base).
        seed: For random weights.
        device: ``cpu``, ``cuda`` (or ``cuda:1`` ...), or ``auto``.
        layer: ``last``, or the number of the transformer layer (1 to 12) whose output is taken.
        window: Seconds per window.
        overlap: Seconds shared by neighbouring windows, at least.
        batch: Windows per pass; None for 1 on a processor and 4 on a GPU.
        weights_folder: Where published weights are kept, if elsewhere than usual.

    Raises:
        InputError: A setting that is not known, or weights that cannot be had.
    """

    name = "wav2vec2"
    backend = "wav2vec2"
    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        weights: str = "random",
        *,
        seed: int = 0,
        device: str = "auto",
        layer: str | int = "last",
        window: float = 30.0,
        overlap: float = 5.0,
        batch: int | None = None,
        weights_folder: str | Path | None = None,
    ):
        self.window, self.overlap = _in_ticks("window", window), _in_ticks("overlap", overlap)
        if not 0 <= self.overlap < self.window:
            raise InputError(
                f"wav2vec2 overlap of {overlap} s with a window of {window} s; the overlap must "
                "be at least 0 and less than the window"
            )
        if layer != "last" and not isinstance(layer, int):
            raise InputError(f"wav2vec2 layer {layer!r}; accepted: last, or a number from 1 on")
        self.device = choose_device(device)
        self.batch = batch or (1 if self.device.type == "cpu" else GPU_BATCH)
        layers = layer if isinstance(layer, int) else None
        loaded = load_wav2vec2(weights, seed, layers, weights_folder)
        network, self.weights, self.pretrained = loaded
        self._network = network.to(self.device)  # type: ignore[arg-type]  # transformers wraps `to`
        unit = f"windows of {window:g} s"
        self._fitting = FittingBatches(
            self.batch, what="wav2vec2", unit=unit, advice=f"use shorter ones, {ROOM_TO_MAKE}"
        )
        self.feature_names = tuple(f"wav2vec2_{i:03d}" for i in range(network.config.hidden_size))

    def extract(self, source: SoundSource) -> Features:
        """Hidden states for the sound of one role.

        Args:
            source: Sound at 16 kHz and the number of ticks T.

        Returns:
            Features with values (T, 768); ``valid`` is False where a tick holds padding or sound
            marked unknown.

        Raises:
            InputError: Sound that does not fit.
        """
        sound = align_to_ticks(source, SAMPLE_RATE)
        wave = self._prepare(sound)
        windows = plan_windows(source.frames, self.window, self.overlap)
        values = np.empty((source.frames, len(self.feature_names)), np.float32)
        groups = [windows[i : i + self.batch] for i in range(0, len(windows), self.batch)]
        for group in progress(groups, what=f"wav2vec2 of {source.name}", unit="window batch"):
            made = self._fitting.run(partial(self._run, wave), group)
            for window, rows in zip(group, np.concatenate(made), strict=True):
                kept = slice(window.first - window.start, window.last - window.start)
                values[window.first : window.last] = rows[kept]
        return Features(
            values=values,
            valid=sound.known,
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=self.pretrained,
            weights=self.weights,
        )

    def _prepare(self, sound: TickSound) -> torch.Tensor:
        """Normalise over the known ticks; add the border, and zeros up to one window's length."""
        ticks = sound.samples.reshape(-1, sound.hop)
        known = ticks[sound.known].astype(np.float64)
        wave = np.zeros_like(ticks)
        if len(known):
            scale = np.sqrt(known.var() + VARIANCE_FLOOR)
            wave[sound.known] = (known - known.mean()) / scale
        missing = max(0, self.window - len(ticks)) * sound.hop
        return torch.from_numpy(np.pad(wave.ravel(), (BORDER, BORDER + missing)))

    def _run(self, wave: torch.Tensor, windows: list[Window]) -> np.ndarray:
        """Rows of a few windows, (B, window, hidden)."""
        length = self.window * TICK + 2 * BORDER
        pieces = [wave[w.start * TICK : w.start * TICK + length] for w in windows]
        with torch.inference_mode():
            output = self._network(torch.stack(pieces).to(self.device))
            pairs = output.last_hidden_state.unflatten(1, (self.window, 2))
            rows = pairs.mean(dim=2)  # (B, window, hidden)
        return rows.cpu().numpy()


def _in_ticks(name: str, seconds: float) -> int:
    ticks = seconds * FPS
    if abs(ticks - round(ticks)) > 1e-6:
        raise InputError(f"wav2vec2 {name} of {seconds} s is not a whole number of 40 ms frames")
    return round(ticks)


def load_wav2vec2(
    weights: str, seed: int, layers: int | None, folder: str | Path | None
) -> tuple[Wav2Vec2Model, str, bool]:
    """Network, name and digest of its weights, pretrained or not.

    Args:
        weights: ``random``, a registry name, a folder (config.json and weights) or a weights file
            of wav2vec2-base.
        seed: For random weights.
        layers: Transformer layers that are kept (1 to 12); None for all.
        folder: Where published weights are kept, if elsewhere than usual.

    Raises:
        InputError: Weights that cannot be had, or that are not of this kind of model.
    """
    resolved = fetch.resolve(weights, folder)
    config = _read_config(resolved.path)
    if layers is not None and not 1 <= layers <= config.num_hidden_layers:
        raise InputError(
            f"wav2vec2 layer {layers}; accepted: last, or 1 to {config.num_hidden_layers}"
        )
    with torch.device("meta"):  # no time and memory for values that are replaced anyway
        model = Wav2Vec2Model(config)
    if resolved.path is None:
        state, text = draw_random_state(model, seed)
    else:
        file = fetch.find_weights_file(resolved.path)
        state, text = map_keys(_read_state(file), model, file), resolved.describe()
    model.load_state_dict(state, assign=True)
    model.encoder.layers = model.encoder.layers[:layers]
    return model.requires_grad_(False).eval(), text, resolved.pretrained


def _read_config(path: Path | None) -> Wav2Vec2Config:
    settings: dict = {}
    if path is not None and path.is_dir():
        file = path / "config.json"
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{file}: cannot be read ({error}); it comes with the model"
            ) from error
    config = Wav2Vec2Config.from_dict(settings)
    found = (tuple(config.conv_kernel), tuple(config.conv_stride), config.feat_extract_norm)
    wanted = (KERNELS, STRIDES, "group")
    if found != wanted or config.do_stable_layer_norm or config.conv_bias:
        raise InputError(
            f"{path}: only models built like wav2vec2-base can be used (kernels, strides and norm "
            f"{wanted}, norm after each layer, convolutions without bias); found {found}, "
            f"do_stable_layer_norm {config.do_stable_layer_norm}, conv_bias {config.conv_bias}"
        )
    config._attn_implementation = "sdpa"  # scores are not stored: memory linear in length
    return config


def _read_state(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix != ".safetensors":
        return load_torch(file)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from error


def map_keys(
    state: dict[str, torch.Tensor], model: Wav2Vec2Model, file: Path
) -> dict[str, torch.Tensor]:
    """Bring a checkpoint's keys to those of ``Wav2Vec2Model``.

    Strips the ``wav2vec2.`` prefix of pre-training and recognition checkpoints, leaves out what
    hidden states do not depend on, and renames the weight norm of older files (``weight_g``,
    ``weight_v``).

    Raises:
        InputError: Tensors missing, unknown or of another shape (names the first).
    """
    norm = "pos_conv_embed.conv."
    renamed = {}
    for key, value in state.items():
        key = key.removeprefix("wav2vec2.")
        key = key.replace(f"{norm}weight_g", f"{norm}parametrizations.weight.original0")
        key = key.replace(f"{norm}weight_v", f"{norm}parametrizations.weight.original1")
        if not key.startswith(UNUSED):
            renamed[key] = value.to(torch.float32)
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    mask = wanted.pop("masked_spec_embed", None)
    found = {key: tuple(value.shape) for key, value in renamed.items()}
    if differing := tell_difference(found, wanted):
        raise InputError(f"{file}: not the weights of this model: {differing}")
    if mask is not None:  # used in training only
        renamed["masked_spec_embed"] = torch.zeros(mask)
    return renamed


def draw_random_state(model: Wav2Vec2Model, seed: int) -> tuple[dict[str, torch.Tensor], str]:
    """Weights for runs without the published ones, and their name and digest.

    Convolutions of the front by He's scale, all other weights N(0, 0.02²) (the model's own
    ``initializer_range``), norms 1, biases 0. At that scale the residual path stays visible
    behind twelve layers, so that rows differ with the sound.
    """
    draw = RandomWeights("wav2vec2", seed)
    config, std = model.config, model.config.initializer_range
    state = {}
    for key, value in model.state_dict().items():
        shape = tuple(value.shape)
        if key.endswith("weight.original0"):  # norms of the positional filters' slices
            slice_size = config.hidden_size**2 // config.num_conv_pos_embedding_groups
            state[key] = draw.constant(key, shape, std * math.sqrt(slice_size))
        elif len(shape) == 1:
            state[key] = draw.constant(key, shape, float("norm.weight" in key))
        elif "conv_layers" in key:
            state[key] = draw.he(key, shape)
        else:
            state[key] = draw.normal(key, shape, std)
    return state, draw.describe()
