"""What a run may ask of the loop beyond steps: schedules, EMA, the best weights, processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import tiny_task
from helpers.stages import read_history
from helpers.tiny_task import STEPS, TinyTask

from react24.devices import GPUMemoryError
from react24.errors import InputError
from react24.training.batches import BatchLoader, Processes, Shard
from react24.training.keep import EMA, BestWeights
from react24.training.settings import LoopSettings

TESTS = Path(__file__).parents[1]


class Scheduled(TinyTask):
    """With a learning rate per step and a state that epochs change."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.module.register_buffer("threshold", torch.tensor(0.0, dtype=torch.float64))
        self.rates, self.finished = [], 0

    def learning_rate(self, step):
        self.rates.append(0.03 / (1 + step))
        return self.rates[-1]

    def end_epoch(self, epoch, means):
        self.module.threshold.fill_(means["loss"] / 3 + epoch)

    def finish(self):
        self.finished += 1

    def loss(self, batch, noise):
        terms = super().loss(batch, noise)
        terms["loss"] = terms["loss"] + 0.1 * self.module.threshold * self.module[0].weight[0, 0]
        return terms


def assert_same(task, other):
    state, expected = task.module.state_dict(), other.module.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor), name


def resumed(folder, make, step, **settings):
    """A run that is broken off at a step and started again."""
    with pytest.raises(KeyboardInterrupt):
        tiny_task.run(folder, make(fail_at=step), **settings)
    return tiny_task.run(folder, make(), **settings)


def test_rates_and_the_state_of_epochs_survive_an_interruption(tmp_path):
    task, result = tiny_task.run(tmp_path / "whole", Scheduled())
    assert task.rates == [0.03 / (1 + step) for step in range(STEPS)]
    assert task.finished == 1
    assert float(task.module.threshold) == pytest.approx(
        result.history.train["loss"][-1] / 3 + 9, rel=1e-12
    )
    again, other = resumed(tmp_path / "broken", Scheduled, 13)
    assert again.rates[0] == 0.03 / 13
    assert_same(again, task)
    assert other.history == result.history


def test_the_learning_rate_is_that_of_the_step(tmp_path):
    class Still(Scheduled):
        def learning_rate(self, step):
            return 0.0

    task, _ = tiny_task.run(tmp_path, Still())
    assert torch.equal(task.module[0].weight, TinyTask().module[0].weight)


def test_an_ema_follows_the_weights():
    module = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
        ema = EMA(module, 0.75)
        module.weight.fill_(5.0)
        ema.update()
        assert ema.values["weight"].tolist() == [[2.0, 2.0]]
        with ema.applied():
            assert module.weight.tolist() == [[2.0, 2.0]]
        assert module.weight.tolist() == [[5.0, 5.0]]
    ema.copy_to_module()
    assert module.weight.tolist() == [[2.0, 2.0]]


def test_averaged_weights_are_kept_and_survive_an_interruption(tmp_path):
    plain, _ = tiny_task.run(tmp_path / "plain")
    whole, result = tiny_task.run(tmp_path / "whole", ema=0.9)
    assert not torch.allclose(whole.module[0].weight, plain.module[0].weight)
    # Batch statistics are not averaged: they are those of the training itself.
    assert torch.equal(whole.module[1].running_mean, plain.module[1].running_mean)
    again, other = resumed(tmp_path / "broken", TinyTask, 14, ema=0.9)
    assert_same(again, whole)
    assert other.history == result.history


class GetsWorse(TinyTask):
    """Its validation loss is least after the second of its validations."""

    VALUES = (5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)

    def loss(self, batch, noise):
        terms = super().loss(batch, noise)
        if not self.module.training:
            epoch = int(self.module[1].num_batches_tracked) // 3 - 1
            terms["loss"] = torch.tensor(self.VALUES[epoch])
        return terms


def test_the_best_weights_are_kept(tmp_path):
    settings = {"validate_every": 1, "keep_best": "loss"}
    task, result = tiny_task.run(tmp_path / "whole", GetsWorse(), **settings)
    assert result.kept_step == 6
    assert result.steps == STEPS
    short, _ = tiny_task.run(tmp_path / "short", GetsWorse(), validate_every=1, max_steps=6)
    assert_same(task, short)
    again, other = resumed(tmp_path / "broken", GetsWorse, 20, **settings)
    assert other.kept_step == 6
    assert_same(again, task)


def test_patience_stops_early_and_a_stopped_run_stays_stopped(tmp_path):
    settings = {"validate_every": 1, "keep_best": "loss", "patience": 3}
    task, result = tiny_task.run(tmp_path, GetsWorse(), **settings)
    assert result.steps == 15  # best after epoch 2, then three without a better one
    assert result.kept_step == 6
    assert result.history.val["epoch"] == [0, 1, 2, 3, 4]
    again, other = tiny_task.run(tmp_path, GetsWorse(), **settings)
    assert again.seen == []
    assert other.kept_step == 6
    assert_same(again, task)


def test_the_ema_is_what_is_validated_and_kept(tmp_path):
    settings = {"validate_every": 1, "keep_best": "loss", "ema": 0.9}
    task, _ = tiny_task.run(tmp_path / "best", GetsWorse(), **settings)
    other, _ = tiny_task.run(tmp_path / "last", GetsWorse(), ema=0.9, max_steps=6)
    assert_same(task, other)


def test_keep_best_needs_a_term_and_a_validation_split(tmp_path, caplog):
    with pytest.raises(InputError, match="no loss term 'los'; the validation has loss, double"):
        tiny_task.run(tmp_path / "typo", keep_best="los")

    class Unwatched(TinyTask):
        validation_steps = 0

    _, result = tiny_task.run(tmp_path / "none", Unwatched(), keep_best="loss")
    assert result.kept_step == STEPS
    assert "no validation split" in caplog.text
    with pytest.raises(ValueError, match="patience needs keep_best"):
        LoopSettings(patience=2)
    with pytest.raises(ValueError, match="less than 1"):
        LoopSettings(ema=1.0)


def test_equal_values_are_not_better():
    best = BestWeights("loss")
    module = torch.nn.Linear(1, 1)
    for step, value in enumerate((2.0, 2.0, float("nan"), 1.0)):
        best.see(step, {"loss": value}, module)
        assert best.waited == (0, 1, 2, 0)[step]
    assert (best.step, best.value) == (3, 1.0)


@pytest.mark.parametrize("prefetch", [False, True])
def test_a_loader_hands_out_every_step_once(prefetch):
    made = []

    def make(step):
        made.append(step)
        return Shard({"x": torch.tensor([step])}, 1, 1.0)

    with BatchLoader(make, 5, prefetch=prefetch, pin=False) as batches:
        taken = [int(batches.take(step).batch["x"]) for step in range(2, 5)]
    assert taken == made == [2, 3, 4]


def test_what_goes_wrong_ahead_is_raised_where_it_is_needed(tmp_path):
    task, result = tiny_task.run(tmp_path / "plain")
    again, other = tiny_task.run(tmp_path / "ahead", prefetch=True)
    assert_same(again, task)
    assert other.history == result.history
    with pytest.raises(KeyboardInterrupt):
        tiny_task.run(tmp_path / "broken", TinyTask(fail_at=7), prefetch=True)
    again, _ = tiny_task.run(tmp_path / "broken", prefetch=True)
    assert_same(again, task)


class Engine:
    """Stands for one of two processes."""

    world_size = 2

    def __init__(self, rank):
        self.global_rank, self.is_global_zero = rank, rank == 0


def test_shards_of_a_batch_make_up_the_batch():
    batch = {"x": torch.arange(5.0), "y": torch.arange(10.0).reshape(5, 2)}
    shards = [Processes(Engine(rank)).shard(batch) for rank in (0, 1)]
    assert torch.equal(torch.cat([s.batch["y"] for s in shards]), batch["y"])
    mean = sum(s.scale * s.batch["x"].mean() for s in shards) / 2
    assert float(mean) == pytest.approx(2.0)
    single = [Processes(Engine(rank)).shard({"x": torch.tensor([7.0])}) for rank in (0, 1)]
    assert [(s.items, s.scale, s.batch["x"].tolist()) for s in single] == [
        (1, 2.0, [7.0]),
        (0, 0.0, [7.0]),
    ]


@pytest.mark.slow
def test_two_processes_train_like_one(tmp_path):
    """Without noise and batch statistics, the shared work is the same mathematics."""
    one, result = tiny_task.run(tmp_path / "one", TinyTask(norm=False))
    command = [
        sys.executable,
        str(TESTS / "helpers" / "tiny_task.py"),
        str(tmp_path / "two"),
        "0",
        "2",
    ]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    weights = torch.load(tmp_path / "two" / "weights.pt", weights_only=True)
    for name, tensor in one.module.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-5)
    history = read_history(tmp_path / "two" / "out" / "history.h5")
    assert history.train["loss"] == pytest.approx(result.history.train["loss"], rel=1e-4)
    assert history.val["loss"] == pytest.approx(result.history.val["loss"], rel=1e-4)


class TooLarge(TinyTask):
    """A step of six items that a GPU's memory does not hold; one of two it does."""

    def loss(self, batch, noise):
        if self.module.training and len(batch["x"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB.\nmore")
        return super().loss(batch, noise)


def test_a_step_that_the_gpu_does_not_hold_ends_the_training_with_advice(tmp_path):
    found = r"tiny: the memory of the GPU does not hold a step of 6 items \(CUDA .* 3.00 GiB.\)"
    with pytest.raises(GPUMemoryError, match=found) as raised:
        tiny_task.run(tmp_path, TooLarge())
    for advice in ("tiny.batch_size", "bf16-mixed", "RULE:gpu=2", "CUDA_VISIBLE_DEVICES"):
        assert advice in str(raised.value)


def test_other_errors_of_torch_are_left_as_they_are(tmp_path):
    class Broken(TinyTask):
        def loss(self, batch, noise):
            return {"loss": self.module(batch["x"][:, :2]).sum()}

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tiny_task.run(tmp_path, Broken())
