"""Loading the tensors of official checkpoints into our modules, strictly, by a table of names."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from react24.errors import InputError

logger = logging.getLogger(__name__)

SHOWN = 6
"""Keys of one kind that an error message spells out."""


def strip_module(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without the ``module.`` that DataParallel puts before every key."""
    return {key.removeprefix("module."): value for key, value in state.items()}


def of_layers(layers: Mapping[str, str]) -> dict[str, str]:
    """Official key -> our name of the weight and bias of each layer, official name -> ours."""
    return {f"{a}.{p}": f"{b}.{p}" for a, b in layers.items() for p in ("weight", "bias")}


def load(
    module: nn.Module,
    state: Mapping[str, Tensor],
    names: Mapping[str, str],
    *,
    what: str,
    aliases: Mapping[str, str] | None = None,
) -> None:
    """Copy an official state_dict into ``module``.

    Args:
        module: Ours; every name of the table must be one of its parameters or buffers.
        state: Official key -> tensor, with or without ``module.`` before the keys.
        names: Official key -> our name, one to one.
        what: What is expected, for error messages, e.g. ``stage 1 of BeLFusion (VAE)``.
        aliases: Official key -> official key of the tensor it is a second name of. Either may be
            missing; where they disagree the alias wins, as it does when PyTorch loads them in
            order.

    Raises:
        InputError: Missing or unexpected keys or wrong shapes, all named at once.
    """
    if not isinstance(state, Mapping):
        raise InputError(f"{what}: expected a state_dict (key -> tensor), found {type(state)}")
    state = _resolve_aliases(strip_module(state), aliases or {}, what)
    target = module.state_dict()
    missing = [key for key in names if key not in state]
    unexpected = [key for key in state if key not in names]
    shapes = [
        f"{key}: expected {_shape(target[ours])}, found {_shape(state[key])}"
        for key, ours in names.items()
        if key in state and _shape(state[key]) != _shape(target[ours])
    ]
    if missing or unexpected or shapes:
        raise InputError(_complaint(what, names, missing, unexpected, shapes))
    with torch.no_grad():
        for key, ours in names.items():
            target[ours].copy_(state[key])


def _resolve_aliases(
    state: dict[str, Tensor], aliases: Mapping[str, str], what: str
) -> dict[str, Tensor]:
    for alias, key in aliases.items():
        if alias not in state:
            continue
        value = state.pop(alias)
        if key in state and not torch.equal(state[key], value):
            logger.warning("%s: %s and %s differ; the second is used", what, key, alias)
        state[key] = value
    return state


def _shape(value: object) -> str:
    return "x".join(str(n) for n in getattr(value, "shape", ())) or type(value).__name__


def _complaint(
    what: str,
    names: Mapping[str, str],
    missing: list[str],
    unexpected: list[str],
    shapes: list[str],
) -> str:
    lines = [f"these tensors are not those of {what}:"]
    lines += [
        f"  {len(found)} {label}: {', '.join(found[:SHOWN])}{', ...' if len(found) > SHOWN else ''}"
        for label, found in (("missing", missing), ("unexpected", unexpected))
        if found
    ]
    lines += [f"  wrong shape, {text}" for text in shapes[:SHOWN]]
    first, last = next(iter(names)), list(names)[-1]
    lines.append(f"  expected {len(names)} tensors, {first} to {last}")
    if "state_dict" in unexpected:
        lines.append("  this is a whole checkpoint: pass its entry 'state_dict'")
    return "\n".join(lines)
