"""Time stamps: single wrong ones, jumps, and what is only unusual."""

from fractions import Fraction

import numpy as np
import pytest

from react24.media.stamps import find_jumps, order_stamps

MS = Fraction(1, 1000)


def _in_decoding_order(count, step=40):
    """Stamps of I P B B B ... in the order of decoding, and the decoding times."""
    shown = []
    for group in range(0, count, 4):
        shown += [group + 4, group + 2, group + 1, group + 3]
    shown = np.array([0, *shown][:count]) * step
    return shown, (np.arange(count) - 2) * step


@pytest.mark.parametrize("start", [0, 1_700_000_000_000])
def test_reordered_pictures_are_sorted_and_nothing_is_left_out(start):
    shown, decoded = _in_decoding_order(101)
    stamps = order_stamps(shown + start, decoded + start, MS)
    np.testing.assert_array_equal(stamps.kept, np.arange(101) * 40 + start)
    assert not len(stamps.wild)
    assert stamps.back is None


def test_variable_rates_and_pauses_are_no_fault():
    rng = np.random.default_rng(3)
    shown = np.cumsum(rng.choice([20, 40, 700, 5000], 200, p=[0.4, 0.4, 0.15, 0.05]))
    stamps = order_stamps(shown, shown, MS)
    np.testing.assert_array_equal(stamps.kept, shown)
    assert not len(stamps.wild)


@pytest.mark.parametrize("at", [0, 1, 50, 98, 99])
@pytest.mark.parametrize("off", [28_713_500, -90_000])
def test_a_single_wild_stamp_is_left_out(at, off):
    shown = np.arange(100) * 40 + 100_000
    wrong = shown.copy()
    wrong[at] += off
    stamps = order_stamps(wrong, wrong, MS)
    np.testing.assert_array_equal(stamps.kept, np.delete(shown, at))
    assert stamps.wild[:, 0].tolist() == [wrong[at]]
    assert abs(stamps.wild[0, 1] - shown[at]) <= 400
    assert stamps.back is None


@pytest.mark.parametrize("off", [-2_000, 2_000])
def test_a_small_error_shows_where_it_contradicts_the_order(off):
    shown = np.arange(100) * 40
    wrong = shown.copy()
    wrong[60] += off
    np.testing.assert_array_equal(order_stamps(wrong, wrong, MS).kept, np.delete(shown, 60))
    pause = shown.copy()
    pause[97:] += 2_000  # as after a pause: nothing says that it is wrong
    np.testing.assert_array_equal(order_stamps(pause, pause, MS).kept, pause)


@pytest.mark.parametrize("part", [slice(0, 3), slice(50, 56), slice(95, 100)])
def test_a_few_wild_stamps_in_a_row(part):
    shown = np.arange(100) * 40
    wrong = shown.copy()
    wrong[part] += 1_700_000
    np.testing.assert_array_equal(
        order_stamps(wrong, wrong, MS).kept, np.delete(shown, np.arange(100)[part])
    )


def test_a_wild_stamp_among_reordered_pictures():
    shown, decoded = _in_decoding_order(101)
    shown[50] += 9_000_000
    stamps = order_stamps(shown, decoded, MS)
    assert len(stamps.kept) == 100
    assert stamps.kept[-1] == 4000
    assert len(stamps.wild) == 1


@pytest.mark.parametrize("back", [300, 500, 60_000])
def test_a_jump_back_ends_what_can_be_used(back):
    shown = np.arange(100) * 40
    shown[60:] -= back
    stamps = order_stamps(shown, shown, MS)
    np.testing.assert_array_equal(stamps.kept, np.arange(60) * 40)
    assert stamps.back == (59 * 40, 60 * 40 - back)


def test_jitter_is_no_jump_back():
    shown = np.arange(100) * 40
    shown[40:42] = shown[[41, 40]]
    stamps = order_stamps(shown, shown, MS)
    assert stamps.back is None
    assert len(stamps.kept) == 100


def test_gaps_are_told_with_place_and_size():
    shown = np.arange(100) * 40
    shown[30:] += 900
    (gap,) = find_jumps(shown, MS)
    assert (gap.second, gap.size) == (Fraction(30 * 40, 1000), Fraction(900, 1000))
    assert find_jumps(np.arange(10) * 1000, MS) == ()  # one picture a second
    assert find_jumps(np.array([5]), MS) == ()


@pytest.mark.parametrize("count", [1, 2, 4, 5, 8, 12])
def test_short_files_lose_nothing(count):
    shown = np.arange(count) * 40
    np.testing.assert_array_equal(order_stamps(shown, shown, MS).kept, shown)
    slides = np.arange(count) * 70_000
    np.testing.assert_array_equal(order_stamps(slides, slides, MS).kept, slides)
