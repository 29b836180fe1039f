import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import tiny_task
from helpers.stages import read_history
from helpers.tiny_task import STEPS, TinyTask

from react24.errors import InputError
from react24.seeding import generator, stream_seed
from react24.training.engine import PlainEngine, open_engine
from react24.training.loop import TrainingDivergedError
from react24.training.settings import LoopSettings, read_loop_settings

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    task, result = tiny_task.run(folder)
    return folder, task, result


def assert_same(task, other):
    state, expected = task.module.state_dict(), other.module.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor), name


def interrupt(folder, step, **settings):
    with pytest.raises(KeyboardInterrupt):
        tiny_task.run(folder, TinyTask(fail_at=step), **settings)


def checkpoints(folder):
    return sorted((folder / "checkpoints").glob("step*.pt"))


@pytest.mark.parametrize("step", [1, 4, 13, 15, STEPS - 1])
def test_a_resumed_run_ends_like_an_uninterrupted_one(whole, tmp_path, step):
    interrupt(tmp_path, step)
    task, result = tiny_task.run(tmp_path)
    assert_same(task, whole[1])
    assert result.resumed_at == step // 4 * 4
    assert result.history == whole[2].history
    written, expected = (f / "out" / "history.h5" for f in (tmp_path, whole[0]))
    assert written.read_bytes() == expected.read_bytes()


def test_resuming_makes_only_the_steps_that_are_left(tmp_path):
    interrupt(tmp_path, 10)
    task, _ = tiny_task.run(tmp_path)
    assert [e * 3 + s for e, s, _ in task.seen] == list(range(8, STEPS))


def test_a_killed_process_resumes(whole, tmp_path):
    command = [sys.executable, str(TESTS / "helpers" / "tiny_task.py"), str(tmp_path), "0.3"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent / "src"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not any(p.name >= "step000000005" for p in checkpoints(tmp_path)):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "history.h5").exists()
    task, result = tiny_task.run(tmp_path, checkpoint_steps=1)
    assert 5 <= result.resumed_at < STEPS
    assert_same(task, whole[1])
    assert result.history == whole[2].history


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(whole, tmp_path, damage, caplog):
    interrupt(tmp_path, 14)
    first, last = checkpoints(tmp_path)
    content = last.read_bytes()
    half = len(content) // 2
    bad = {
        "truncated": content[:half],
        "flipped": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
        "empty": b"",
    }
    last.write_bytes(bad[damage])
    with caplog.at_level(logging.WARNING):
        task, result = tiny_task.run(tmp_path)
    assert last.name in caplog.text
    assert "damaged" in caplog.text
    assert result.resumed_at == 8
    assert first.name.startswith("step000000008")
    assert_same(task, whole[1])


def test_when_all_checkpoints_are_damaged_training_starts_anew(whole, tmp_path):
    interrupt(tmp_path, 14)
    for path in checkpoints(tmp_path):
        path.write_bytes(b"not a checkpoint")
    task, result = tiny_task.run(tmp_path)
    assert result.resumed_at == 0
    assert_same(task, whole[1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"code": "new"}, "code"),
        ({"gradient_clip": 1.0}, "gradient"),
    ],
)
def test_a_checkpoint_of_another_run_is_discarded(tmp_path, caplog, change, named):
    interrupt(tmp_path / "changed", 14)
    with caplog.at_level(logging.WARNING):
        task, result = tiny_task.run(tmp_path / "changed", **change)
    assert "discarded" in caplog.text
    assert named in caplog.text
    assert result.resumed_at == 0
    fresh, _ = tiny_task.run(tmp_path / "fresh", **change)
    assert_same(task, fresh)


def test_how_often_checkpoints_are_written_changes_nothing(whole, tmp_path):
    interrupt(tmp_path, 14)
    task, result = tiny_task.run(tmp_path, checkpoint_steps=1)
    assert result.resumed_at == 12
    assert_same(task, whole[1])
    assert len(checkpoints(tmp_path)) == 2


def test_a_finished_run_is_not_trained_again(whole, tmp_path):
    tiny_task.run(tmp_path)
    (tmp_path / "out" / "history.h5").unlink()
    task, result = tiny_task.run(tmp_path)
    assert task.seen == []
    assert result.history == whole[2].history
    assert_same(task, whole[1])


def test_the_loss_falls(tmp_path):
    _, result = tiny_task.run(tmp_path, epochs=100, checkpoint_steps=None)
    assert result.history.val["loss"][-1] < 0.5 * result.history.val["loss"][0]


def test_the_history_has_a_row_per_epoch_and_validation(whole):
    history = read_history(whole[0] / "out" / "history.h5")
    assert history.train["epoch"] == list(range(10))
    assert history.train["step"] == list(range(3, STEPS + 1, 3))
    assert history.val["epoch"] == [3, 7, 9]
    assert history.val["double"] == pytest.approx([2 * v for v in history.val["loss"]])


def test_an_epoch_mean_weighs_batches_by_their_clips():
    from react24.training.record import EpochMeans

    means = EpochMeans()
    means.add({"loss": torch.tensor(1.0)}, 3)
    means.add({"loss": torch.tensor(5.0)}, 1)
    assert means.means() == {"loss": 2.0}


def test_max_steps_stops_within_an_epoch(tmp_path):
    task, result = tiny_task.run(tmp_path, max_steps=5)
    assert result.steps == 5
    assert len(task.seen) == 5
    assert result.history.train["step"] == [3, 5]
    assert result.history.val["step"] == [5]


def test_validation_does_not_disturb_training(whole, tmp_path):
    task, _ = tiny_task.run(tmp_path, validate_every=1)
    assert_same(task, whole[1])


def test_gradient_clipping_is_applied(whole, tmp_path):
    task, _ = tiny_task.run(tmp_path, gradient_clip=1e-3)
    assert not torch.equal(task.module[0].weight, whole[1].module[0].weight)


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path):
    task = TinyTask()
    task.truth[0] = float("inf")
    with pytest.raises(TrainingDivergedError, match="learning_rate"):
        tiny_task.run(tmp_path, task)


def test_a_new_run_replaces_the_tensorboard_log(tmp_path):
    tiny_task.run(tmp_path, max_steps=3)
    tiny_task.run(tmp_path, max_steps=3, seed=1)
    assert len(list((tmp_path / "out" / "tensorboard").glob("events*"))) == 1


def test_fabric_on_the_cpu_gives_the_same_numbers(whole, tmp_path, monkeypatch):
    from react24.training import engine, loop

    assert isinstance(open_engine("cpu"), PlainEngine)

    def with_fabric(device, *, precision, devices, tf32):
        return engine.open_fabric(device, precision=precision, devices=1)

    monkeypatch.setattr(loop, "open_engine", with_fabric)
    task, result = tiny_task.run(tmp_path, gradient_clip=100.0)
    monkeypatch.undo()
    plain, expected = tiny_task.run(tmp_path / "plain", gradient_clip=100.0)
    assert_same(task, plain)
    assert result.history == expected.history


def test_bf16_trains(tmp_path):
    _, result = tiny_task.run(tmp_path, precision="bf16-mixed")
    assert result.history.train["loss"][-1] < result.history.train["loss"][0]


def test_devices_and_settings_that_do_not_exist_are_named():
    with pytest.raises(
        InputError, match="device 'tpu' cannot be used: no such kind; accepted: auto, cpu, cuda"
    ):
        open_engine("tpu")
    with pytest.raises(InputError, match="presicion: unknown key; did you mean training"):
        read_loop_settings({"presicion": "32-true"}, epochs=1)
    with pytest.raises(InputError, match="validate_every: found 0; accepted is a number above 0"):
        read_loop_settings({"validate_every": 0}, epochs=1)
    assert read_loop_settings(None, epochs=3) == LoopSettings(epochs=3)


def test_random_streams_are_named():
    assert stream_seed(0, "vae", 1) == stream_seed(0, "vae", 1)
    keys = [(0, "vae", 1), (0, "vae", 2), (1, "vae", 1), (0, "ldm", 1), (0, "vae", "1"), (0, "vae")]
    assert len({stream_seed(*key) for key in keys}) == len(keys)
    assert torch.equal(
        torch.rand(3, generator=generator(7, "x")), torch.rand(3, generator=generator(7, "x"))
    )


def test_the_history_file_names_its_run(whole):
    from react24.files import contract

    with contract.open_file(whole[0] / "out" / "history.h5", "history") as file:
        config = contract.read_json(file, "config")
        assert config["loop"]["epochs"] == 10
        assert json.loads(file.attrs["inputs"]) == {"data": "0" * 64}
