"""Trainings that are asked to stop, that find no room, and that are done but have to be again."""

import errno
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import tiny_task
from helpers.tiny_task import STEPS, TinyTask

import react24
from react24.files.atomic import DiskFullError
from react24.training import loop
from react24.training.checkpoint import CheckpointFolder
from react24.training.record import Board
from react24.training.stopping import StopRequestedError, StopSignals


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of an uninterrupted run, and what it was."""
    task, result = tiny_task.run(tmp_path_factory.mktemp("whole"))
    return task.module.state_dict(), result


def assert_same(task, weights):
    state = task.module.state_dict()
    assert state.keys() == weights.keys()
    for name, tensor in weights.items():
        assert torch.equal(state[name], tensor), name


def names(folder):
    return sorted(path.name.partition(".")[0] for path in (folder / "checkpoints").iterdir())


class AskedToStop(TinyTask):
    """Is sent a signal while it makes the batch of a step."""

    def make_batch(self, epoch, step, order):
        if epoch * self.steps_per_epoch + step == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().make_batch(epoch, step, order)


def test_who_is_asked_to_stop_writes_a_checkpoint_of_that_step(whole, tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with pytest.raises(StopRequestedError), StopSignals() as stop:
            tiny_task.run(tmp_path, AskedToStop(), checkpoint_steps=None, stop=stop)
        assert heard == [signal.SIGTERM]  # it then ends by that signal, as it would have
    finally:
        signal.signal(signal.SIGTERM, before)
    assert names(tmp_path) == ["step000000011"]
    task, result = tiny_task.run(tmp_path, checkpoint_steps=None)
    assert result.resumed_at == 11
    assert_same(task, whole[0])


STOPPED = """
import os, signal, sys
from react24.log import start_logging
from react24.training.stopping import StopRequestedError, StopSignals
start_logging(sys.argv[1])
with StopSignals() as stop:
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked == signal.SIGTERM
    if sys.argv[2] == "impatient":
        os.kill(os.getpid(), signal.SIGTERM)
    print("went on", flush=True)
    raise StopRequestedError
"""


@pytest.mark.parametrize(("who", "printed"), [("patient", "went on\n"), ("impatient", "")])
def test_it_ends_by_the_signal_and_a_second_one_is_obeyed_at_once(tmp_path, who, printed):
    log = tmp_path / "s.log"
    environment = {**os.environ, "PYTHONPATH": str(Path(react24.__file__).parents[1])}
    command = [sys.executable, "-c", STOPPED, str(log), who]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == printed
    assert "asked to stop (SIGTERM)" in log.read_text()
    assert log.read_text().endswith("The job was stopped by SIGTERM\n")


def test_what_was_done_before_anybody_asked_ends_well():
    sent = []
    before = signal.signal(signal.SIGTERM, lambda number, _: sent.append(number))
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked == signal.SIGTERM
        with pytest.raises(DiskFullError), StopSignals():
            os.kill(os.getpid(), signal.SIGTERM)
            raise DiskFullError("full")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sent == []


def fill(monkeypatch, is_full):
    """Let the disk be full whenever ``is_full(step)``."""
    save = CheckpointFolder.save

    def save_if_there_is_room(self, step, state):
        if is_full(step):
            raise DiskFullError("step.pt: cannot be written, the disk is full")
        return save(self, step, state)

    monkeypatch.setattr(CheckpointFolder, "save", save_if_there_is_room)


def test_training_goes_on_while_the_disk_is_full_and_says_so(whole, tmp_path, monkeypatch, caplog):
    fill(monkeypatch, lambda step: 8 < step < 24)
    with caplog.at_level(logging.ERROR):
        task, _ = tiny_task.run(tmp_path)
    assert_same(task, whole[0])
    assert [r.message.count("THE DISK IS FULL") for r in caplog.records] == [1, 1, 1]  # 12, 16, 20
    assert names(tmp_path) == ["finished", "step000000028", "step000000030"]


def test_training_stops_when_there_is_no_room_for_long(tmp_path, monkeypatch):
    fill(monkeypatch, lambda step: step > 8)
    monkeypatch.setattr(loop, "WITHOUT_CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(DiskFullError, match="the disk is full"):
        tiny_task.run(tmp_path)
    assert names(tmp_path) == ["step000000004", "step000000008"]


def test_a_disk_that_is_full_for_moments_does_not_add_up(tmp_path, monkeypatch):
    fill(monkeypatch, lambda step: step in (8, 16, 24))
    monkeypatch.setattr(loop, "WITHOUT_CHECKPOINT_SECONDS", 0.0)
    assert tiny_task.run(tmp_path)[1].steps == STEPS


def test_without_room_there_is_no_tensorboard_log_but_a_training(tmp_path, caplog):
    with Board(tmp_path / "board", 0) as board:
        written = len(list((tmp_path / "board").iterdir()))

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        board._writer.add_scalar = full
        board.add("loss", 1.0, 1)
        board.add("loss", 1.0, 2)
    assert written == 1
    assert caplog.text.count("goes on without a log for TensorBoard") == 1


def test_other_errors_of_the_tensorboard_log_are_raised(tmp_path):
    def broken(*_):
        raise OSError(errno.EIO, "input/output error")

    with pytest.raises(OSError, match="input/output"), Board(tmp_path, 0) as board:
        board._writer.add_scalar = broken
        board.add("loss", 1.0, 1)


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"keep_best": "loss"}])
def test_what_a_finished_run_leaves_gives_the_same_again(tmp_path, settings):
    """As when the job was done, but Snakemake, which deletes its outputs, did not see it end."""
    task, result = tiny_task.run(tmp_path, **settings)
    CheckpointFolder(tmp_path / "checkpoints", {}).keep_only_finished()
    assert names(tmp_path) == ["finished"]
    history = tmp_path / "out" / "history.h5"
    written = history.read_bytes()
    history.unlink()
    again, repeated = tiny_task.run(tmp_path, **settings)
    assert again.seen == []
    assert_same(again, task.module.state_dict())
    assert history.read_bytes() == written
    assert (repeated.steps, repeated.kept_step) == (result.steps, result.kept_step)
    assert repeated.seconds == result.seconds


def test_it_does_not_give_what_other_settings_ask_for(tmp_path):
    tiny_task.run(tmp_path)
    CheckpointFolder(tmp_path / "checkpoints", {}).keep_only_finished()
    task, result = tiny_task.run(tmp_path, epochs=11)
    assert result.resumed_at == 0
    assert len(task.seen) == 33
