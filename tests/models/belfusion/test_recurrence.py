"""Recurrences with hand-written gradients against autograd through the same steps."""

import itertools

import pytest
import torch
from torch import nn

from react24.models.belfusion import recurrence, two_layers
from react24.models.belfusion.activation import scale_for_tanh, tanh_of_scaled_
from react24.models.belfusion.recurrence import read_window, write_window
from react24.models.belfusion.recurrence_trace import Cell, Layer

WINDOWS, STEPS, INPUTS, HIDDEN = 5, 6, 3, 4


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def reader(dtype=torch.float64):
    return nn.GRU(INPUTS, HIDDEN, batch_first=True, dtype=dtype)


def read_by_hand(gru, inputs):
    cell = Cell(gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_hh_l0)
    return read_window(inputs, cell, gru.bias_ih_l0)


class Writer(nn.Module):
    """A GRU cell with its layers; ``plain`` is the recurrence as one would write it."""

    def __init__(self, widths=(4, 3), dtype=torch.float64):
        super().__init__()
        self.cell = nn.GRUCell(INPUTS, HIDDEN, dtype=dtype)
        sizes = (HIDDEN, *widths, INPUTS)
        self.layers = nn.ModuleList(
            nn.Linear(a, b, dtype=dtype) for a, b in itertools.pairwise(sizes)
        )

    def by_hand(self, constant, steps=STEPS):
        cell = Cell(self.cell.weight_ih, self.cell.weight_hh, self.cell.bias_hh)
        layers = [Layer(layer.weight, layer.bias) for layer in self.layers]
        return write_window(constant + self.cell.bias_ih.unsqueeze(1), cell, layers, steps)

    def plain(self, constant, steps=STEPS):
        frame = constant.new_zeros(constant.shape[1], INPUTS)
        state, frames = constant.new_zeros(constant.shape[1], HIDDEN), []
        for _ in range(steps):
            inputs = constant.T + nn.functional.linear(
                frame, self.cell.weight_ih, self.cell.bias_ih
            )
            back = nn.functional.linear(state, self.cell.weight_hh, self.cell.bias_hh)
            r_in, z_in, n_in = inputs.chunk(3, dim=1)
            r_back, z_back, n_back = back.chunk(3, dim=1)
            keep = torch.sigmoid(z_in + z_back)
            new = torch.tanh(n_in + torch.sigmoid(r_in + r_back) * n_back)
            state = (1 - keep) * new + keep * state
            values = state
            for layer in self.layers[:-1]:
                values = torch.tanh(layer(values))
            frame = self.layers[-1](values)
            frames.append(frame)
        return torch.stack(frames, dim=1)


def gradients(outputs, *inputs):
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return torch.autograd.grad((outputs * weights).sum(), inputs)


def assert_same(found, expected, dtype=torch.float64):
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


class TestReading:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_state_and_gradients_are_those_of_torch(self, dtype):
        gru, inputs = reader(dtype), torch.randn(WINDOWS, STEPS, INPUTS, dtype=dtype)
        inputs.requires_grad_()
        found, expected = read_by_hand(gru, inputs), gru(inputs)[1][0]
        assert_same([found], [expected], dtype)
        wanted = (inputs, *gru.parameters())
        assert_same(gradients(found, *wanted), gradients(expected, *wanted), dtype)

    def test_gradcheck(self):
        inputs = torch.randn(2, 3, INPUTS, dtype=torch.float64, requires_grad=True)
        gru = reader()
        assert torch.autograd.gradcheck(lambda *_: read_by_hand(gru, inputs), (inputs,))
        tensors = tuple(gru.parameters())

        def run(weight, state, bias, state_bias):
            return read_window(inputs, Cell(weight, state, state_bias), bias)

        assert torch.autograd.gradcheck(run, tensors)

    def test_frozen_weights_get_no_gradients_and_inputs_do(self):
        gru = reader().requires_grad_(False)
        inputs = torch.randn(WINDOWS, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
        found, expected = read_by_hand(gru, inputs), gru(inputs)[1][0]
        assert_same(gradients(found, inputs), gradients(expected, inputs))

    def test_many_windows_are_read_in_parts(self, monkeypatch):
        gru, inputs = reader(), torch.randn(WINDOWS, STEPS, INPUTS, dtype=torch.float64)
        whole = read_by_hand(gru, inputs)
        monkeypatch.setattr(recurrence, "MOST_WINDOWS", 2)
        parts = read_by_hand(gru, inputs)
        assert_same([parts], [whole])
        wanted = tuple(gru.parameters())
        assert_same(gradients(parts, *wanted), gradients(whole, *wanted))


class TestWriting:
    @pytest.mark.parametrize("widths", [(), (4,), (4, 3)])
    def test_frames_and_gradients_are_those_of_the_plain_recurrence(self, widths):
        writer = Writer(widths)
        constant = torch.randn(3 * HIDDEN, WINDOWS, dtype=torch.float64, requires_grad=True)
        found, expected = writer.by_hand(constant), writer.plain(constant)
        assert found.shape == (WINDOWS, STEPS, INPUTS)
        assert_same([found], [expected])
        wanted = (constant, *writer.parameters())
        assert_same(gradients(found, *wanted), gradients(expected, *wanted))

    def test_single_precision(self):
        writer = Writer(dtype=torch.float32)
        constant = torch.randn(3 * HIDDEN, WINDOWS, requires_grad=True)
        found, expected = writer.by_hand(constant, 50), writer.plain(constant, 50)
        assert_same([found], [expected], torch.float32)
        wanted = (constant, *writer.parameters())
        assert_same(gradients(found, *wanted), gradients(expected, *wanted), torch.float32)

    def test_gradcheck(self):
        writer = Writer((2,))
        constant = torch.randn(3 * HIDDEN, 2, dtype=torch.float64, requires_grad=True)
        cell, layers = writer.cell, writer.layers

        def run(constant, weight, state, bias, *rest):
            pairs = [Layer(*pair) for pair in zip(rest[::2], rest[1::2], strict=True)]
            return write_window(constant, Cell(weight, state, bias), pairs, 3)

        tensors = (cell.weight_ih, cell.weight_hh, cell.bias_hh)
        tensors += tuple(tensor for layer in layers for tensor in (layer.weight, layer.bias))
        assert torch.autograd.gradcheck(run, (constant, *tensors))

    def test_frozen_weights_get_no_gradients_and_the_constant_does(self):
        writer = Writer().requires_grad_(False)
        constant = torch.randn(3 * HIDDEN, WINDOWS, dtype=torch.float64, requires_grad=True)
        found, expected = writer.by_hand(constant), writer.plain(constant)
        assert_same(gradients(found, constant), gradients(expected, constant))

    def test_without_gradients_only_the_last_step_is_kept_and_nothing_changes(self):
        writer, constant = Writer(), torch.randn(3 * HIDDEN, WINDOWS, dtype=torch.float64)
        with torch.no_grad():
            found = writer.by_hand(constant)
        assert torch.equal(found, writer.by_hand(constant).detach())
        assert not found.requires_grad

    def test_many_windows_are_written_in_parts(self, monkeypatch):
        writer, constant = Writer(), torch.randn(3 * HIDDEN, WINDOWS, dtype=torch.float64)
        whole = writer.by_hand(constant)
        monkeypatch.setattr(recurrence, "MOST_WINDOWS", 2)
        parts = writer.by_hand(constant)
        assert_same([parts], [whole])
        wanted = tuple(writer.parameters())
        assert_same(gradients(parts, *wanted), gradients(whole, *wanted))

    def test_the_same_call_gives_the_same_bits(self):
        writer, constant = Writer(dtype=torch.float32), torch.randn(3 * HIDDEN, WINDOWS)
        runs = []
        for _ in range(2):
            frames = writer.by_hand(constant)
            runs.append([frames.detach(), *gradients(frames, *writer.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))

    def test_half_precision_and_autocast(self):
        writer, constant = Writer(dtype=torch.float32), torch.randn(3 * HIDDEN, WINDOWS)
        expected = writer.plain(constant)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = writer.by_hand(constant)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        found = writer.bfloat16().by_hand(constant.bfloat16())
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


def test_tanh_as_a_sigmoid():
    x = torch.cat([torch.linspace(-12, 12, 20_001), torch.tensor([0.0, 90.0, -90.0, 1e-4])])
    found = tanh_of_scaled_(x * scale_for_tanh(x))
    assert (found.double() - x.double().tanh()).abs().max() < 2e-7
    half = torch.linspace(-3, 3, 101, dtype=torch.bfloat16)
    assert scale_for_tanh(half) == 1
    assert torch.equal(tanh_of_scaled_(half.clone()), half.tanh())


class TestTwoLayers:
    def layers(self):
        first, second = nn.Linear(3, 4).double(), nn.Linear(4, 2).double()
        return first, second

    def run(self, inputs, first, second):
        return two_layers.two_layers(
            inputs, Layer(first.weight, first.bias), Layer(second.weight, second.bias)
        )

    @pytest.mark.parametrize("rows", [3, 960])
    def test_outputs_and_gradients(self, rows, monkeypatch):
        monkeypatch.setattr(two_layers, "ROWS", rows)
        first, second = self.layers()
        inputs = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
        found = self.run(inputs, first, second)
        expected = second(torch.tanh(first(inputs)))
        assert_same([found], [expected])
        wanted = (inputs, *first.parameters(), *second.parameters())
        assert_same(gradients(found, *wanted), gradients(expected, *wanted))
        with torch.no_grad():
            assert_same([self.run(inputs, first, second)], [expected.detach()])

    def test_gradcheck(self):
        first, second = self.layers()
        inputs = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)

        def run(inputs, *tensors):
            return two_layers.two_layers(inputs, Layer(*tensors[:2]), Layer(*tensors[2:]))

        tensors = (*first.parameters(), *second.parameters())
        assert torch.autograd.gradcheck(run, (inputs, *tensors))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_numbers_of_the_cpu():
    writer = Writer(dtype=torch.float32)
    constant = torch.randn(3 * HIDDEN, WINDOWS, requires_grad=True)
    frames = writer.by_hand(constant)
    expected = [frames, *gradients(frames, *writer.parameters())]
    on_gpu = writer.cuda()
    frames = on_gpu.by_hand(constant.cuda())
    weights = torch.linspace(-1, 1, frames.numel(), device="cuda").view_as(frames)
    of = torch.autograd.grad((frames * weights).sum(), tuple(on_gpu.parameters()))
    assert_same([t.cpu() for t in (frames, *of)], expected, torch.float32)
