"""BeLFusion, the GRUs of stage 1: one that reads a window, one that writes it frame by frame.

Both run in the precision of their weights whatever autocast says: at 50 small steps its casts cost
more than half precision saves. (cuDNN's reading GRU, one kernel for all steps, follows autocast.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


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
    sizes = [given.shape[1], cell.input_size - given.shape[1]]
    state = given.new_zeros(len(given), cell.hidden_size)
    frame, frames = given.new_zeros(len(given), sizes[1]), []
    with torch.autocast(given.device.type, enabled=False):
        of_given, of_frame = cell.weight_ih.split(sizes, dim=1)
        constant = functional.linear(given, of_given, cell.bias_ih)  # (N, 3H), computed once
        for _ in range(steps):
            if given.is_cuda:  # torch's fused kernel saves more than the constant does
                state = cell(torch.cat([given, frame], dim=1), state)
            else:
                from_input = torch.addmm(constant, frame, of_frame.T)
                from_state = functional.linear(state, cell.weight_hh, cell.bias_hh)
                state = gru_step(from_input, from_state, state)
            frame = read_frame(state)
            frames.append(frame)
    return torch.stack(frames, dim=1)


def gru_step(from_input: Tensor, from_state: Tensor, state: Tensor) -> Tensor:
    """The new state (N, H) of ``torch.nn.GRUCell``; both terms are (N, 3H), of r, z and n."""
    reset_in, keep_in, new_in = from_input.chunk(3, dim=1)
    reset_state, keep_state, new_state = from_state.chunk(3, dim=1)
    reset = torch.sigmoid(reset_in + reset_state)
    keep = torch.sigmoid(keep_in + keep_state)
    new = torch.tanh(new_in + reset * new_state)
    return new + keep * (state - new)
