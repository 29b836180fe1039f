"""GRUs whose gradients are written out by hand: one that reads a window, one that writes it.

The mathematics is that of ``torch.nn.GRU`` and ``torch.nn.GRUCell`` (gates r, z, n; ``h' = n +
z (h - n)``), step by step. What is different is how it is computed: without a node of autograd
per operation, in buffers made once, with tensors laid out (features, windows), so that gates are
contiguous and a step stays in the cache, and without gradients that nobody asked for.
``recurrence_back`` is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from react24.models.belfusion.activation import scale_for_tanh, tanh_of_scaled_
from react24.models.belfusion.recurrence_back import BackThroughCell, BackThroughLayers
from react24.models.belfusion.recurrence_trace import Cell, Layer, Trace

MOST_WINDOWS = 512
"""Windows worked on at once on a CPU: more would leave the cache at every step."""


def read_window(inputs: Tensor, cell: Cell, input_bias: Tensor) -> Tensor:
    """Last state of a GRU that starts from zeros.

    Args:
        inputs: (N, T, D).
        cell: Weights.
        input_bias: (3H,).

    Returns:
        (N, H).
    """
    weights = (cell.input, cell.state, input_bias, cell.state_bias)

    def read(part: Tensor) -> Tensor:
        if _differentiable(part, *weights):
            return _Read.apply(part, *weights)
        return _read(part, *weights).states[-1].T

    return _in_parts(read, inputs.to(cell.state.dtype), 0)


def write_window(constant: Tensor, cell: Cell, layers: Sequence[Layer], steps: int) -> Tensor:
    """Frames that a GRU writes from zeros, fed with its own last frame.

    Args:
        constant: (3H, N), what the input adds to the gates at every step, input bias included.
        cell: Weights; its ``input`` takes the last frame.
        layers: What reads a frame off the state; tanh between the layers.
        steps: Frames, T.

    Returns:
        (N, T, D).
    """
    weights = (cell.input, cell.state, cell.state_bias)
    weights += tuple(tensor for layer in layers for tensor in (layer.weight, layer.bias))

    def write(part: Tensor) -> Tensor:
        if _differentiable(part, *weights):
            return _Write.apply(steps, part, *weights)
        return _write(steps, part, weights, keep=False)[1]

    return _in_parts(write, constant.to(cell.state.dtype), 1)


def _differentiable(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _in_parts(function: Callable[[Tensor], Tensor], tensor: Tensor, dim: int) -> Tensor:
    """``function`` of at most ``MOST_WINDOWS`` windows (along ``dim``) at a time.

    Without autocast: its casts at every step would cost more than half precision saves.
    """
    windows = tensor.shape[dim]
    with torch.autocast(tensor.device.type, enabled=False):
        if tensor.device.type != "cpu" or windows <= MOST_WINDOWS:
            return function(tensor)
        parts = tensor.tensor_split(-(-windows // MOST_WINDOWS), dim)
        return torch.cat([function(part) for part in parts])


@dataclass(frozen=True)
class _Stepper:
    """A cell with its constants, made ready for many steps.

    What goes into the tanh of the new state is scaled (``scale_for_tanh``).

    Attributes:
        gates: (2H, H + D), weights of both gates for state and input side by side.
        new_state: (H, H).
        new_input: (H, D), scaled.
        gates_constant: (2H, N or 1), all biases of the gates included.
        input_constant: (H, N or 1), scaled.
        state_constant: (H, 1).
        scale: Of the new state.
    """

    gates: Tensor
    new_state: Tensor
    new_input: Tensor
    gates_constant: Tensor
    input_constant: Tensor
    state_constant: Tensor
    scale: int

    @staticmethod
    def of(cell: Cell, constant: Tensor) -> _Stepper:
        """For a constant (3H, N or 1) that holds the input bias."""
        two, scale = 2 * cell.hidden, scale_for_tanh(constant)
        bias = cell.state_bias.unsqueeze(1)
        return _Stepper(
            gates=torch.cat([cell.state[:two], cell.input[:two]], dim=1),
            new_state=cell.state[two:],
            new_input=cell.input[two:] * scale,
            gates_constant=constant[:two] + bias[:two],
            input_constant=constant[two:] * scale,
            state_constant=bias[two:],
            scale=scale,
        )

    def step(self, trace: Trace, slot: int, before: int, after: Tensor) -> None:
        """One step from slot ``before`` of states and inputs to the state ``after`` (H, N)."""
        state, new, recurrent = trace.states[before], trace.new[slot], trace.recurrent[slot]
        gates = torch.addmm(
            self.gates_constant, self.gates, trace.both[before], out=trace.gates[slot]
        )
        gates.sigmoid_()
        torch.addmm(self.state_constant, self.new_state, state, out=recurrent)
        torch.addmm(self.input_constant, self.new_input, trace.inputs[before], out=new)
        new.addcmul_(trace.reset[slot], recurrent, value=self.scale)
        torch.lerp(tanh_of_scaled_(new), state, trace.keep[slot], out=after)


def _read(inputs: Tensor, weight: Tensor, state: Tensor, bias: Tensor, state_bias: Tensor) -> Trace:
    """All steps of ``read_window``."""
    cell, steps = Cell(weight, state, state_bias), inputs.shape[1]
    trace = Trace.empty(inputs, cell, len(inputs), (steps + 1, steps))
    trace.states[0].zero_()
    trace.buffers[0][:-1, cell.hidden :] = inputs.permute(1, 2, 0)  # (T, D, N)
    stepper = _Stepper.of(cell, bias.unsqueeze(1))
    for t in range(steps):
        stepper.step(trace, t, t, trace.states[t + 1])
    return trace


def _write(
    steps: int, constant: Tensor, weights: Sequence[Tensor], *, keep: bool
) -> tuple[Trace, Tensor]:
    """All steps of ``write_window`` and the frames (N, T, D); every step's values with ``keep``."""
    cell, layers = _split(weights)
    outer, inner = (steps + 1, steps) if keep else (2, 1)
    widths = [len(layer.bias) for layer in layers[:-1]]
    trace = Trace.empty(constant, cell, constant.shape[1], (outer, inner), widths)
    stepper, readers = _Stepper.of(cell, constant), [layer.column() for layer in layers]
    frames = constant.new_empty(steps, cell.input.shape[1], constant.shape[1])
    trace.both[0].zero_()
    for t, frame in enumerate(frames.unbind()):
        slot, after = t % inner, (t + 1) % outer
        stepper.step(trace, slot, t % outer, trace.states[after])
        values, scale = trace.states[after], stepper.scale
        for (weight, bias), buffers in zip(readers[:-1], trace.features, strict=True):
            out = buffers[slot]
            torch.addmm(bias, weight, values, beta=scale, alpha=scale, out=out)
            values = tanh_of_scaled_(out)
        weight, bias = readers[-1]
        torch.addmm(bias, weight, values, out=trace.inputs[after])
        frame.copy_(trace.inputs[after])
    return trace, frames.permute(2, 0, 1).contiguous()


def _split(weights: Sequence[Tensor]) -> tuple[Cell, list[Layer]]:
    pairs = zip(weights[3::2], weights[4::2], strict=True)
    return Cell(*weights[:3]), [Layer(weight, bias) for weight, bias in pairs]


def _save(ctx: Any, trace: Trace, weights: Sequence[Tensor]) -> None:
    ctx.split = len(weights)
    ctx.save_for_backward(*weights, *trace.buffers)


def _saved(ctx: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    tensors = ctx.saved_tensors
    return tensors[: ctx.split], tensors[ctx.split :]


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, inputs: Tensor, *weights: Tensor) -> Tensor:
        trace = _read(inputs, *weights)
        _save(ctx, trace, weights)
        return trace.states[-1].T.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight, state, _, state_bias), buffers = _saved(ctx)
        needs_inputs, *needs_weights = ctx.needs_input_grad
        cell = Cell(weight, state, state_bias)
        back = BackThroughCell(cell, Trace.over(buffers, cell), weights=any(needs_weights))
        back.state.copy_(gradient.T)
        steps = len(buffers[1])
        of_inputs = gradient.new_empty(steps, weight.shape[1], len(gradient))
        for t in reversed(range(steps)):
            back.step(t)
            if needs_inputs:
                back.of_input(of_inputs[t])
        given = of_inputs.permute(2, 0, 1) if needs_inputs else None
        if not any(needs_weights):
            return given, None, None, None, None
        of_input, of_state, of_state_bias = back.of_weights()
        return given, of_input, of_state, back.of_constant().sum(1), of_state_bias


class _Write(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, steps: int, constant: Tensor, *weights: Tensor) -> Tensor:
        trace, frames = _write(steps, constant, weights, keep=True)
        _save(ctx, trace, weights)
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, buffers = _saved(ctx)
        cell, layers = _split(weights)
        trace, needed = Trace.over(buffers, cell), any(ctx.needs_input_grad[2:])
        back = BackThroughCell(cell, trace, weights=needed)
        readers = BackThroughLayers(layers, trace, weights=needed)
        of_frame = torch.zeros_like(trace.inputs[0])
        of_frames = gradient.permute(1, 2, 0).contiguous().unbind()  # T of (D, N)
        for t in reversed(range(len(of_frames))):
            of_frame.add_(of_frames[t])
            readers.step(t, of_frame, back.state)
            back.step(t)
            back.of_input(of_frame)
        if not needed:
            return None, back.of_constant(), *(None for _ in weights)
        return None, back.of_constant(), *back.of_weights(), *readers.of_weights()
