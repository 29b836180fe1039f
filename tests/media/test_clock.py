from fractions import Fraction

import numpy as np

from react24.media.clock import count_ticks, map_ticks


def _map(times_ms, *, zero=Fraction(0), end=None, ticks):
    end = Fraction(times_ms[-1] + 40, 1000) if end is None else end
    return map_ticks(np.array(times_ms), Fraction(1, 1000), zero, end, ticks)


def test_25_fps_maps_one_to_one():
    clock = _map([40 * i for i in range(50)], ticks=50)
    np.testing.assert_array_equal(clock.frame, np.arange(50))
    assert clock.valid.all()


def test_30_fps_takes_the_nearest_picture():
    pts = np.arange(60)
    clock = map_ticks(pts, Fraction(1, 30), Fraction(0), Fraction(2), 50)
    expected = [
        min(range(60), key=lambda i: (abs(Fraction(i, 30) - Fraction(k, 25)), i)) for k in range(50)
    ]
    np.testing.assert_array_equal(clock.frame, expected)
    np.testing.assert_array_equal(clock.frame[:7], [0, 1, 2, 4, 5, 6, 7])
    assert clock.valid.all()


def test_equally_near_pictures_give_the_earlier_one():
    clock = map_ticks(np.arange(10), Fraction(2, 25), Fraction(0), Fraction(20, 25), 20)
    np.testing.assert_array_equal(clock.frame, np.arange(20) // 2)


def test_late_start_shows_the_first_picture_and_is_not_valid():
    clock = _map([500 + 40 * i for i in range(25)], ticks=37)
    np.testing.assert_array_equal(np.flatnonzero(~clock.valid), np.arange(12))
    assert (clock.frame[:13] == 0).all()
    assert clock.frame[36] == 23  # 1.44 s: 1.42 and 1.46 are equally near


def test_nonzero_start_time_does_not_matter():
    times = np.array([0, 33, 90, 120, 161, 205])
    plain = _map(times, ticks=6)
    shifted = _map(times + 7_000_000, zero=Fraction(7000), ticks=6)
    np.testing.assert_array_equal(plain.frame, shifted.frame)
    np.testing.assert_array_equal(plain.valid, shifted.valid)


def test_dropped_stretch_and_end_are_not_valid():
    times = [0, 40, 80, 1000, 1040]
    clock = _map(times, end=Fraction(1080, 1000), ticks=29)
    # 0.20 s .. 0.88 s are further than 0.1 s from every picture; 1.08 s and later is past the end.
    np.testing.assert_array_equal(np.flatnonzero(~clock.valid), [*range(5, 23), 27, 28])


def test_one_picture_only():
    clock = _map([0], ticks=1)
    assert clock.frame.tolist() == [0]
    assert clock.valid.all()


def test_count_ticks_at_the_edges_of_a_clip():
    assert count_ticks(Fraction(749, 25)) == 749
    assert count_ticks(Fraction(30)) == 750
    assert count_ticks(Fraction(751, 25)) == 751
    assert count_ticks(Fraction(30) - Fraction(1, 1000)) == 750  # rounded to ms by a container
    assert count_ticks(Fraction(30) - Fraction(1, 100)) == 749
