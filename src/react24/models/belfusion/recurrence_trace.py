"""Weights of a GRU cell, and the buffers in which its steps leave what the way back needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """Weights of a GRU cell, in torch's order of rows (r, z, n).

    Attributes:
        input: (3H, D), weights of what changes from step to step.
        state: (3H, H).
        state_bias: (3H,).
    """

    input: Tensor
    state: Tensor
    state_bias: Tensor

    @property
    def hidden(self) -> int:
        """H."""
        return self.state.shape[1]


class Layer(NamedTuple):
    """A linear layer: weight (outputs, inputs), bias (outputs,)."""

    weight: Tensor
    bias: Tensor

    def column(self) -> Layer:
        """With the bias as a column, as (features, windows) want it."""
        return Layer(self.weight, self.bias.unsqueeze(1))


@dataclass(frozen=True)
class Trace:
    """What each step left behind, as lists of (features, N) views into ``buffers``.

    Attributes:
        buffers: State and input before each step, state and frame after the last (T + 1, H + D,
            N); reset and keep gate (T, 2H, N); what the state adds to the new state before the
            reset gate (T, H, N); the new state (T, H, N); outputs of the layers that read the
            frame, the frame itself left out.
        both: States and inputs, (H + D, N).
        states: (H, N).
        inputs: (D, N).
        gates: (2H, N).
        reset: (H, N).
        keep: (H, N).
        recurrent: (H, N).
        new: (H, N).
        features: Per layer, (features, N).
    """

    buffers: tuple[Tensor, ...]
    both: Sequence[Tensor]
    states: Sequence[Tensor]
    inputs: Sequence[Tensor]
    gates: Sequence[Tensor]
    reset: Sequence[Tensor]
    keep: Sequence[Tensor]
    recurrent: Sequence[Tensor]
    new: Sequence[Tensor]
    features: Sequence[Sequence[Tensor]]

    @staticmethod
    def over(buffers: tuple[Tensor, ...], cell: Cell) -> Trace:
        """The views, made at once: one by one they would cost as much as a small step."""
        both, gates, recurrent, new, *features = buffers
        hidden = cell.hidden
        return Trace(
            buffers=buffers,
            both=both.unbind(),
            states=both[:, :hidden].unbind(),
            inputs=both[:, hidden:].unbind(),
            gates=gates.unbind(),
            reset=gates[:, :hidden].unbind(),
            keep=gates[:, hidden:].unbind(),
            recurrent=recurrent.unbind(),
            new=new.unbind(),
            features=[feature.unbind() for feature in features],
        )

    @staticmethod
    def empty(
        like: Tensor, cell: Cell, windows: int, slots: tuple[int, int], widths: Sequence[int] = ()
    ) -> Trace:
        """New buffers.

        Args:
            like: For device and dtype.
            cell: For H and D.
            windows: N.
            slots: Of the first buffer and of the others; one less than there are steps suffices
                where nothing will go back.
            widths: Features of the layers.
        """
        outer, inner = slots
        hidden, inputs = cell.hidden, cell.input.shape[1]
        sizes = [(inner, width) for width in (2 * hidden, hidden, hidden, *widths)]
        sizes.insert(0, (outer, hidden + inputs))
        return Trace.over(tuple(like.new_empty(*size, windows) for size in sizes), cell)
