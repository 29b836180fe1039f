import json
import logging

import numpy as np
import pytest
import torch
from helpers import clips_factory, stages
from helpers.stages import read_history
from safetensors.torch import load_file

from react24.contracts.task import StageContext
from react24.errors import InputError
from react24.files import contract
from react24.models.regnn import network as regnn
from react24.models.regnn import tasks
from react24.models.regnn.settings import GeneratorConfig, read_settings
from react24.models.regnn.tasks import NeighbourTable, RegnnTask, generator_task
from react24.sampling.sample import Sampling, sample_reactions
from react24.training.dataset import ClipDataset, StoredArray
from react24.training.stage import SplitFiles

TINY = {
    "type": "regnn",
    "variant": "fixed",
    "visual": "graphau",
    "network": {
        "width": 8, "heads": 2, "feedforward": 8, "layers": 1, "fused": 4,
        "edge_channels": 2, "components": 1,
    },
    "generator": {
        "epochs": 2, "batch_size": 64, "learning_rate": 0.003, "decay_epochs": [1],
        "neighbours": 3,
    },
    "training": {"validate_every": 2, "checkpoint_steps": 2},
}  # fmt: skip

STREAMS = ("graphau", "vggish")


def some_matrix(pairs, seed=0):
    """Appropriate reactions: always the own one, and one in three others."""
    rng = np.random.default_rng(seed)
    return np.eye(2 * pairs, dtype=bool) | (rng.random((2 * pairs, 2 * pairs)) < 0.3)


def write_split(folder, pairs, split="train", seed=0, streams=STREAMS):
    clips = clips_factory.write_streams(folder, pairs, split=split, seed=seed, streams=streams)
    matrix = some_matrix(pairs, seed)
    path = clips_factory.write_appropriate(folder / "appropriate" / f"{split}.h5", matrix)
    return SplitFiles(clips, path)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return write_split(folder, 3), write_split(folder, 1, "val", 5)


def train(folder, splits, settings=TINY, **keywords):
    return stages.train(folder, "generator", settings, *splits, **keywords)


@pytest.fixture(scope="module")
def trained(splits, tmp_path_factory):
    return train(tmp_path_factory.mktemp("trained"), splits)


def context_of(files, settings=TINY, val=None, seed=0):
    def opened(part):
        sources = {
            "visual": StoredArray(part.clips["graphau"], "zscored"),
            "sound": StoredArray(part.clips["vggish"], "zscored"),
            "emotion": StoredArray(part.clips["graphau"], "native"),
        }
        return ClipDataset(sources, appropriate=part.appropriate)

    values = read_settings(settings).as_dict()
    val_clips = None if val is None else opened(val)
    return StageContext("generator", values, opened(files), val_clips, {}, seed)


def merged(**generator):
    return {**TINY, "generator": {**TINY["generator"], **generator}}


# -------------------------------------------------------------------------------- neighbour table


def test_neighbours_are_the_listeners_of_appropriate_directions(splits):
    context = context_of(splits[0])
    table = NeighbourTable.of(context.train)
    matrix = some_matrix(3)
    assert table.counts.tolist() == matrix.sum(1).tolist()
    for row in range(6):
        listeners = {(j + 3) % 6 for j in np.flatnonzero(matrix[row])}
        found = table.rows[row, : table.counts[row]].tolist()
        assert sorted(found) == sorted(listeners)


def test_each_draw_is_without_repetition_and_all_are_drawn_alike():
    counts = torch.tensor([2, 12, 5])
    rows = torch.where(torch.arange(12) < counts.unsqueeze(1), torch.arange(12) + 100, 0)
    table = NeighbourTable(rows, counts)
    chance = torch.Generator().manual_seed(0)
    speakers = torch.tensor([0, 1, 2]).repeat(2000)
    drawn, present = table.draw(speakers, 10, chance)
    assert drawn.shape == present.shape == (6000, 10)
    assert present.sum(1).tolist() == [2, 10, 5] * 2000
    for k, there in ((0, {100, 101}), (2, {100, 101, 102, 103, 104})):
        pairs = zip(drawn[k::3], present[k::3], strict=True)
        assert all(set(row[p].tolist()) == there for row, p in pairs)
    many = drawn[1::3]
    assert all(len(set(row.tolist())) == 10 for row in many)
    share = torch.bincount(many.flatten() - 100, minlength=12) / len(many)
    assert (share - 10 / 12).abs().max() < 0.04  # five standard deviations and more


def test_the_number_of_slots_is_that_of_the_largest_row():
    table = NeighbourTable(torch.tensor([[7, 8], [9, 0]]), torch.tensor([2, 1]))
    drawn, present = table.draw(torch.tensor([1, 1, 1]), 10, torch.Generator())
    assert drawn[:, 0].tolist() == [9, 9, 9]
    assert present.tolist() == [[True, False]] * 3


def test_a_clip_without_appropriate_reactions_is_named(splits, tmp_path):
    matrix = some_matrix(3)
    matrix[4] = False
    path = clips_factory.write_appropriate(tmp_path / "a.h5", matrix)
    with pytest.raises(InputError, match="session session00, role b, clip 2"):
        train(tmp_path, (SplitFiles(splits[0].clips, path),))


# ------------------------------------------------------------------------------------ batches


def test_an_epoch_has_every_window_once(splits):
    context = context_of(splits[0])
    task = generator_task(context)
    assert task.steps_per_epoch == 3  # 6 x 29 windows in batches of 64
    order = torch.Generator()
    seen = []
    for step in range(3):
        batch = task.make_batch(0, step, order.manual_seed(11))
        seen.append(batch["visual"])
        size = len(batch["visual"])
        assert batch["sound"].shape == (size, 50, 128)
        assert batch["reactions"].shape[::2] == (size, 50)
        assert batch["present"].any(1).all()
    found = torch.cat(seen)
    assert len(found) == 174
    whole = context.train.take("visual", torch.arange(6)).unfold(1, 50, 25).transpose(2, 3)
    sums = [part.flatten(-2).double().sum(-1).flatten().sort().values for part in (found, whole)]
    torch.testing.assert_close(*sums)


def test_reactions_are_of_the_same_frames_as_the_speaker(splits):
    context = context_of(splits[0])
    task = generator_task(context)
    table, matrix = task.neighbours, some_matrix(3)
    windows = torch.tensor([0, 28, 29 * 4 + 7])
    batch = task._read(context.train, table, windows, torch.Generator())
    native = clips_factory.behaviour(3, 25)
    for k, (row, start) in enumerate([(0, 0), (0, 700), (4, 175)]):
        own = native[:, start : start + 50]
        listeners = [own[(j + 3) % 6] for j in np.flatnonzero(matrix[row])]
        for reaction in batch["reactions"][k][batch["present"][k]].numpy():
            assert any(np.array_equal(reaction, listener) for listener in listeners)
        visual = context.train.take("visual", torch.tensor([row]))[0, start : start + 50]
        assert torch.equal(batch["visual"][k], visual)


def test_draws_differ_between_steps_and_epochs_but_not_between_calls(splits):
    task = generator_task(context_of(splits[0], merged(neighbours=1)))
    order = torch.Generator()
    first, again, other = (
        task.make_batch(0, 0, order.manual_seed(seed))["reactions"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_official_epochs_end_early_and_set_the_threshold_only_then(splits):
    long = merged(batch_size=16, batches_per_epoch=4)  # 11 batches in all
    task = generator_task(context_of(splits[0], long))
    assert task.steps_per_epoch == 4
    task.end_epoch(0, {"distance": 0.9})
    assert task.module.threshold.item() == pytest.approx(0.3)
    short = merged(batches_per_epoch=101)
    task = generator_task(context_of(splits[0], short))
    assert task.steps_per_epoch == 3
    task.end_epoch(0, {"distance": 0.9})
    assert task.module.threshold.item() == regnn.NO_THRESHOLD
    task = generator_task(context_of(splits[0], merged(threshold_divisor=0.0)))
    task.end_epoch(0, {"distance": 0.9})
    assert task.module.threshold.item() == regnn.NO_THRESHOLD


def test_rate_follows_the_epochs(splits):
    task = generator_task(context_of(splits[0], merged(decay_epochs=[1, 3], decay=0.5)))
    rates = [task.learning_rate(step) for step in (0, 2, 3, 8, 9)]
    assert rates == pytest.approx([0.003, 0.003, 0.0015, 0.0015, 0.00075])


def test_weight_decay_is_part_of_the_gradient(splits):
    task = generator_task(context_of(splits[0]))
    optimizer = task.configure_optimizer()
    assert type(optimizer) is torch.optim.Adam
    assert not optimizer.defaults.get("decoupled_weight_decay", False)
    assert optimizer.defaults["weight_decay"] == GeneratorConfig().weight_decay
    trained = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert trained == {id(p) for p in task.module.parameters() if p.requires_grad}


def test_the_actnorms_are_set_before_the_first_step(splits):
    task = generator_task(context_of(splits[0]))
    assert task.module.motor.initialised
    reactions = task.make_batch(0, 0, tasks.generator(0, "generator", "order", 0))
    nodes = reactions["reactions"][reactions["present"]].transpose(1, 2)
    made = task.module.motor.layers[0].norm(nodes)
    torch.testing.assert_close(made.mean((0, 2)), torch.zeros(25), atol=1e-4, rtol=0)


# ----------------------------------------------------------------------------------- training


def test_it_leaves_weights_description_and_history(trained):
    history = read_history(trained / "history.h5")
    assert history.train.keys() == {"step", "epoch", "loss", "distance", "spread"}
    assert history.train["step"] == [3, 6]
    assert history.val["epoch"] == [1]
    weights = load_file(trained / "model.safetensors")
    assert weights["threshold"].item() == pytest.approx(history.train["distance"][1] / 3)
    assert weights["motor.initialised"]
    description = json.loads((trained / "model.json").read_text())
    assert description["inputs"].keys() == {
        "train_graphau", "train_vggish", "train_appropriate",
        "val_graphau", "val_vggish", "val_appropriate",
    }  # fmt: skip
    assert "sampling" not in description["config"]


def test_an_interrupted_run_ends_with_the_same_bytes(trained, splits, tmp_path, monkeypatch):
    real, calls = RegnnTask.make_batch, []

    def failing(self, epoch, step, order):
        calls.append(step)
        if len(calls) == 7:  # after the threshold was set; one call sets the ActNorms
            raise KeyboardInterrupt
        return real(self, epoch, step, order)

    with monkeypatch.context() as patch:
        patch.setattr(RegnnTask, "make_batch", failing)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, splits)
    assert not (tmp_path / "generator" / "model.safetensors").exists()
    folder = train(tmp_path, splits)
    assert json.loads((folder / "training.json").read_text())["resumed_at_step"] == 4
    for name in ("model.safetensors", "history.h5", "model.json"):
        assert (folder / name).read_bytes() == (trained / name).read_bytes(), name


def test_clips_read_from_disk_give_the_same_weights(trained, splits, tmp_path):
    settings = {**TINY, "training": {**TINY["training"], "max_memory_mb": 0}}
    folder = train(tmp_path, splits, settings)
    names = [part / "model.safetensors" for part in (trained, folder)]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_other_appropriate_reactions_discard_the_checkpoints(splits, tmp_path, caplog):
    train(tmp_path, splits)
    path = clips_factory.write_appropriate(tmp_path / "a.h5", np.ones((6, 6)))
    with caplog.at_level(logging.WARNING):
        train(tmp_path, (SplitFiles(splits[0].clips, path), splits[1]))
    assert "inputs.train_appropriate" in caplog.text


def test_the_official_variant_runs_without_validation(splits, tmp_path):
    settings = {**TINY, "variant": "official"}
    folder = train(tmp_path, (splits[0],), settings)
    assert read_history(folder / "history.h5").val == {}
    threshold = load_file(folder / "model.safetensors")["threshold"].item()
    assert threshold == regnn.NO_THRESHOLD  # fewer than 101 batches


def test_missing_streams_and_matrices_are_named(splits, tmp_path):
    with pytest.raises(InputError, match="split train: stream wav2vec2 is missing"):
        train(tmp_path, splits, {**TINY, "sound": "wav2vec2"})
    with pytest.raises(InputError, match="the file of appropriate reactions is missing"):
        train(tmp_path, (SplitFiles(splits[0].clips),))


def test_wav2vec2_and_faceverse_train(tmp_path):
    split = write_split(tmp_path, 1, streams=("graphau", "faceverse", "wav2vec2"))
    settings = {**TINY, "sound": "wav2vec2", "visual": "faceverse"}
    folder = train(tmp_path, (split,), settings)
    weights = load_file(folder / "model.safetensors")
    assert weights["perception.project_sound.weight"].shape == (8, 768)
    assert weights["perception.project_visual.weight"].shape == (8, 58)


@pytest.mark.parametrize("variant", ["official", "fixed"])
def test_it_learns_and_reactions_do_not_depend_on_the_batch(variant, tmp_path, monkeypatch):
    split = write_split(tmp_path, 2)
    settings = {**merged(epochs=25, learning_rate=0.01, decay_epochs=[]), "variant": variant}
    folder = train(tmp_path, (split,), settings)
    history = read_history(folder / "history.h5").train
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    test = write_split(tmp_path, 2, "test", 3).clips
    emotions = []
    for clips_at_once in (4, 1):
        monkeypatch.setattr("react24.sampling.sample.CLIPS_AT_ONCE", clips_at_once)
        output = tmp_path / f"samples{clips_at_once}.h5"
        task = Sampling(model="regnn_vggish", split="test", samples=2, seed=0)
        sample_reactions(task, settings, {"generator": folder}, test, output, device="cpu")
        with contract.open_file(output, "samples") as file:
            assert "coefficients" not in file
            emotions.append(file["emotion"][:])
    assert emotions[0].shape == (4, 2, 750, 25)
    np.testing.assert_allclose(emotions[0], emotions[1], rtol=1e-4, atol=1e-5)
    native = clips_factory.behaviour(2, 25)
    assert abs(emotions[0].mean() - native.mean()) < 0.1
    assert np.abs(emotions[0][:, 0] - emotions[0][:, 1]).mean() > 1e-3
