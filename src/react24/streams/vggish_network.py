"""The VGGish network and its PCA step, with the key names of the published weights.

Reference: Hershey et al., "CNN architectures for large-scale audio classification", ICASSP 2017,
in the shape in which the torchvggish weights come: six 3x3 convolutions and three linear layers,
a ReLU after every one of them including the last, then PCA and quantisation to 8 bits.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn

from react24.errors import InputError

EMBEDDING = 128
_CONVOLUTIONS = ((0, 1, 64, True), (3, 64, 128, True), (6, 128, 256, False), (8, 256, 256, True))
CONVOLUTIONS = (*_CONVOLUTIONS, (11, 256, 512, False), (13, 512, 512, True))
"""(index in ``features``, channels in, channels out, followed by a 2x2 max pool)."""
CLIP = 2.0
LEVELS = 255.0


class VGGishNetwork(nn.Module):
    """Log-mel examples (N, 96, 64) to embeddings (N, 128), each value at least 0."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        for _, inputs, outputs, pooled in CONVOLUTIONS:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pooled else []
        self.features = nn.Sequential(*layers)
        sizes = (512 * 6 * 4, 4096, 4096, EMBEDDING)
        self.embeddings = nn.Sequential(
            *(
                layer
                for inputs, outputs in itertools.pairwise(sizes)
                for layer in (nn.Linear(inputs, outputs), nn.ReLU())
            )
        )

    def convolve(self, examples: torch.Tensor) -> torch.Tensor:
        """(N, 96, 64) to the last feature map (N, 512, 6, 4): channel, time, mel."""
        return self.features(examples[:, None])

    def forward(self, examples: torch.Tensor) -> torch.Tensor:
        """(N, 96, 64) to (N, 128)."""
        maps = self.convolve(examples).permute(0, 2, 3, 1)  # (N, time 6, mel 4, channel 512)
        return self.embeddings(maps.reshape(len(maps), -1))


def build_network(state: dict[str, torch.Tensor]) -> VGGishNetwork:
    """Make a network from a state dict (keys ``features.*``, ``embeddings.*``), for inference.

    Keys may carry a ``module.`` prefix; ``pproc.*`` keys are left to ``read_pca``.

    Raises:
        InputError: Keys missing, unknown or of another shape.
    """
    with torch.device("meta"):  # no time spent on values that are replaced anyway
        network = VGGishNetwork()
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    state = {key.removeprefix("module."): value for key, value in state.items()}
    found = {k: tuple(v.shape) for k, v in state.items() if not k.startswith("pproc.")}
    if found != wanted:
        differing = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
        key = differing[0]
        raise InputError(
            f"these are not VGGish weights: {len(differing)} tensors differ, e.g. {key}: expected "
            f"{wanted.get(key, 'no such key')}, found {found.get(key, 'none')}"
        )
    values = {key: state[key].to(torch.float32) for key in wanted}
    network.load_state_dict(values, assign=True)
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
