"""The Inception network whose features FRRea compares (FID-Inception, 2048 features).

Inception v3 (Szegedy et al. 2016) with the changes of the network that the Fréchet Inception
Distance was defined with (Heusel et al. 2017): averages over a picture's edge leave the padding
out, and the last block pools by maximum. Same arithmetic and same names of the weights as
``pytorch_fid``, the program of the official protocol.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from react24.devices import ROOM_TO_MAKE, FittingBatches
from react24.errors import InputError

FEATURES = 2048
INPUT = 299
"""Height and width to which pictures are brought."""

CLASSES = 1008
"""Outputs of the published classifier, whose weights lie in the file and are not used."""


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; keeps the size unless it strides."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, *, pad=True
    ):
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if pad and stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H', W')."""
        return F.relu(self.bn(self.conv(x)))


def chain(block: nn.Module, name: str, inputs: int, *steps: tuple) -> None:
    """Add a row of convolutions, each (outputs, kernel[, stride]): ``name_1``, ``name_2``, ..."""
    for number, (outputs, *shape) in enumerate(steps, start=1):
        setattr(block, f"{name}_{number}", Convolution(inputs, outputs, *shape))
        inputs = outputs


def run(block: nn.Module, name: str, x: Tensor, steps: int) -> Tensor:
    """Apply the first convolutions of a row."""
    for number in range(1, steps + 1):
        x = getattr(block, f"{name}_{number}")(x)
    return x


def mean_of_neighbours(x: Tensor) -> Tensor:
    """Mean over 3 x 3; at the edge over what lies inside the picture."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class MixedA(nn.Module):
    """35 x 35: branches of 1, 5 and 3 + 3."""

    def __init__(self, inputs: int, pooled: int):
        super().__init__()
        self.branch1x1 = Convolution(inputs, 64, 1)
        chain(self, "branch5x5", inputs, (48, 1), (64, 5))
        chain(self, "branch3x3dbl", inputs, (64, 1), (96, 3), (96, 3))
        self.branch_pool = Convolution(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 35, 35) to (B, 224 + pooled, 35, 35)."""
        parts = [self.branch1x1(x), run(self, "branch5x5", x, 2), run(self, "branch3x3dbl", x, 3)]
        return torch.cat([*parts, self.branch_pool(mean_of_neighbours(x))], dim=1)


class MixedB(nn.Module):
    """35 x 35 to 17 x 17."""

    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3 = Convolution(inputs, 384, 3, 2)
        chain(self, "branch3x3dbl", inputs, (64, 1), (96, 3), (96, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 35, 35) to (B, inputs + 480, 17, 17)."""
        parts = [self.branch3x3(x), run(self, "branch3x3dbl", x, 3)]
        return torch.cat([*parts, F.max_pool2d(x, 3, stride=2)], dim=1)


class MixedC(nn.Module):
    """17 x 17: branches of 7 x 1 and 1 x 7."""

    def __init__(self, inner: int):
        super().__init__()
        across, down = (1, 7), (7, 1)
        self.branch1x1 = Convolution(768, 192, 1)
        chain(self, "branch7x7", 768, (inner, 1), (inner, across), (192, down))
        steps = ((inner, 1), (inner, down), (inner, across), (inner, down), (192, across))
        chain(self, "branch7x7dbl", 768, *steps)
        self.branch_pool = Convolution(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 768, 17, 17) to the same."""
        parts = [self.branch1x1(x), run(self, "branch7x7", x, 3), run(self, "branch7x7dbl", x, 5)]
        return torch.cat([*parts, self.branch_pool(mean_of_neighbours(x))], dim=1)


class MixedD(nn.Module):
    """17 x 17 to 8 x 8."""

    def __init__(self):
        super().__init__()
        chain(self, "branch3x3", 768, (192, 1), (320, 3, 2))
        chain(self, "branch7x7x3", 768, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 768, 17, 17) to (B, 1280, 8, 8)."""
        parts = [run(self, "branch3x3", x, 2), run(self, "branch7x7x3", x, 4)]
        return torch.cat([*parts, F.max_pool2d(x, 3, stride=2)], dim=1)


class MixedE(nn.Module):
    """8 x 8: branches that end in 1 x 3 beside 3 x 1."""

    def __init__(self, inputs: int, *, pool_maximum: bool):
        super().__init__()
        self._pool_maximum = pool_maximum
        self.branch1x1 = Convolution(inputs, 320, 1)
        chain(self, "branch3x3", inputs, (384, 1))
        chain(self, "branch3x3dbl", inputs, (448, 1), (384, 3))
        for name in ("branch3x3_2", "branch3x3dbl_3"):
            setattr(self, f"{name}a", Convolution(384, 384, (1, 3)))
            setattr(self, f"{name}b", Convolution(384, 384, (3, 1)))
        self.branch_pool = Convolution(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 8, 8) to (B, 2048, 8, 8)."""
        short, long = run(self, "branch3x3", x, 1), run(self, "branch3x3dbl", x, 2)
        parts = [self.branch1x1(x)]
        parts += [getattr(self, f"branch3x3_2{side}")(short) for side in "ab"]
        parts += [getattr(self, f"branch3x3dbl_3{side}")(long) for side in "ab"]
        pooled = F.max_pool2d(x, 3, 1, 1) if self._pool_maximum else mean_of_neighbours(x)
        return torch.cat([*parts, self.branch_pool(pooled)], dim=1)


class Inception(nn.Module):
    """Pictures to features.

    Args:
        weights: The content of ``pt_inception-2015-12-05-6726825d.pth`` or of a file with the same
            keys. There is no default: features of random weights measure nothing.

    Raises:
        InputError: Other keys or shapes.
    """

    num_features = FEATURES

    def __init__(self, weights: Mapping[str, Tensor]):
        super().__init__()
        with torch.device("meta"):  # nothing is drawn for weights that are replaced at once
            self._build()
        try:
            self.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"not the weights of FID-Inception ({reason})") from error
        self.requires_grad_(False).eval()

    @classmethod
    def shapes(cls) -> dict[str, tuple[int, ...]]:
        """Key -> shape of all that the weights must hold."""
        network = cls.__new__(cls)
        nn.Module.__init__(network)
        with torch.device("meta"):
            network._build()
        return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}

    def _build(self) -> None:
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, pad=False)
        self.Mixed_5b = MixedA(192, 32)
        self.Mixed_5c = MixedA(256, 64)
        self.Mixed_5d = MixedA(288, 64)
        self.Mixed_6a = MixedB(288)
        self.Mixed_6b = MixedC(128)
        self.Mixed_6c = MixedC(160)
        self.Mixed_6d = MixedC(160)
        self.Mixed_6e = MixedC(192)
        self.Mixed_7a = MixedD()
        self.Mixed_7b = MixedE(1280, pool_maximum=False)
        self.Mixed_7c = MixedE(2048, pool_maximum=True)
        self.fc = nn.Linear(FEATURES, CLASSES)  # in the file, not used

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB pictures of any size, float32 (B, 3, H, W) in [0, 1], to float32 (B, 2048)."""
        x = F.interpolate(pictures, size=(INPUT, INPUT), mode="bilinear", align_corners=False)
        x = 2 * x - 1
        for name, layer in self.named_children():
            if name == "fc":
                break
            if name in ("Conv2d_3b_1x1", "Mixed_5b"):
                x = F.max_pool2d(x, 3, stride=2)
            x = layer(x)
        return x.mean(dim=(2, 3))


class FittingInception(nn.Module):
    """``Inception`` in batches that a GPU's memory holds; the same arguments, and results.

    Args:
        weights: See ``Inception``.
        size: Pictures at once, at most.
    """

    def __init__(self, weights: Mapping[str, Tensor], size: int):
        super().__init__()
        self.network = Inception(weights)
        self.num_features = self.network.num_features
        self._fitting = FittingBatches(size, what="FRRea", unit="pictures", advice=ROOM_TO_MAKE)

    def forward(self, pictures: Tensor) -> Tensor:
        """See ``Inception``."""
        return torch.cat(self._fitting.run(self.network, pictures))
