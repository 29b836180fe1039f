"""Two linear layers with a tanh between them, over very many rows, in pieces that fit the cache."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from react24.models.belfusion.activation import scale_for_tanh, tanh_of_scaled_
from react24.models.belfusion.recurrence_trace import Layer

ROWS = 960
"""Rows worked on at once."""


def two_layers(inputs: Tensor, first: Layer, second: Layer) -> Tensor:
    """``second(tanh(first(inputs)))``: (..., D) -> (..., E)."""
    tensors = (inputs.flatten(0, -2).to(first.weight.dtype), *first, *second)
    with torch.autocast(inputs.device.type, enabled=False):
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            outputs = _TwoLayers.apply(*tensors)
        else:
            outputs = _forward(*tensors)[0]
    return outputs.unflatten(0, inputs.shape[:-1])


def _forward(
    inputs: Tensor, weight: Tensor, bias: Tensor, second: Tensor, second_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs (N, E) and what is between the layers (N, H)."""
    outputs = inputs.new_empty(len(inputs), len(second))
    between, scale = inputs.new_empty(len(inputs), len(weight)), scale_for_tanh(inputs)
    pieces = zip(inputs.split(ROWS), between.split(ROWS), outputs.split(ROWS), strict=True)
    for some, hidden, out in pieces:
        torch.addmm(bias, some, weight.T, beta=scale, alpha=scale, out=hidden)
        torch.addmm(second_bias, tanh_of_scaled_(hidden), second.T, out=out)
    return outputs, between


class _TwoLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *tensors: Tensor) -> Tensor:
        outputs, between = _forward(*tensors)
        inputs, weight, _, second, _ = tensors
        ctx.save_for_backward(inputs, weight, second, between)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, ...]:
        inputs, weight, second, between = ctx.saved_tensors
        of_inputs = torch.empty_like(inputs)
        of_weight = weight.new_zeros(weight.T.shape)
        of_bias, of_second = weight.new_zeros(len(weight)), torch.zeros_like(second)
        buffer = between.new_empty(min(ROWS, len(between)), len(weight))
        tensors = (inputs, between, gradient, of_inputs)
        for some, hidden, given, out in zip(*(t.split(ROWS) for t in tensors), strict=True):
            of_second.addmm_(given.T, hidden)
            of_hidden = torch.mm(given, second, out=buffer[: len(given)])
            torch.ops.aten.tanh_backward.grad_input(of_hidden, hidden, grad_input=of_hidden)
            of_weight.addmm_(some.T, of_hidden)
            of_bias.add_(of_hidden.sum(0))
            torch.mm(of_hidden, weight, out=out)
        return of_inputs, of_weight.T, of_bias, of_second, gradient.sum(0)
