"""BeLFusion, the GRUs of stage 1: one that reads a window, one that writes it frame by frame.

Their numbers are those of ``torch.nn.GRU`` and ``GRUCell``. Whatever autocast says, they run in the
precision of their weights, because its casts at every step cost more than half precision saves;
cuDNN's reading GRU, one kernel for all steps, follows autocast.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def read_window(gru: nn.GRU, windows: Tensor) -> Tensor:
    """Last state of a GRU that starts from zeros: (N, T, D) -> (N, H)."""
    if windows.is_cuda:
        return gru(windows)[1].squeeze(0)
    windows = windows.to(gru.weight_hh_l0.dtype)
    state = windows.new_zeros(len(windows), gru.hidden_size)
    with torch.autocast(windows.device.type, enabled=False):
        # On a CPU a loop that keeps no states is faster than nn.GRU, which puts them all together.
        for frame in windows.unbind(1):
            state = torch.gru_cell(frame, state, *gru.all_weights[0])
    return state


def write_window(
    cell: nn.GRUCell, given: Tensor, read_frame: Callable[[Tensor], Tensor], steps: int
) -> Tensor:
    """Frames that a GRU writes from zeros, fed with ``given`` and the frame it wrote before.

    Args:
        cell: Of G + D inputs: first what is given, then the last frame.
        given: (N, G), the same at every step.
        read_frame: Reads a frame off the state: (N, H) -> (N, D).
        steps: Frames, T.

    Returns:
        (N, T, D).
    """
    given = given.to(cell.weight_hh.dtype)
    state = given.new_zeros(len(given), cell.hidden_size)
    frame = given.new_zeros(len(given), cell.input_size - given.shape[1])
    frames = []
    with torch.autocast(given.device.type, enabled=False):
        step = _fused_step(cell, given) if given.is_cuda else _step(cell, given)
        for _ in range(steps):
            state = step(state, frame)
            frame = read_frame(state)
            frames.append(frame)
    return torch.stack(frames, dim=1)


Step = Callable[[Tensor, Tensor], Tensor]
"""State (N, H) and last frame (N, D) to the next state (N, H)."""


def _fused_step(cell: nn.GRUCell, given: Tensor) -> Step:
    """Torch's own step, of which all but two matrix products is one kernel on CUDA."""
    return lambda state, frame: cell(torch.cat([given, frame], dim=1), state)


def _step(cell: nn.GRUCell, given: Tensor) -> Step:
    """The step of ``nn.GRUCell``, with what is given added to the gates once for all steps.

    Tensors lie in memory as (features, N), so that each gate is one contiguous block.
    """
    rows = [2 * cell.hidden_size, cell.hidden_size]  # both gates, new state
    of_given, of_frame = cell.weight_ih.split([given.shape[1], cell.input_size - given.shape[1]], 1)
    constant = torch.addmm(cell.bias_ih.unsqueeze(1), of_given, given.T)  # (3H, N)
    gates_constant, new_constant = constant.split(rows)
    gates_bias, new_bias = cell.bias_hh.unsqueeze(1).split(rows)
    gates_state, new_state = cell.weight_hh.split(rows)
    gates_frame, new_frame = of_frame.split(rows)
    gates_constant, gates = gates_constant + gates_bias, torch.cat([gates_state, gates_frame], 1)

    def step(state: Tensor, frame: Tensor) -> Tensor:
        state, frame = state.T, frame.T
        both = torch.cat([state, frame])  # (H + D, N)
        reset, keep = torch.addmm(gates_constant, gates, both).sigmoid_().chunk(2)
        recurrent = torch.addmm(new_bias, new_state, state)
        new = torch.addmm(new_constant, new_frame, frame).addcmul_(reset, recurrent).tanh_()
        return torch.lerp(new, state, keep).T

    return step
