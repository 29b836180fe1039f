"""Figures: training curves, variance per dimension, heat maps of one clip."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from react24.clips import windows
from react24.conventions import FPS
from react24.files import contract

logger = logging.getLogger(__name__)

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.dpi": 120,
    "savefig.bbox": "tight",
}


@dataclass(frozen=True)
class TrainingRun:
    """Where the history of one stage and seed lies."""

    stage: str
    seed: int
    history: Path


def _save(figure: Figure, output: Path) -> None:
    # Without the software version, the same figure has the same bytes.
    with contract.atomic_path(output) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
    logger.info("figure: %s", output)


def plot_training(runs: Sequence[TrainingRun], output: Path, *, model: str) -> None:
    """Training and validation loss of every stage of a model, a line per seed, as PNG."""
    stages = list(dict.fromkeys(run.stage for run in runs))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(stages), 3.2))
        axes = np.atleast_1d(figure.subplots(1, len(stages)))
        for axis, stage in zip(axes, stages, strict=True):
            for number, run in enumerate(r for r in runs if r.stage == stage):
                _draw_history(axis, run, f"C{number}")
            axis.set(title=f"{model}, {stage}", xlabel="step", yscale="log")
        axes[0].set_ylabel("loss (dashed: validation)")
        axes[-1].legend(frameon=False)
        _save(figure, output)


def _draw_history(axis: Axes, run: TrainingRun, colour: str) -> None:
    with contract.open_file(run.history, "history") as file:
        for part, line in (("train", "-"), ("val", "--")):
            if part not in file or not len(file[part]["step"]):
                continue
            steps, loss = file[part]["step"][:], file[part]["loss"][:]
            label = f"seed {run.seed}" if part == "train" else None
            axis.plot(steps, loss, line, color=colour, lw=1, alpha=0.9, label=label)


def plot_variance(clips_path: Path, samples_paths: Sequence[Path], output: Path) -> None:
    """Variance over time of every dimension of the 25-D stream, truth and reactions, as PNG."""
    with windows.open_clips(clips_path) as clips:
        names = clips.feature_names
        truth = _valid_variance(clips)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 4))
        axis = figure.subplots()
        positions = np.arange(len(names))
        axis.bar(positions, truth, color="0.85", label="truth")
        for number, path in enumerate(samples_paths):
            with contract.open_file(path, "samples") as file:
                label = str(file.attrs["model"])
                variance = np.mean(
                    [row.var(axis=1, ddof=1) for row in file["emotion"]], axis=(0, 1)
                )
            marker = "osv^D*P"[number % 7]
            axis.plot(positions, variance, marker, ms=5, mfc="none", label=label)
        axis.set_xticks(positions, names, rotation=60, ha="right")
        axis.set_ylabel("variance over time (mean over clips)")
        axis.set_yscale("symlog", linthresh=1e-4)
        axis.set_ylim(0, 1)
        axis.legend(frameon=False, ncols=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        _save(figure, output)


def _valid_variance(clips: windows.Clips) -> np.ndarray:
    """Variance over the valid frames of each clip, mean over clips that have two, (D,)."""
    pairs = zip(clips.native, clips.valid, strict=True)
    kept = [values[valid] for values, valid in pairs if valid.sum() > 1]
    return np.mean([values.var(axis=0, ddof=1) for values in kept], axis=0)


def plot_clip(clips_path: Path, samples_path: Path, output: Path, *, direction: int = 0) -> None:
    """Heat maps of the 25-D stream for one clip: speaker, listener and the reactions, as PNG."""
    with (
        windows.open_clips(clips_path) as clips,
        contract.open_file(samples_path, "samples") as file,
    ):
        listener = int(windows.listener_rows(clips.rows)[direction])
        who = clips.index[direction]
        names = clips.feature_names
        panels = [("speaker", clips.native[direction]), ("listener", clips.native[listener])]
        reactions = file["emotion"][direction]
        model = str(file.attrs["model"])
        panels += [(f"reaction {s + 1}", reaction) for s, reaction in enumerate(reactions)]
    title = (
        f"{model}: session {who['session'].decode()}, speaker {who['role'].decode()}, "
        f"clip {who['clip']}"
    )
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(10, 1.9 * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True)
        for axis, (label, values) in zip(axes, panels, strict=True):
            image = axis.imshow(
                values.T,
                aspect="auto",
                vmin=-1,
                vmax=1,
                cmap="RdBu_r",
                interpolation="nearest",
                extent=(0, len(values) / FPS, len(names), 0),
            )
            axis.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=5)
            axis.set_ylabel(label)
        axes[-1].set_xlabel("time (s)")
        figure.suptitle(title)
        figure.colorbar(image, ax=axes, shrink=0.4, label="native units")
        _save(figure, output)
