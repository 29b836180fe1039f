"""training.compile and training.tf32."""

import os

import pytest
import torch
from helpers import tiny_task
from helpers.tiny_task import TinyTask

from react24.devices import choose_device, set_tf32
from react24.errors import InputError
from react24.training.engine import compile_loss
from react24.training.settings import LoopSettings

PROCESSOR = torch.device("cpu")


def has_compiler():
    try:
        compile_loss(lambda: None, PROCESSOR)
    except InputError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")
def test_a_compiled_loss_trains_alike_and_can_be_resumed(tmp_path):
    whole, _ = tiny_task.run(tmp_path / "w", TinyTask(norm=False), max_steps=5, compile=True)
    with pytest.raises(KeyboardInterrupt):
        tiny_task.run(
            tmp_path / "r", TinyTask(4, norm=False), max_steps=5, compile=True, checkpoint_steps=1
        )
    again, result = tiny_task.run(tmp_path / "r", TinyTask(norm=False), max_steps=5, compile=True)
    plain, _ = tiny_task.run(tmp_path / "p", TinyTask(norm=False), max_steps=5)
    assert result.resumed_at == 4
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    for name, tensor in plain.module.state_dict().items():
        compiled = whole.module.state_dict()[name]
        torch.testing.assert_close(compiled, tensor, rtol=1e-4, atol=1e-5)
        assert torch.equal(again.module.state_dict()[name], compiled), name


def test_a_compiler_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(os.environ, "CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"training.compile: a C\+\+ compiler \(no-such-compiler"):
        compile_loss(lambda: None, PROCESSOR)


def test_both_are_settings_of_the_result():
    assert {"tf32", "compile", "precision"} <= LoopSettings().shaping().keys()
    assert not LoopSettings().tf32
    assert not LoopSettings().compile


def test_a_gpu_computes_in_full_float32_unless_it_is_told_otherwise(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        set_tf32(True)
        choose_device("cuda")
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
