"""Dropout with cheap masks."""

import pytest
import torch

from react24.models.regnn.dropout import dropout


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.5])
def test_share_scale_and_gradient(probability):
    torch.manual_seed(0)
    x = torch.full((333, 1001), 2.0, requires_grad=True)
    y = dropout(x, probability, True)
    dropped = y == 0
    share = dropped.float().mean().item()
    assert share == pytest.approx(probability, abs=0.004)  # five standard deviations and more
    kept = y[~dropped]
    assert kept.unique().numel() == 1
    assert kept[0].item() == pytest.approx(2 / (1 - probability), rel=1e-4)
    y.sum().backward()
    assert torch.equal(x.grad == 0, dropped)


def test_rows_and_neighbours_are_dropped_independently():
    torch.manual_seed(1)
    dropped = (dropout(torch.ones(20_000, 8), 0.3, True) == 0).float()
    together = torch.corrcoef(dropped.T)
    assert (together - torch.eye(8)).abs().max() < 0.04
    assert dropped.mean(0).sub(0.3).abs().max() < 0.02


def test_the_global_generator_decides():
    x = torch.ones(5, 7)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5, True), dropout(x, 0.5, True)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5, True), first)
    assert not torch.equal(first, second)


def test_it_does_nothing_in_eval_mode_or_without_probability():
    x = torch.ones(3)
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0, True) is x


def test_other_kinds_of_numbers_are_dropped_too():
    torch.manual_seed(0)
    y = dropout(torch.ones(4000, dtype=torch.bfloat16), 0.5, True)
    assert y.dtype == torch.bfloat16
    assert 0.4 < (y == 0).float().mean() < 0.6


def test_any_shape_and_layout():
    torch.manual_seed(0)
    x = torch.ones(3, 5, 7).transpose(0, 2)
    assert dropout(x, 0.5, True).shape == (7, 5, 3)
    assert dropout(torch.ones(0, 4), 0.5, True).shape == (0, 4)
