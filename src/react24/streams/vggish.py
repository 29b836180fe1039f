"""VGGish embeddings of the speaker's sound, one per video frame: the stream ``vggish``.

From the top: the front end (sound to log-mel examples), the network, the PCA step, the weights, the
extractor. Reference: Hershey et al., "CNN architectures for large-scale audio classification",
ICASSP 2017, in the shape in which the torchvggish weights come. The key names are theirs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from react24.devices import ROOM_TO_MAKE, FittingBatches, choose_device
from react24.errors import InputError
from react24.files.contract import Features
from react24.log import progress
from react24.streams.mel import mel_triangles
from react24.streams.sources import SoundSource, align_to_ticks
from react24.weights import fetch, registry
from react24.weights.random import RandomWeights
from react24.weights.reading import load_torch, tell_difference

EMBEDDING = 128
CHANNELS = ((64, True), (128, True), (256, False), (256, True), (512, False), (512, True))
"""Per convolution: channels out, whether a 2x2 max pool follows."""

PCA_KEYS = ("pca_eigen_vectors", "pca_means")
CLIP = 2.0
LEVELS = 255.0

CPU_BATCH = 8
"""Examples per pass through the convolutions: their maps stay in a processor's cache."""

GPU_BATCH = 64
LINEAR_BATCH = 160
"""Examples per pass through the linear layers, whose 0.27 GB of weights each pass reads."""


@dataclass(frozen=True)
class FrontEnd:
    """Sound to log-mel examples of 96 frames x 64 bands.

    Frames without padding, periodic Hann window, magnitude of the real FFT, triangular mel bands
    whose slopes are linear in mel, ln(mel + 0.01), blocks of 96 frames without overlap, incomplete
    tail dropped. Everything up to the logarithm is computed in float64.

    Attributes:
        sample_rate: Hz.
        window: Samples under the Hann window.
        hop: Samples between frames.
        fft: FFT length; frames are zero-padded to it.
        bands: Mel bands.
        low: Lower edge of the first band, Hz.
        high: Upper edge of the last band, Hz.
        offset: Added to the mel magnitudes before the logarithm.
        example_frames: Frames per example.
    """

    sample_rate: int
    window: int
    hop: int
    fft: int
    bands: int = 64
    low: float = 125.0
    high: float = 7500.0
    offset: float = 0.01
    example_frames: int = 96

    def count_examples(self, samples: int) -> int:
        """Complete examples in a sound of that many samples."""
        reach = (self.example_frames - 1) * self.hop + self.window
        return max(0, (samples - reach) // (self.example_frames * self.hop) + 1)

    def make_mel_matrix(self) -> np.ndarray:
        """Weights from FFT bins to mel bands, float64 (fft // 2 + 1, bands), in [0, 1]."""
        matrix = mel_triangles(self.sample_rate, self.fft, self.bands, self.low, self.high)
        matrix[0] = 0.0
        return matrix

    def iterate_blocks(self, samples: np.ndarray, size: int = CPU_BATCH) -> Iterator[torch.Tensor]:
        """Yield float32 (n, 96, 64) with n up to ``size``, in the order of time.

        Args:
            samples: (n,) mono, in [-1, 1], at ``sample_rate``.
            size: Examples at a time; memory does not grow with the length of the sound.
        """
        matrix = torch.from_numpy(self.make_mel_matrix())
        taper = torch.hann_window(self.window, dtype=torch.float64)
        count = self.count_examples(len(samples))
        for first in range(0, count, size):
            rows = min(size, count - first) * self.example_frames
            start = first * self.example_frames * self.hop
            piece = samples[start : start + (rows - 1) * self.hop + self.window]
            frames = torch.from_numpy(piece.astype(np.float64)).unfold(0, self.window, self.hop)
            magnitude = torch.fft.rfft(frames * taper, self.fft).abs()  # (rows, fft // 2 + 1)
            log_mel = (magnitude @ matrix).add_(self.offset).log_().float()  # (rows, bands)
            yield log_mel.view(-1, self.example_frames, self.bands)


VARIANTS = {
    "regnn": FrontEnd(sample_rate=24000, window=600, hop=10, fft=1024),
    "original": FrontEnd(sample_rate=16000, window=400, hop=160, fft=512),
}
"""``original`` is AudioSet's: an example per 0.96 s. ``regnn`` is what the REGNN baseline of REACT
2024 changed it to: 96 frames advance by 960 samples, 40 ms, so there is an example per video frame.
It hears 95 * 10 + 600 = 1550 samples, 64.6 ms from its tick on."""


class VGGishNetwork(nn.Module):
    """Log-mel examples (N, 96, 64) to embeddings (N, 128), each value at least 0.

    Six 3x3 convolutions and three linear layers, a ReLU after every one of them, the last included.
    """

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for outputs, pooled in CHANNELS:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pooled else []
            inputs = outputs
        self.features = nn.Sequential(*layers)
        sizes = itertools.pairwise((512 * 6 * 4, 4096, 4096, EMBEDDING))
        linear = [(nn.Linear(before, after), nn.ReLU()) for before, after in sizes]
        self.embeddings = nn.Sequential(*itertools.chain.from_iterable(linear))

    def convolve(self, examples: torch.Tensor) -> torch.Tensor:
        """(N, 96, 64) to the last feature map (N, 12288): time 6, mel 4, channel 512."""
        return self.features(examples[:, None]).permute(0, 2, 3, 1).flatten(1)

    def forward(self, examples: torch.Tensor) -> torch.Tensor:
        """(N, 96, 64) to (N, 128)."""
        return self.embeddings(self.convolve(examples))


def build_network(state: dict[str, torch.Tensor]) -> VGGishNetwork:
    """Make a network from a state dict (keys ``features.*``, ``embeddings.*``), for inference.

    Keys may carry a ``module.`` prefix; ``pproc.*`` keys are the PCA's.

    Raises:
        InputError: Keys missing, unknown or of another shape.
    """
    with torch.device("meta"):  # no time spent on values that are replaced anyway
        network = VGGishNetwork()
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    state = {key.removeprefix("module."): value for key, value in state.items()}
    found = {k: tuple(v.shape) for k, v in state.items() if not k.startswith("pproc.")}
    if differing := tell_difference(found, wanted):
        raise InputError(f"these are not VGGish weights: {differing}")
    network.load_state_dict({key: state[key].to(torch.float32) for key in wanted}, assign=True)
    return network.requires_grad_(False).eval()


class PCAQuantizer:
    """PCA, clipping to [-2, 2] and quantisation to whole numbers from 0 to 255.

    y = P (e - mu); round((clip(y, -2, 2) + 2) * 255 / 4), halves to even.

    Args:
        eigen_vectors: P, (128, 128).
        means: mu, (128,) or (128, 1).
    """

    def __init__(self, eigen_vectors: torch.Tensor, means: torch.Tensor):
        if tuple(eigen_vectors.shape) != (EMBEDDING, EMBEDDING) or means.numel() != EMBEDDING:
            raise InputError(
                f"PCA parameters have shapes {tuple(eigen_vectors.shape)} and "
                f"{tuple(means.shape)}; expected ({EMBEDDING}, {EMBEDDING}) and ({EMBEDDING},)"
            )
        self.eigen_vectors = eigen_vectors.detach().to("cpu", torch.float32)
        self.means = means.detach().reshape(EMBEDDING, 1).to("cpu", torch.float32)

    def project(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(N, 128) to (N, 128), before clipping."""
        return (self.eigen_vectors @ (embeddings.T - self.means)).T

    def quantize(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(N, 128) to float32 (N, 128), whole numbers from 0 to 255."""
        clipped = self.project(embeddings).clamp_(-CLIP, CLIP)
        return clipped.add_(CLIP).mul_(LEVELS / (2 * CLIP)).round_()


@dataclass(frozen=True)
class LoadedVGGish:
    """What the extractor runs: ``weights`` names and digests it; no ``quantizer``: no PCA step."""

    network: VGGishNetwork
    quantizer: PCAQuantizer | None
    weights: str
    pretrained: bool


def draw_random(seed: int) -> LoadedVGGish:
    """Network and PCA for runs without the published ones.

    He's scale keeps the size of the signal through the ReLUs. From the second layer on every
    unit's weights add up to zero: without that, the common positive part of the activations
    grows from layer to layer until all sounds are mapped to nearly the same direction. The PCA is
    a random orthogonal matrix times 1.5, with means 0.4, which spreads the quantised values of
    speech over 0 to 255 with a few per cent at the ends.
    """
    draw = RandomWeights("vggish", seed)
    with torch.device("meta"):
        shapes = {key: tuple(v.shape) for key, v in VGGishNetwork().state_dict().items()}
    state = {}
    for key, shape in shapes.items():
        is_bias = len(shape) == 1
        state[key] = draw.constant(key, shape, 0.0) if is_bias else draw.he(key, shape)
        if not is_bias and key != "features.0.weight":
            axes = tuple(range(1, len(shape)))
            # In float64, so that the order of summation does not show after rounding.
            state[key].sub_(state[key].double().mean(dim=axes, keepdim=True))
    vectors = draw.hadamard("pca_eigen_vectors", EMBEDDING, scale=1.5)
    means = draw.constant("pca_means", (EMBEDDING,), 0.4)
    network = build_network(state)
    return LoadedVGGish(network, PCAQuantizer(vectors, means), draw.describe(), pretrained=False)


def load_vggish(
    weights: str, pca: str | None, postprocess: bool, seed: int, folder: str | Path | None
) -> LoadedVGGish:
    """Network and PCA step for the settings of the same names of ``VGGish``.

    Raises:
        InputError: Weights that cannot be had or are not VGGish's, or PCA parameters that are
            asked for and not given.
    """
    resolved = fetch.resolve(weights, folder)
    if resolved.path is None:
        drawn = draw_random(seed)
        return drawn if postprocess else replace(drawn, quantizer=None)
    state = load_torch(resolved.path)
    text = resolved.describe()
    try:
        network = build_network(state)
    except InputError as error:
        raise InputError(f"{resolved.path}: {error}") from error
    if not postprocess:
        return LoadedVGGish(network, None, text, pretrained=True)
    inside = [f"pproc.{key}" for key in PCA_KEYS]
    if pca is None and all(key in state for key in inside):
        quantizer = PCAQuantizer(*(state[key] for key in inside))
        return LoadedVGGish(network, quantizer, text, pretrained=True)
    if pca is None and weights in registry.REGISTRY:
        pca = "vggish_pca"
    if pca is None:
        raise InputError(
            f"{resolved.path}: no PCA parameters in this file; name their file as `pca`, or set "
            "`postprocess: false` to use the network's own embeddings"
        )
    found = fetch.resolve(pca, folder)
    if found.path is None:
        raise InputError("vggish: `pca: random` goes with `weights: random` only")
    return LoadedVGGish(network, read_pca(found.path), f"{text}; {found.describe()}", True)


def read_pca(path: Path) -> PCAQuantizer:
    """Read a file with ``pca_eigen_vectors`` and ``pca_means``.

    Raises:
        InputError: Not such a file.
    """
    content = load_torch(path)
    missing = [key for key in PCA_KEYS if key not in content]
    if missing:
        raise InputError(f"{path}: {', '.join(missing)} missing; found {', '.join(content)}")
    return PCAQuantizer(*(torch.as_tensor(content[key]) for key in PCA_KEYS))


class VGGish:
    """VGGish in REGNN's variant: 25 embeddings of 128 values per second.

    Row t hears 64.6 ms of sound from tick t on (samples 960 t to 960 t + 1550 at 24 kHz). For the
    last tick there are only 40 ms; the reference implementation makes one row less than there are
    ticks and repeats the last one where a row is missing. So does this class, and it marks that
    frame as not valid.

    The reference decodes a clip at the file's own rate and resamples with resampy's
    ``kaiser_best``; here the sound comes already at 24 kHz (``react24.media.sound.read_sound``).
    The filters differ a little near 12 kHz, beyond the highest band (7.5 kHz).

    Args:
        weights: ``random``, a name of the weights registry (``vggish``), or a file with a state
            dict, which may include the PCA as ``pproc.pca_eigen_vectors`` and ``pproc.pca_means``.
        pca: File or registry name of the PCA parameters; None means: random ones with random
            weights, those in the weights file if it has them, else the registry's ``vggish_pca``
            if ``weights`` is a registry name.
        postprocess: True gives whole numbers from 0 to 255, as the reference does; False gives
            the network's embeddings (>= 0).
        variant: ``regnn``, or ``original`` (16 kHz, one embedding per 0.96 s; only ``embed``).
        seed: For random weights.
        device: ``cpu``, ``cuda`` (or ``cuda:1`` ...), or ``auto``.
        convolution: ``winograd`` (processor only, about twice as fast), ``direct``, or ``auto``.
        weights_folder: Where published weights are kept, if elsewhere than usual.

    Raises:
        InputError: A setting that is not known, or weights that cannot be had.
    """

    name = "vggish"
    backend = "vggish"

    def __init__(
        self,
        weights: str = "random",
        *,
        pca: str | None = None,
        postprocess: bool = True,
        variant: str = "regnn",
        seed: int = 0,
        device: str = "auto",
        convolution: str = "auto",
        weights_folder: str | Path | None = None,
    ):
        if variant not in VARIANTS:
            raise InputError(f"vggish variant {variant!r}; accepted: {', '.join(VARIANTS)}")
        self.variant = variant
        self.front_end = VARIANTS[variant]
        self.sample_rate = self.front_end.sample_rate
        self.feature_names = tuple(f"vggish_{i:03d}" for i in range(EMBEDDING))
        self.device = choose_device(device)
        use_winograd = self._choose_winograd(convolution)
        loaded = load_vggish(weights, pca, postprocess, seed, weights_folder)
        self.weights, self.pretrained = loaded.weights, loaded.pretrained
        self.quantizer = loaded.quantizer
        self._network = loaded.network.to(self.device)
        self._convolve = self._network.convolve
        if use_winograd:
            from react24.streams.vggish_fast import WinogradConvolutions

            self._convolve = WinogradConvolutions(self._network.features)
        elif self.device.type == "cpu":
            self._network.to(memory_format=torch.channels_last)  # a quarter faster

    def extract(self, source: SoundSource) -> Features:
        """Embed the sound of one role.

        Args:
            source: Sound at ``sample_rate`` (24 kHz) and the number of ticks T.

        Returns:
            Features with values (T, 128). ``valid`` is False at the last tick (a copy of the row
            before it) and where a row hears padding or sound marked unknown.

        Raises:
            InputError: Sound that does not fit, fewer than two ticks, or the original variant.
        """
        if self.variant != "regnn":
            raise InputError("vggish variant original gives a row per 0.96 s; use embed()")
        sound = align_to_ticks(source, self.sample_rate)
        if source.frames < 2:
            raise InputError(f"{source.name}: {source.frames} frame; vggish needs at least two")
        rows = self.embed(sound.samples, what=f"vggish of {source.name}")
        values = np.concatenate([rows, rows[-1:]])  # (T, 128)
        # A row hears its own tick and 590 samples of the next.
        valid = sound.known & np.append(sound.known[1:], False)
        return Features(
            values=values,
            valid=valid,
            feature_names=self.feature_names,
            stream=self.name,
            backend=self.backend,
            pretrained=self.pretrained,
            weights=self.weights,
        )

    def embed(self, samples: np.ndarray, *, what: str = "vggish") -> np.ndarray:
        """Embed a sound of any length, without the repeated last row.

        Args:
            samples: (n,) mono in [-1, 1], at ``sample_rate``.
            what: What progress messages call it.

        Returns:
            float32 (count, 128), count = ``front_end.count_examples(n)``.
        """
        count = self.front_end.count_examples(len(samples))
        out = np.empty((count, EMBEDDING), np.float32)
        size = CPU_BATCH if self.device.type == "cpu" else GPU_BATCH
        convolved, joined = (
            FittingBatches(n, what=what, unit="examples", advice=ROOM_TO_MAKE)
            for n in (size, LINEAR_BATCH + size)
        )
        blocks = self.front_end.iterate_blocks(samples, size)
        waiting: list[torch.Tensor] = []
        done = 0
        with torch.inference_mode():
            for block in progress(blocks, what=what, unit="block", total=-(-count // size)):
                waiting += convolved.run(lambda part: self._convolve(part.to(self.device)), block)
                done += len(block)
                if sum(map(len, waiting)) >= LINEAR_BATCH or done == count:
                    made = joined.run(
                        lambda p: self._network.embeddings(p).cpu(), torch.cat(waiting)
                    )
                    rows = torch.cat(made)
                    rows = self.quantizer.quantize(rows) if self.quantizer else rows
                    out[done - len(rows) : done] = rows.numpy()
                    waiting.clear()
        return out

    def _choose_winograd(self, convolution: str) -> bool:
        if convolution not in ("auto", "winograd", "direct"):
            raise InputError(
                f"vggish convolution {convolution!r}; accepted: auto, winograd, direct"
            )
        on_cpu = self.device.type == "cpu"
        if convolution == "winograd" and not on_cpu:
            raise InputError("vggish convolution winograd runs on a processor only; use auto")
        return on_cpu and convolution != "direct"
