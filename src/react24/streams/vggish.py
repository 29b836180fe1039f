"""VGGish embeddings of the speaker's sound, one per video frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from react24.devices import choose_device
from react24.errors import InputError
from react24.files.contract import Features
from react24.log import progress
from react24.streams.sources import SoundSource, align_to_ticks
from react24.streams.vggish_fast import FastVGGish, rebatch
from react24.streams.vggish_frontend import ORIGINAL, REGNN, LogMel
from react24.streams.vggish_network import EMBEDDING
from react24.streams.vggish_weights import load_vggish
from react24.weights import registry as weights_registry

VARIANTS = {"regnn": REGNN, "original": ORIGINAL}
GPU_BATCH = 64


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
        weights_folder: Where published weights are kept.

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
        weights_folder: str | Path = weights_registry.DEFAULT_FOLDER,
    ):
        if variant not in VARIANTS:
            raise InputError(f"vggish variant {variant!r}; accepted: {', '.join(VARIANTS)}")
        self.variant = variant
        self.front_end = VARIANTS[variant]
        self.sample_rate = self.front_end.sample_rate
        self.postprocess = postprocess
        self.feature_names = tuple(f"vggish_{i:03d}" for i in range(EMBEDDING))
        self.device = choose_device(device)
        use_fast = self._choose_fast(convolution)
        loaded = load_vggish(weights, pca, postprocess, seed, Path(weights_folder))
        network, self.quantizer, self.weights, self.pretrained = loaded
        self._log_mel = LogMel(self.front_end)
        self._network = network.to(self.device)
        self._fast = FastVGGish(self._network) if use_fast else None

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
        blocks = self._log_mel.iterate_blocks(samples)
        first = 0
        with torch.inference_mode():
            for embeddings in self._embed_blocks(_counted(blocks, count, what)):
                if self.quantizer is not None:
                    embeddings = self.quantizer.quantize(embeddings)
                out[first : first + len(embeddings)] = embeddings.numpy()
                first += len(embeddings)
        return out

    def _embed_blocks(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        if self._fast is not None:
            yield from self._fast.embed(blocks)
            return
        for batch in rebatch(blocks, 8 if self.device.type == "cpu" else GPU_BATCH):
            yield self._network(batch.to(self.device)).cpu()

    def _choose_fast(self, convolution: str) -> bool:
        if convolution not in ("auto", "winograd", "direct"):
            raise InputError(
                f"vggish convolution {convolution!r}; accepted: auto, winograd, direct"
            )
        on_cpu = self.device.type == "cpu"
        if convolution == "winograd" and not on_cpu:
            raise InputError("vggish convolution winograd runs on a processor only; use auto")
        return on_cpu and convolution != "direct"


def _counted(blocks: Iterator[torch.Tensor], count: int, what: str) -> Iterator[torch.Tensor]:
    """The same blocks, with progress in examples."""
    examples = (example[None] for block in blocks for example in block)
    yield from progress(examples, what=what, unit="frame", total=count)
