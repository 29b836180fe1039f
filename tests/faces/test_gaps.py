import numpy as np
import pytest

from react24.faces.gaps import bridge
from react24.media.spans import Span, find_spans


def test_gaps_are_found_with_their_edges():
    found = np.array([0, 0, 1, 1, 0, 1, 0, 0, 0], bool)
    assert find_spans(~found) == [Span(0, 2), Span(4, 5), Span(6, 9)]
    assert find_spans(np.zeros(4, bool)) == []
    assert find_spans(np.ones(3, bool)) == [Span(0, 3)]
    assert find_spans(np.zeros(0, bool)) == []


def test_a_gap_of_max_gap_is_interpolated_and_one_more_is_held():
    before, after = np.array([0.0, 10.0], np.float32), np.array([13.0, 10.0], np.float32)
    filled = bridge(Span(5, 17), before, after, max_gap=12)
    np.testing.assert_allclose(filled[:, 0], np.arange(1, 13), rtol=1e-6)
    np.testing.assert_allclose(filled[:, 1], 10)
    held = bridge(Span(5, 18), before, after, max_gap=12)
    np.testing.assert_array_equal(held, np.repeat(before[None], 13, axis=0))


def test_gaps_at_the_ends_hold_the_only_side():
    side = np.array([3.0], np.float32)
    np.testing.assert_array_equal(bridge(Span(0, 2), None, side, max_gap=12), [[3], [3]])
    np.testing.assert_array_equal(bridge(Span(7, 9), side, None, max_gap=12), [[3], [3]])
    with pytest.raises(ValueError, match="at least one side"):
        bridge(Span(0, 2), None, None, max_gap=12)
