"""Random weights that do not depend on the machine, for runs without the published ones."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch


class RandomWeights:
    """Draws tensors whose values depend only on seed, network name, key and shape.

    NumPy's PCG64 generator is used instead of torch's, whose normal numbers differ with the
    processor's vector width. The order in which tensors are drawn does not matter to their values.

    Args:
        network: Name mixed into every tensor's seed.
        seed: Chosen by the user.
    """

    def __init__(self, network: str, seed: int):
        self.network = network
        self.seed = seed
        self._digest = hashlib.sha256()

    def normal(self, key: str, shape: tuple[int, ...], std: float) -> torch.Tensor:
        """Float32 tensor of N(0, std²)."""
        values = self._generator(key).standard_normal(shape, dtype=np.float32)
        values *= np.float32(std)
        return self._record(key, values)

    def he(self, key: str, shape: tuple[int, ...]) -> torch.Tensor:
        """Weights that keep the second moment through a ReLU: N(0, 2 / fan in) (He et al. 2015)."""
        return self.normal(key, shape, math.sqrt(2.0 / math.prod(shape[1:])))

    def constant(self, key: str, shape: tuple[int, ...], value: float) -> torch.Tensor:
        """Float32 tensor of one value."""
        return self._record(key, np.full(shape, value, np.float32))

    def hadamard(self, key: str, size: int, scale: float) -> torch.Tensor:
        """A random orthogonal matrix times ``scale``: (size, size), size a power of two.

        Hadamard's matrix with its rows shuffled and its columns given random signs. It needs no
        matrix factorisation, whose last digits depend on the linear algebra library.
        """
        matrix = np.ones((1, 1), np.float32)
        while len(matrix) < size:
            matrix = np.block([[matrix, matrix], [matrix, -matrix]])
        generator = self._generator(key)
        matrix = matrix[generator.permutation(size)] * generator.choice((-1.0, 1.0), size)
        return self._record(key, (matrix * (scale / math.sqrt(size))).astype(np.float32))

    def describe(self) -> str:
        """Name and digest of everything drawn so far, in the order in which it was drawn."""
        return f"random-{self.network}-seed{self.seed} {self._digest.hexdigest()}"

    def _generator(self, key: str) -> np.random.Generator:
        text = f"{self.network}:{self.seed}:{key}".encode()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:16], "big"))

    def _record(self, key: str, values: np.ndarray) -> torch.Tensor:
        self._digest.update(key.encode())
        self._digest.update(memoryview(values).cast("B"))
        return torch.from_numpy(values)
