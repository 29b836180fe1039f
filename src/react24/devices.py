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
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r}; accepted: auto, cpu, cuda, cuda:N") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} is asked for, but torch finds no GPU; use cpu or auto")
    return chosen
