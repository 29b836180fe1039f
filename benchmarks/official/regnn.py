"""REGNN: a training step with and without its data, and sampling."""

from __future__ import annotations

import contextlib
import io
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from official.checkouts import drawn, gradient_difference, import_from, relative, replaced
from official.clips import write_clips
from official.measure import Case, Sides
from react24.contracts.task import StageContext
from react24.models.regnn.network import sample, training_losses
from react24.models.regnn.official import load_official
from react24.models.regnn.settings import read_settings
from react24.models.regnn.tasks import generator_task
from react24.training.dataset import ClipDataset, StoredArray

PAIRS, FRAMES, WINDOW, STRIDE, BATCH = 12, 750, 50, 25, 128
NEIGHBOURS = 10
HARD_CODED = "/scratch/recface/hz204/data/react_clean"
"""Where the official trainer looks for the neighbours, whatever its arguments say."""

# The official training script (regnn/scripts/train.sh) and the defaults it leaves.
LAYERS, ACTIVATION, EDGES, COMPONENTS, RATE, DECAY = 2, "ELU", 8, 6, 1e-4, 5e-4
NOISE = 0.06


@dataclass(frozen=True)
class Corpus:
    """Synthetic clips in rows: one role of every pair, then the other.

    Attributes:
        visual: (2L, 750, 768).
        sound: (2L, 750, 128).
        emotion: (2L, 750, 25).
        appropriate: bool (2L, 2L), [i, j]: reaction of direction j fits speaker i.
    """

    visual: Tensor
    sound: Tensor
    emotion: Tensor
    appropriate: np.ndarray


def make_corpus() -> Corpus:
    """A few pairs, each with at least ten appropriate reactions."""
    rows = 2 * PAIRS
    emotion = torch.sigmoid(0.1 * drawn(rows, FRAMES, 25, seed=1).cumsum(1))
    appropriate = np.random.default_rng(0).random((rows, rows)) < 0.6
    for row, others in enumerate(appropriate):
        others[[(row + i) % rows for i in range(NEIGHBOURS + 1)]] = True
    visual, sound = drawn(rows, FRAMES, 768, seed=2), drawn(rows, FRAMES, 128, seed=3).abs()
    return Corpus(visual, sound, emotion, appropriate)


def write_official(corpus: Corpus, root: Path) -> None:
    """The folder that the official ``ActionData`` and ``Trainer`` read."""
    names = [f"UDIVA/{row % PAIRS:03d}/P{1 + row // PAIRS}/1" for row in range(2 * PAIRS)]
    lines = [f"{i},{names[i]},{names[i + PAIRS]}" for i in range(PAIRS)]
    (root / "train.csv").write_text("\n".join([",speaker_path,listener_path", *lines]))
    header = ",".join(f"c{i}" for i in range(25))
    for row, name in enumerate(names):
        tensors = {"Video_features": corpus.visual[row], "Audio_features": corpus.sound[row]}
        for folder, tensor in tensors.items():
            path = root / "train" / folder / f"{name}.pth"
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(tensor.clone(), path)
        path = root / "train" / "Emotion" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = corpus.emotion[row].numpy()
        np.savetxt(path, values, fmt="%.6f", delimiter=",", header=header, comments="")


@dataclass
class Official:
    """Their network, trainer, data and optimiser."""

    model: nn.Module
    trainer: Any
    loader: torch.utils.data.DataLoader
    optimizer: torch.optim.Optimizer

    def batches(self, count: int) -> Iterator[Any]:
        """So many batches from the official dataset, read when asked for."""
        return itertools.islice(self.loader, count)

    def train(self, batches: Any) -> None:
        """The official ``Trainer.train`` over some batches, without its printed lines."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer.train(epoch=0, dataloader=batches, optimizer=self.optimizer)
        torch.autograd.set_detect_anomaly(False)  # it switches it on for good


def their_modules(baseline: Path) -> list[ModuleType]:
    """``models``, ``trainers``, ``datasets`` of REGNN, reading where we want them to."""
    keep = ("pandas",)
    return import_from(baseline / "regnn", "models", "trainers", "datasets", keep=keep)


def their_network(models: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  (theirs draws from it)
    return models.MHP(
        p=models.PercepProcessor(only_fuse=True),
        c=models.CognitiveProcessor(
            input_dim=64, convert_type="direct", num_features=WINDOW, n_channels=EDGES,
            k=COMPONENTS,
        ),
        m=models.LipschitzGraph(
            edge_channel=EDGES, n_layers=LAYERS, act_type=ACTIVATION, num_features=WINDOW,
            norm=True, get_logdets=False,
        ),
        no_inverse=False,
        neighbor_pattern="all",
    )  # fmt: skip


def make_official(baseline: Path, corpus: Corpus, root: Path) -> Official:
    """Everything on their side, over a folder that ``write_official`` filled."""
    import pandas

    models, trainers, datasets = their_modules(baseline)

    def read_csv(path: str, **options: Any) -> Any:
        return pandas.read_csv(path.replace(HARD_CODED, str(root)), **options)

    trainers.pd = SimpleNamespace(read_csv=read_csv)
    names = [f"UDIVA/{row % PAIRS:03d}/P{1 + row // PAIRS}/1" for row in range(2 * PAIRS)]
    neighbours = {
        "speaker_path": names,
        "listener_path": names[PAIRS:] + names[:PAIRS],
        "neighbors": corpus.appropriate,
    }
    model = their_network(models)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = trainers.Trainer(
            model=model, neighbors=neighbours, neighbor_pattern="all", num_frames=WINDOW,
            stride=STRIDE, loss_mid=True, cal_logdets=False,
        )  # fmt: skip
    data = datasets.ActionData(
        root=str(root), data_type="train", neighbors=None, neighbor_pattern="all",
        num_frames=WINDOW, stride=STRIDE,
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)
    groups = [
        {"params": [value], "lr": RATE, "weight_decay": DECAY}
        for value in model.parameters()
        if value.requires_grad
    ]
    return Official(model, trainer, loader, torch.optim.Adam(groups))


def window_of(values: Tensor, rows: Tensor, starts: Tensor) -> Tensor:
    """(n, 50, D) out of (2L, 750, D)."""
    return values[rows.unsqueeze(1), starts.unsqueeze(1) + torch.arange(WINDOW)]


def make_step(baseline: Path) -> Sides:
    """A step and the reading of its data: pictures, sound, and 1280 windows of reactions."""
    corpus, folder = make_corpus(), tempfile.TemporaryDirectory()
    root = Path(folder.name)
    write_official(corpus, root)
    theirs = make_official(baseline, corpus, root)

    def official(_: object = folder) -> None:  # keeps the folder
        theirs.train(theirs.batches(1))

    task = our_task(corpus, root)
    return Sides(official, our_step(task), "as many windows of the same clips; see regnn_compute")


def make_compute(baseline: Path) -> Sides:
    """A step on data that both sides have in memory."""
    corpus = make_corpus()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_official(corpus, root)
        theirs = make_official(baseline, corpus, root)
        task = our_task(corpus, root)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(2 * PAIRS, (BATCH,), generator=generator)
    starts = torch.randint(29, (BATCH,), generator=generator) * STRIDE
    listeners = torch.randint(2 * PAIRS, (BATCH, NEIGHBOURS), generator=generator)
    repeated = starts.repeat_interleave(NEIGHBOURS)
    reactions = window_of(corpus.emotion, listeners.flatten(), repeated)  # (1280, 50, 25)
    batch = {
        "visual": window_of(corpus.visual, rows, starts),
        "sound": window_of(corpus.sound, rows, starts),
        "reactions": reactions.unflatten(0, (BATCH, NEIGHBOURS)),
        "present": torch.ones(BATCH, NEIGHBOURS, dtype=torch.bool),
    }
    given = (batch["visual"], batch["sound"], reactions.transpose(1, 2), [NEIGHBOURS] * BATCH)

    def official() -> None:
        with replaced(theirs.trainer, "_parse_data", lambda *_: given):
            theirs.train([None])

    def compare() -> float:
        official()  # sets the ActNorms
        return difference(theirs, task, batch, given)

    note = "loss and norm of the gradients, without dropout; anomaly detection on, as published"
    return Sides(official, our_step(task, batch), note, compare)


def difference(theirs: Official, task: Any, batch: dict[str, Tensor], given: Any) -> float:
    """Difference of loss and gradients with their weights, dropout off."""
    visual, sound, targets, lengths = given
    theirs.model.eval()
    theirs.model.zero_grad()
    points, reactions, *_ = theirs.model(visual, sound, targets, lengths)
    their_loss = theirs.trainer.criterion(points, reactions, lengths, threshold=None)
    their_loss = their_loss + theirs.trainer.mid_criterion(reactions, lengths)
    their_loss.backward()
    ours = load_official(theirs.model.state_dict(), task.module.config)
    losses = training_losses(ours, *(batch[n] for n in _NAMES), task.config)
    losses.loss.backward()

    of_gradients = gradient_difference(theirs.model, ours)
    theirs.model.zero_grad()
    return max(relative(losses.loss, their_loss), of_gradients)


_NAMES = ("visual", "sound", "reactions", "present")


def our_task(corpus: Corpus, root: Path) -> Any:
    """Our stage over the same clips, in memory."""
    arrays = {"visual": ("swin", corpus.visual), "sound": ("vggish", corpus.sound)}
    arrays["emotion"] = ("graphau", corpus.emotion)
    sources = {}
    for name, (stream, values) in arrays.items():
        path = write_clips(root / f"{stream}.h5", stream, values.numpy())
        sources[name] = StoredArray(path, "native")
    clips = ClipDataset(sources)
    clips.appropriate = torch.from_numpy(corpus.appropriate)
    settings = read_settings({"type": "regnn", "variant": "official"}).as_dict()
    return generator_task(StageContext("generator", settings, clips, None, {}, 0))


def our_step(task: Any, batch: dict[str, Tensor] | None = None) -> Any:
    """A step as the training loop makes it; reads its batch where none is given."""
    optimizer, generator = task.configure_optimizer(), torch.Generator()
    task.module.train()

    def step() -> None:
        given = batch or task.make_batch(0, 0, generator.manual_seed(0))
        optimizer.zero_grad(set_to_none=True)
        task.loss(given, generator)["loss"].backward()
        optimizer.step()

    return step


def make_sampling(baseline: Path) -> Sides:
    """Ten reactions to one clip; the official code computes everything anew for each."""
    models, trainers, _ = their_modules(baseline)
    theirs = their_network(models)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = trainers.Trainer(
            model=theirs, neighbors={}, neighbor_pattern="all", stride=STRIDE
        )
    visual, sound = drawn(1, FRAMES, 768, seed=4), drawn(1, FRAMES, 128, seed=5).abs()
    windows = [values[0].unfold(0, WINDOW, STRIDE).transpose(1, 2) for values in (visual, sound)]
    windows = [values.contiguous() for values in windows]  # (29, 50, D)
    reactions = torch.sigmoid(0.1 * drawn(29, 25, WINDOW, seed=6).cumsum(-1))
    theirs.train()
    theirs(*windows, reactions, [1] * 29)  # sets the ActNorms, which hold anything before
    theirs.eval()
    settings = read_settings({"type": "regnn", "variant": "official"})
    ours = load_official(theirs.state_dict(), settings.network)
    generator = torch.Generator()

    def official() -> Tensor:
        with torch.no_grad():
            found = [
                trainer.combine_preds(theirs.inverse(*windows, cal_norm=True, threshold=NOISE))
                for _ in range(10)
            ]
        return torch.stack(found).unsqueeze(0)

    def mine() -> Tensor:
        return sample(ours, visual, sound, 10, [generator.manual_seed(0)], settings.sampling)

    def compare() -> float:
        generator.manual_seed(0)
        noise = iter([torch.randn((29, 25, WINDOW), generator=generator) for _ in range(10)])
        with replaced(torch, "randn", lambda *_, **__: next(noise)):
            expected = official()
        return relative(mine(), expected)

    return Sides(official, mine, "ten reactions from the same noise", compare)


CASES = (
    Case("regnn_step", "REGNN, step of 128 windows x 10, data included", 6.0, make_step),
    Case("regnn_compute", "REGNN, step of 128 windows x 10, data in memory", None, make_compute),
    Case("regnn_sampling", "REGNN, 10 reactions to a clip", 5.0, make_sampling, False),
)
