"""REGNN, cognitive and motor processors: from fused features to a point, edges, and reactions.

A window of behaviour is a graph: 25 nodes, one per channel, with the 50 frames as features. The
cognitive processor makes a point of that shape and the edges between the nodes; the motor
processor maps real reactions to such points and, run backwards, points to reactions.

Everywhere below B is windows, K the reactions of each window (targets in training, samples in
sampling), N nodes, D frames, P kinds of edges. The K reactions of a window have the same edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from react24.models.regnn.settings import NetworkConfig

SMALLEST_SUM = 1e-16
SMALLEST_VARIANCE = 1e-5
LIPSCHITZ_MARGIN = 5.0
"""Added to the norm that the messages of a motor layer are divided by."""


class InverseError(RuntimeError):
    """The motor processor could not be run backwards."""


class _Squash(torch.autograd.Function):
    """The sigmoid of ELU, one exponential instead of two slow passes of ``expm1``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        below = x.clamp(max=0).exp_()
        value = x.clamp(min=0).add_(below).sub_(1).sigmoid_()
        ctx.save_for_backward(below, value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        below, value = ctx.saved_tensors  # the slope of ELU is ``below`` on both sides
        return gradient * below * (value - value.square())


def squash(x: Tensor) -> Tensor:
    """sigmoid(ELU(x)), any shape."""
    return _Squash.apply(x)


def gelu_mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, exact GELU, linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


class EdgeLayer(nn.Module):
    """Edges between the nodes of a point, each kind on its own.

    Attention weights, of which each node keeps the largest; then normalised by row and by column
    and multiplied, so that nodes are neighbours that have neighbours in common.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        frames = config.window
        self.channels, self.neighbours = config.edge_channels, config.edge_neighbours
        self.mask, self.scale = config.edge_mask, frames**-0.5
        self.mix = gelu_mlp(frames, frames, frames)
        self.project = nn.Linear(frames, 2 * self.channels * frames, bias=False)

    def forward(self, point: Tensor) -> Tensor:
        """(B, N, D) -> (B, P, N, N)."""
        attention = self.attention(point)
        masked = attention * self.keep(attention.detach().sum(1)).unsqueeze(1)
        rows = masked / (masked.sum(-1, keepdim=True) + SMALLEST_SUM)
        columns = rows / (rows.sum(-2, keepdim=True) + SMALLEST_SUM)
        return rows @ columns.transpose(-1, -2)

    def attention(self, point: Tensor) -> Tensor:
        """Before anything is left out: (B, N, D) -> (B, P, N, N), rows sum to 1."""
        projected = self.project(self.mix(point)).unflatten(-1, (2, self.channels, -1))
        queries, keys = projected.permute(2, 0, 3, 1, 4)  # (B, P, N, D) each
        return torch.softmax(queries @ keys.transpose(-1, -2) * self.scale, dim=-1)

    def keep(self, strength: Tensor) -> Tensor:
        """Which entries stay: (B, N, N) summed attention -> bool (B, N, N).

        The diagonal and each row's largest entries. With ``edge_mask: union`` a column that one
        row chose stays in all rows: that is what the official loop does.
        """
        best = strength.topk(self.neighbours, dim=-1).indices
        chosen = torch.zeros_like(strength, dtype=torch.bool).scatter_(-1, best, True)
        if self.mask == "union":
            chosen = chosen.any(dim=-2, keepdim=True)
        return chosen | torch.eye(strength.shape[-1], dtype=torch.bool, device=strength.device)


class CognitiveProcessor(nn.Module):
    """Fused features to the speaker's point and its edges.

    ``components`` are in official files; what they make (means of a mixture of
    Gaussians) is used by nothing, so they are neither trained nor computed.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        frames = config.window
        self.to_nodes = gelu_mlp(config.fused, config.fused // 2, config.nodes)
        self.edges = EdgeLayer(config)
        self.components = nn.ModuleList(
            gelu_mlp(frames, frames, frames) for _ in range(config.components)
        ).requires_grad_(False)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D, fused) -> point (B, N, D), edges (B, P, N, N)."""
        point = self.to_nodes(fused).transpose(-1, -2)
        return point, self.edges(point)


class ActNorm(nn.Module):
    """A scale and an offset per node (Kingma and Dhariwal 2018)."""

    def __init__(self, nodes: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(nodes))
        self.shift = nn.Parameter(torch.zeros(nodes))

    def forward(self, x: Tensor) -> Tensor:
        """(..., N, D) -> (..., N, D)."""
        return torch.addcmul(self.shift.unsqueeze(-1), x, self.log_scale.exp().unsqueeze(-1))

    def inverse(self, y: Tensor) -> Tensor:
        """Undo ``forward``."""
        return (y - self.shift.unsqueeze(-1)) * (-self.log_scale).exp().unsqueeze(-1)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Make the output for ``x`` (n, N, D) have mean 0 and variance 1 at each node."""
        by_node = x.transpose(0, 1).flatten(1)  # (N, n * D)
        mean, variance = by_node.mean(1), by_node.var(1, correction=0)
        self.log_scale.copy_(-0.5 * (variance + SMALLEST_VARIANCE).log())
        self.shift.copy_(-mean * self.log_scale.exp())


class GraphAttention(nn.Module):
    """Messages between the nodes, small enough for ``x + message`` to be undone."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        frames = config.window
        self.scale = frames**-0.5
        self.channel_weights = nn.Parameter(torch.ones(config.edge_channels))
        self.project = nn.Linear(frames, 2 * frames)  # rows: queries, keys

    @torch.no_grad()
    def lipschitz(self) -> Tensor:
        """What messages are divided by: the norm ||I + 2 D^-1/2 Wq Wk^T||_2 + 5, 0-dimensional."""
        weight = self.project.weight.float()
        with torch.autocast(weight.device.type, enabled=False):
            queries, keys = weight.chunk(2)
            product = 2 * self.scale * (queries @ keys.T)
            product.diagonal().add_(1)
            return torch.linalg.matrix_norm(product, ord=2) + LIPSCHITZ_MARGIN

    def forward(self, x: Tensor, edges: Tensor, lipschitz: Tensor) -> Tensor:
        """The messages that each node gets: (B, K, N, D) and (B, N, P, N) -> (B, K, N, D).

        An edge has a row node, a kind and a column node. Officially sum_p w_p G_p v / (lip sum w),
        with G_p the row-normalised product of attention and edges of kind p. As all G_p have the
        same attention A, their sum is A times one matrix: sum_p (w_p / s_p) edge_p, s_p the row
        sums. Nothing of size K x P x N x N is made.
        """
        values = squash(x)
        queries, keys = self.project(values).chunk(2, dim=-1)
        attention = torch.softmax(queries @ keys.transpose(-1, -2) * self.scale, dim=-1)
        attention = attention.transpose(1, 2)  # (B, N, K, N)
        sums = attention @ edges.transpose(-1, -2)  # (B, N, K, P)
        weights = self.channel_weights / (self.channel_weights.sum() * lipschitz)
        graph = attention * ((weights / sums) @ edges)  # (B, N, K, N)
        return graph.transpose(1, 2) @ values


@dataclass(frozen=True)
class Inverse:
    """Result of an inversion: ``x`` and the ``steps`` it took each reaction, (C, K)."""

    x: Tensor
    steps: Tensor


class MotorLayer(nn.Module):
    """ActNorm, then x + messages; reversible by a fixed point iteration."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.norm = ActNorm(config.nodes)
        self.attention = GraphAttention(config)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """(B, K, N, D), (B, N, P, N) -> (B, K, N, D)."""
        x = self.norm(x)
        return x + self.attention(x, edges, self.attention.lipschitz())

    def inverse(self, y: Tensor, edges: Tensor, *, iterations: int, tolerance: float) -> Inverse:
        """Undo ``forward`` by x <- y - messages(x), starting at y.

        The windows of one reaction are iterated together until none of their numbers moves by more
        than ``tolerance``; one reaction does not depend on the others.

        Args:
            y: (C, W, K, N, D): clips, windows of a clip, reactions.
            edges: (C * W, N, P, N).
            iterations: At most so many.
            tolerance: Of the iteration, and of the check of its result.

        Raises:
            InverseError: The result, put forward again, is off by more than ``tolerance``.
        """
        lipschitz = self.attention.lipschitz()

        def messages(x: Tensor) -> Tensor:
            return self.attention(x.flatten(0, 1), edges, lipschitz).view_as(y)

        x = y
        steps = torch.zeros(y.shape[0], y.shape[2], dtype=torch.int64, device=y.device)  # (C, K)
        active = steps == 0
        for _ in range(iterations):
            new = y - messages(x)
            moved = (new - x).abs().amax((1, 3, 4))
            # A reaction that has settled stays what it is whatever the others still do.
            x = torch.where(active[:, None, :, None, None], new, x)
            steps += active
            active = active & ~(moved <= tolerance)
            if not active.any():
                break
        off = (y - x - messages(x)).abs().amax()
        if not off <= tolerance:
            raise InverseError(
                f"the motor processor could not be inverted: after {int(steps.max())} steps the "
                f"result is off by {float(off):.3g}, accepted is {tolerance:.3g}. Raise "
                "sampling.iterations (or sampling.tolerance); if it does not converge at all, "
                "train with a lower learning rate or more weight decay"
            )
        return Inverse(self.norm.inverse(x), steps)


class MotorProcessor(nn.Module):
    """The reversible graph network.

    ``rotation`` holds the factors of an orthogonal matrix that official files have and nothing
    uses. ``initialised`` says whether the ActNorms have seen data.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.layers = nn.ModuleList(MotorLayer(config) for _ in range(config.motor_layers))
        self.rotation = Rotation(config.window)
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))

    def forward(self, reactions: Tensor, edges: Tensor) -> Tensor:
        """Reactions to points: (B, K, N, D), (B, P, N, N) -> (B, K, N, D)."""
        by_row = rows_first(edges)
        for layer in self.layers:
            reactions = layer(reactions, by_row)
        return reactions

    @torch.no_grad()
    def initialise(self, reactions: Tensor, edges: Tensor, present: Tensor) -> None:
        """Set the ActNorms, layer by layer, from reactions (B, K, N, D) with edges (B, P, N, N).

        Those of ``present``, bool (B, K), are there.
        """
        by_row = rows_first(edges)
        for layer in self.layers:
            layer.norm.initialise(reactions[present])
            reactions = layer(reactions, by_row)
        self.initialised.fill_(True)

    @torch.no_grad()
    def inverse(
        self,
        points: Tensor,
        edges: Tensor,
        *,
        iterations: int,
        tolerance: float,
        steps: list[Tensor] | None = None,
    ) -> Tensor:
        """Points to reactions.

        Args:
            points: (C, W, K, N, D): clips, windows of a clip, reactions.
            edges: (C * W, P, N, N).
            iterations: Most steps of the fixed point iteration per layer.
            tolerance: See ``MotorLayer.inverse``.
            steps: Where given, receives the steps (C, K) of each layer, the last layer first.

        Returns:
            (C, W, K, N, D).
        """
        by_row = rows_first(edges)
        for layer in reversed(self.layers):
            done = layer.inverse(points, by_row, iterations=iterations, tolerance=tolerance)
            points = done.x
            if steps is not None:
                steps.append(done.steps)
        return points


def rows_first(edges: Tensor) -> Tensor:
    """(B, P, N, N) -> contiguous (B, N, P, N)."""
    return edges.transpose(1, 2).contiguous()


class Rotation(nn.Module):
    """The factors of a random orthogonal matrix: permutation x lower x (upper + diagonal).

    Nothing uses them; the diagonal is sign x exp(log_scale).
    """

    def __init__(self, size: int):
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(size, size)).Q
        permutation, lower, upper = torch.linalg.lu(rotation)
        signed = upper.diagonal()
        factors = {
            "permutation": permutation,
            "sign": signed.sign(),
            "lower": lower,
            "log_scale": signed.abs().log(),
            "upper": upper.triu(1),
        }
        for name, value in factors.items():
            self.register_buffer(name, value.clone())
