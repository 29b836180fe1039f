"""Backpropagation through time for ``recurrence``, one step after the other, from the last one.

Gradients of weights are added up in place, step by step, while a step's values are in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from react24.models.belfusion.recurrence_trace import Cell, Layer, Trace


class BackThroughCell:
    """The gradients of a GRU cell.

    ``sums`` (4H, N) holds the gradients of what is summed inside the cell: the new state's
    recurrent part, reset gate, keep gate, the new state's input part. Its first 3H rows are what
    the state was multiplied into, its last 3H rows what the input was.

    Attributes:
        state: (H, N), gradient of the state after the step that comes next.
    """

    def __init__(self, cell: Cell, trace: Trace, *, weights: bool):
        """Args: the cell, its trace, and whether its weights need gradients."""
        self.cell, self.trace, self.weights = cell, trace, weights
        hidden, windows = trace.new[0].shape
        like = trace.new[0]
        self.sums = like.new_empty(4 * hidden, windows)
        self.parts = self.sums.chunk(4)
        self.of_state_sums, self.of_input_sums = self.sums[: 3 * hidden], self.sums[hidden:]
        self.state, self.spare = like.new_zeros(hidden, windows), like.new_empty(hidden, windows)
        # The recurrent part's sum is for its bias alone.
        self.first = 0 if weights else hidden
        self.total = like.new_zeros(4 * hidden - self.first, windows)
        self.from_state = torch.cat([cell.state[2 * hidden :], cell.state[: 2 * hidden]])
        self.state_weight = torch.zeros_like(self.from_state)
        self.input_weight = cell.input.new_zeros(cell.input.T.shape)  # (D, 3H): faster this way

    def step(self, t: int) -> None:
        """From the gradient of the state after step ``t`` to that of the state before it.

        Not before step 0, which begins with zeros.
        """
        trace, after, spare = self.trace, self.state, self.spare
        state, new, keep = trace.states[t], trace.new[t], trace.keep[t]
        of_recurrent, of_reset, of_keep, of_new = self.parts
        torch.sub(state, new, out=spare).mul_(after)
        _sigmoid_back(spare, keep, of_keep)
        torch.mul(after, keep, out=spare)
        _tanh_back(after.sub_(spare), new, of_new)
        torch.mul(of_new, trace.reset[t], out=of_recurrent)
        torch.mul(of_new, trace.recurrent[t], out=of_reset)
        _sigmoid_back(of_reset, trace.reset[t], of_reset)
        self.total.add_(self.sums[self.first :])
        self.state, self.spare = spare, after
        if self.weights:
            self.input_weight.addmm_(trace.inputs[t], self.of_input_sums.T)
        if t == 0:
            return
        self.state.addmm_(self.from_state.T, self.of_state_sums)
        if self.weights:
            self.state_weight.addmm_(self.of_state_sums, state.T)

    def of_input(self, out: Tensor) -> None:
        """Gradient (D, N) of the input of the step just done."""
        torch.mm(self.cell.input.T, self.of_input_sums, out=out)

    def of_constant(self) -> Tensor:
        """Gradient (3H, N) of what is added to the input's part at every step."""
        return self.total[self.cell.hidden - self.first :]

    def of_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of input weight, state weight and state bias, in torch's order of rows."""
        hidden = self.cell.hidden
        rows = torch.cat([self.state_weight[hidden:], self.state_weight[:hidden]])
        bias = self.total[: 3 * hidden].sum(1).roll(-hidden)
        return self.input_weight.T, rows, bias


class BackThroughLayers:
    """The gradients of the layers that read a frame off the state."""

    def __init__(self, layers: Sequence[Layer], trace: Trace, *, weights: bool):
        """Args: the layers, their trace, and whether their weights need gradients."""
        self.layers, self.trace, self.weights = layers, trace, weights
        self.buffers = [torch.empty_like(values[0]) for values in trace.features]
        self.of_weight = [torch.zeros_like(layer.weight) for layer in layers]
        like, windows = trace.new[0], trace.new[0].shape[-1] if weights else 0
        self.totals = [like.new_zeros(len(layer.bias), windows) for layer in layers]

    def step(self, t: int, gradient: Tensor, of_state: Tensor) -> None:
        """Add what the ``gradient`` (D, N) of frame ``t`` means to ``of_state`` (H, N)."""
        inputs = [self.trace.states[t + 1], *(values[t] for values in self.trace.features)]
        for i in reversed(range(len(self.layers))):
            if self.weights:
                self.of_weight[i].addmm_(gradient, inputs[i].T)
                self.totals[i].add_(gradient)
            weight = self.layers[i].weight
            if i == 0:
                of_state.addmm_(weight.T, gradient)
            else:
                gradient = torch.mm(weight.T, gradient, out=self.buffers[i - 1])
                _tanh_back(gradient, inputs[i], gradient)

    def of_weights(self) -> list[Tensor]:
        """Gradients of weight and bias, layer after layer."""
        pairs = zip(self.of_weight, self.totals, strict=True)
        return [tensor for weight, total in pairs for tensor in (weight, total.sum(1))]


def _sigmoid_back(gradient: Tensor, output: Tensor, out: Tensor) -> None:
    torch.ops.aten.sigmoid_backward.grad_input(gradient, output, grad_input=out)


def _tanh_back(gradient: Tensor, output: Tensor, out: Tensor) -> None:
    torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=out)
