"""BeLFusion's recurrences against torch's own GRU and GRUCell, step by step."""

import itertools

import pytest
import torch
from torch import nn

from react24.models.belfusion.recurrence import read_window, write_window

WINDOWS, STEPS, GIVEN, INPUTS, HIDDEN = 5, 6, 2, 3, 4


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def reader(dtype=torch.float64):
    return nn.GRU(INPUTS, HIDDEN, batch_first=True, dtype=dtype)


class Writer(nn.Module):
    """A GRU cell with its layers; ``plain`` repeats what is given at every step."""

    def __init__(self, widths=(4, 3), dtype=torch.float64):
        super().__init__()
        self.cell = nn.GRUCell(GIVEN + INPUTS, HIDDEN, dtype=dtype)
        sizes = (HIDDEN, *widths, INPUTS)
        self.layers = nn.ModuleList(
            nn.Linear(a, b, dtype=dtype) for a, b in itertools.pairwise(sizes)
        )

    def frame(self, state):
        for layer in self.layers[:-1]:
            state = torch.tanh(layer(state))
        return self.layers[-1](state)

    def forward(self, given, steps=STEPS):
        return write_window(self.cell, given, self.frame, steps)

    def plain(self, given, steps=STEPS):
        frame, frames = given.new_zeros(len(given), INPUTS), []
        state = given.new_zeros(len(given), HIDDEN)
        for _ in range(steps):
            state = self.cell(torch.cat([given, frame], dim=1), state)
            frame = self.frame(state)
            frames.append(frame)
        return torch.stack(frames, dim=1)


def given(dtype=torch.float64):
    return torch.randn(WINDOWS, GIVEN, dtype=dtype, requires_grad=True)


def gradients(outputs, *inputs):
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return torch.autograd.grad((outputs * weights.to(outputs.device)).sum(), inputs)


def assert_same(found, expected, dtype=torch.float64):
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


class TestReading:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_state_and_gradients_are_those_of_torch(self, dtype):
        gru, inputs = reader(dtype), torch.randn(WINDOWS, STEPS, INPUTS, dtype=dtype)
        inputs.requires_grad_()
        found, expected = read_window(gru, inputs), gru(inputs)[1][0]
        assert found.shape == (WINDOWS, HIDDEN)
        assert_same([found], [expected], dtype)
        wanted = (inputs, *gru.parameters())
        assert_same(gradients(found, *wanted), gradients(expected, *wanted), dtype)

    def test_frozen_weights_get_no_gradients_and_inputs_do(self):
        gru = reader().requires_grad_(False)
        inputs = torch.randn(WINDOWS, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
        found, expected = read_window(gru, inputs), gru(inputs)[1][0]
        assert_same(gradients(found, inputs), gradients(expected, inputs))

    def test_half_precision_and_autocast(self):
        gru, inputs = reader(torch.float32), torch.randn(WINDOWS, STEPS, INPUTS)
        expected = read_window(gru, inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(read_window(gru, inputs), expected)
        found = read_window(gru.bfloat16(), inputs)
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


class TestWriting:
    @pytest.mark.parametrize("widths", [(), (4,), (4, 3)])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_frames_and_gradients_are_those_of_torch_cells(self, widths, dtype):
        writer, code = Writer(widths, dtype), given(dtype)
        found, expected = writer(code), writer.plain(code)
        assert found.shape == (WINDOWS, STEPS, INPUTS)
        assert_same([found], [expected], dtype)
        wanted = (code, *writer.parameters())
        assert_same(gradients(found, *wanted), gradients(expected, *wanted), dtype)

    def test_fifty_frames_in_single_precision(self):
        writer, code = Writer(dtype=torch.float32), given(torch.float32)
        assert_same([writer(code, 50)], [writer.plain(code, 50)], torch.float32)

    def test_frozen_weights_get_no_gradients_and_what_is_given_does(self):
        writer, code = Writer().requires_grad_(False), given()
        found, expected = writer(code), writer.plain(code)
        assert_same(gradients(found, code), gradients(expected, code))

    def test_the_same_call_gives_the_same_bits(self):
        writer, code = Writer(dtype=torch.float32), given(torch.float32)
        runs = []
        for _ in range(2):
            frames = writer(code)
            runs.append([frames.detach(), *gradients(frames, *writer.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))

    def test_half_precision_and_autocast(self):
        writer, code = Writer(dtype=torch.float32), given(torch.float32)
        expected = writer.plain(code)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = writer(code)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        found = writer.bfloat16()(code)
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_numbers_of_the_cpu():
    writer, code = Writer(dtype=torch.float32), given(torch.float32)
    gru, inputs = reader(torch.float32), torch.randn(WINDOWS, STEPS, INPUTS)
    frames, state = writer(code), read_window(gru, inputs)
    expected = [frames, *gradients(frames, *writer.parameters()), state]
    frames = writer.cuda()(code.cuda())
    found = [frames, *gradients(frames, *writer.parameters())]
    found.append(read_window(gru.cuda(), inputs.cuda()))
    assert_same([t.cpu() for t in found], expected, torch.float32)
