"""Training single stages on clips files and reading their curves, for tests of models."""

from __future__ import annotations

from pathlib import Path

from react24.files import contract
from react24.training.record import PARTS, History
from react24.training.stage import SplitFiles, StageOutput, train_stage


def train(folder, stage, settings, train, val=None, *, needed=(), seed=0, **keywords):
    """Train a stage into ``folder/<stage>``, checkpoints in ``folder/<stage>_points``.

    Args:
        folder: Where to.
        stage: Name of the stage.
        settings: Of the model, ``type`` among them.
        train: Stream -> clips file, or a ``SplitFiles``.
        val: The same for validation, or None.
        needed: Earlier stages: a mapping of folders, or names of stages in ``folder``.
        seed: Training seed.
        keywords: Of ``train_stage``.

    Returns:
        The folder of the stage.
    """
    folder = Path(folder)
    folders = needed if isinstance(needed, dict) else {name: folder / name for name in needed}
    train_stage(
        stage,
        settings,
        _files(train),
        _files(val) if val is not None else None,
        StageOutput(folder / stage, folder / f"{stage}_points", "test"),
        seed=seed,
        needed=folders,
        device="cpu",
        **keywords,
    )
    return folder / stage


def _files(clips):
    return clips if isinstance(clips, SplitFiles) else SplitFiles(clips)


def read_history(path):
    """The training curves in a history file, as a ``History``."""
    with contract.open_file(path, "history") as file:
        parts = {
            part: {name: file[part][name][:].tolist() for name in file[part]} for part in PARTS
        }
    return History(**parts)
