"""Choosing the device that torch runs on."""

from __future__ import annotations

import torch

from react24.errors import InputError


def choose_device(device: str) -> torch.device:
    """``auto`` is the first GPU if there is one, else the processor.

    Raises:
        InputError: A GPU is asked for and there is none, or no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    accepted = "accepted: auto, cpu, cuda, cuda:N"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r} cannot be used: no such kind; {accepted}") from error
    # Counted, not tried: trying would take memory of the first GPU in every process of a training.
    found = torch.cuda.device_count()
    if chosen.type == "cuda" and (chosen.index or 0) >= found:
        raise InputError(f"device {device!r} cannot be used: GPUs found: {found}; {accepted}")
    return chosen
