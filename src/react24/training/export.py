"""What a finished stage leaves behind: ``model.safetensors``, ``model.json``, ``training.json``."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

import react24
from react24.errors import InputError
from react24.files import contract
from react24.files.provenance import carried
from react24.training.loop import FitResult

WEIGHTS, DESCRIPTION, TIMING = "model.safetensors", "model.json", "training.json"


def write_model(
    output_dir: Path,
    module: nn.Module | Mapping[str, torch.Tensor],
    *,
    model: str,
    stage: str,
    seed: int,
    pretrained: bool,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    created_by: str,
    converted_from: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write the weights and what they are.

    ``model.json`` has the keys ``model``, ``stage``, ``seed``, ``pretrained`` (whether all
    streams it was trained on came from pretrained networks), ``parameters`` (count; of tensors
    that are no module, all floating point numbers), ``config``, ``inputs`` (name -> sha256),
    ``weights_sha256``, ``react24_version``, ``git_version`` (None outside a checkout),
    ``created_by``, for weights that were not trained here ``converted_from`` (published file
    -> its ``file`` name and ``sha256``) and, where a job of the workflow writes, ``recipe`` and
    ``stamp`` (`react24.files.provenance`). The same run gives the same bytes: times are in
    ``training.json``.
    """
    output_dir = Path(output_dir)
    if isinstance(module, nn.Module):
        state, parameters = module.state_dict(), sum(p.numel() for p in module.parameters())
    else:
        state, parameters = module, sum(t.numel() for t in module.values() if t.is_floating_point())
    with contract.atomic_path(output_dir / WEIGHTS) as temporary:
        temporary.write_bytes(_serialise(state))  # save_file would make it private to its owner
    description = {
        "model": model,
        "stage": stage,
        "seed": seed,
        "pretrained": pretrained,
        "parameters": parameters,
        "config": dict(config),
        "inputs": dict(inputs),
        "weights_sha256": contract.sha256_file(output_dir / WEIGHTS),
        "react24_version": react24.__version__,
        "git_version": git_version(),
        "created_by": created_by,
    }
    if converted_from is not None:
        description["converted_from"] = {name: dict(f) for name, f in converted_from.items()}
    _write_json(output_dir / DESCRIPTION, description | carried())


def digest_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 that a weights file of these tensors has."""
    return hashlib.sha256(_serialise(tensors)).hexdigest()


def _serialise(tensors: Mapping[str, torch.Tensor]) -> bytes:
    return save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})


def write_timing(output_dir: Path, result: FitResult, threads: int, devices: int = 1) -> None:
    """Write ``training.json``: what may differ between two equal runs (seconds, device)."""
    timing = {
        "seconds": round(result.seconds, 3),
        "steps": result.steps,
        "resumed_at_step": result.resumed_at,
        "kept_step": result.kept_step,
        "device": result.device,
        "devices": devices,
        "threads": threads,
        "torch": torch.__version__,
    }
    _write_json(Path(output_dir) / TIMING, timing)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with contract.atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """``model.json`` of a trained stage, after checking that the weights beside it are its own.

    Raises:
        InputError: A file is missing, or weights and description are of different trainings.
    """
    folder = Path(folder)
    for name in (WEIGHTS, DESCRIPTION):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder / name}: no such file; a trained stage has {WEIGHTS} and {DESCRIPTION}"
            )
    description = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    found = contract.sha256_file(folder / WEIGHTS)
    if description["weights_sha256"] != found:
        raise InputError(
            f"{folder / WEIGHTS}: SHA-256 {found} is not the one that {DESCRIPTION} beside it "
            f"names ({description['weights_sha256']}); train this stage again"
        )
    return description


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of ``model.safetensors``, on the CPU."""
    return load_file(Path(folder) / WEIGHTS)


def git_version() -> str | None:
    """``git describe`` of the checkout this package runs from; None where there is none."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    folder = Path(react24.__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
