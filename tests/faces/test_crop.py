"""Crops around a face: exactly these pixels, the same however a session is read."""

import tracemalloc

import numpy as np
import pytest
from helpers.faces_factory import boxes_around, write_faces, write_session
from helpers.media_factory import noisy

from react24.faces.crop import REACH, SCALE, VIEW, crop_square, face_crops, read_squares
from react24.media.video import read_frames


def _noise(height=48, width=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_a_square_of_the_same_size_is_the_pictures_own_pixels():
    picture = _noise()
    np.testing.assert_array_equal(crop_square(picture, 24, 20, 16, 16), picture[12:28, 16:32])


def test_between_pixels_it_is_interpolated():
    rows, columns = np.mgrid[:48, :64]
    ramp = np.stack([2 * rows + columns] * 3, -1).astype(np.uint8)
    found = crop_square(ramp, 24.5, 20.25, 16, 16).astype(float)
    np.testing.assert_allclose(found, ramp[12:28, 16:32] + 2 * 0.25 + 0.5, atol=0.51)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_larger_square_is_averaged(factor):
    picture, size = _noise(96, 96), 24
    side = factor * size
    part = picture[6 : 6 + side, 3 : 3 + side].astype(float)
    expected = part.reshape(size, factor, size, factor, 3).mean((1, 3))
    found = crop_square(picture, 3 + side / 2, 6 + side / 2, side, size)
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_fine_stripes_do_not_come_back_as_coarse_ones():
    picture = np.zeros((90, 90, 3), np.uint8)
    picture[:, ::2] = 255
    found = crop_square(picture, 45, 45, 72.5, 30).astype(float)
    assert np.abs(found - 127.5).max() < 30


def test_a_smaller_square_is_enlarged():
    picture = np.full((20, 20, 3), 7, np.uint8)
    picture[10:, :] = 207
    found = crop_square(picture, 10, 10, 4, 32)
    assert found[0, 0, 0] == 7
    assert found[-1, -1, 0] == 207
    assert 100 < found[15:17].mean() < 115


def test_outside_of_the_picture_there_is_black():
    picture = np.full((20, 20, 3), 200, np.uint8)
    found = crop_square(picture, 0, 0, 16, 16)
    assert not found[:7].any()
    assert not found[:, :7].any()
    assert (found[8:, 8:] == 200).all()


def test_the_view_is_the_central_part_of_the_crop():
    picture = _noise(200, 200)
    whole = crop_square(picture, 97.3, 101.8, 1.6 * 80, 256)
    view = crop_square(picture, 97.3, 101.8, VIEW * 1.6 * 80, 224)
    difference = np.abs(whole[16:240, 16:240].astype(int) - view)
    assert difference.max() <= 1


def test_squares_follow_slowly_and_do_not_depend_on_where_one_starts(tmp_path):
    frames = 200
    rng = np.random.default_rng(1)
    boxes = boxes_around((100, 90), 60, frames) + rng.normal(0, 2, (frames, 4))
    boxes[100:, [0, 2]] += 40  # the face jumps to the right
    path = write_faces(tmp_path / "f.h5", {"a": boxes}, 256)
    whole = read_squares(path, "a")
    assert np.abs(np.diff(whole.centre, axis=0)).max() < 2
    assert whole.centre[:70, 0] == pytest.approx(100, abs=1.5)
    assert whole.centre[130:, 0] == pytest.approx(140, abs=1.5)
    assert whole.side == pytest.approx(SCALE * 62, rel=0.06)
    for start, stop in ((0, 10), (3, 4), (90, 120), (190, 200), (190, 999)):
        part = read_squares(path, "a", start=start, stop=stop)
        np.testing.assert_array_equal(part.centre, whole.centre[start:stop])
        np.testing.assert_array_equal(part.side, whole.side[start:stop])
    assert len(read_squares(path, "a", start=200, stop=210).side) == 0


def test_a_face_that_rests_has_its_own_square(tmp_path):
    path = write_faces(tmp_path / "f.h5", {"a": boxes_around((50.5, 40), 20, 2 * REACH)}, 96)
    squares = read_squares(path, "a")
    np.testing.assert_allclose(squares.centre, np.broadcast_to([50.5, 40], (2 * REACH, 2)))
    np.testing.assert_allclose(squares.side, 32)


def test_squares_stay_inside_the_picture(tmp_path):
    boxes = {"a": boxes_around((8, 60), 20, 3), "b": boxes_around((30, 33), 50, 3)}
    path = write_faces(tmp_path / "f.h5", boxes, 64)
    moved = read_squares(path, "a")
    np.testing.assert_allclose(moved.centre, np.broadcast_to([16, 48], (3, 2)))
    np.testing.assert_allclose(moved.side, 32)
    whole = read_squares(path, "b")
    np.testing.assert_allclose(whole.centre, 32)
    np.testing.assert_allclose(whole.side, 64)


def test_a_video_that_is_a_crop_already_is_taken_as_it_is(tmp_path):
    media, _ = write_session(tmp_path, "s0", 10, picture=noisy)
    faces = write_faces(tmp_path / "f.h5", {"a": boxes_around((30, 33), 45, 10)})
    crops = face_crops(media, faces, "a", size=64)
    views = face_crops(media, faces, "a", size=56, part=VIEW)
    for (tick, picture), (_, crop), (_, view) in zip(
        read_frames(media, "a"), crops, views, strict=True
    ):
        np.testing.assert_array_equal(crop, picture, err_msg=str(tick))
        np.testing.assert_array_equal(view, picture[4:60, 4:60])


def test_windows_are_the_whole(tmp_path):
    media, faces = write_session(tmp_path, "s0", 60, picture=noisy)
    whole = list(face_crops(media, faces, "a", size=32))
    assert [tick for tick, _ in whole] == list(range(60))
    assert whole[0][1].shape == (32, 32, 3)
    assert whole[0][1].dtype == np.uint8
    for tick, picture in face_crops(media, faces, "a", start=31, stop=47, size=32):
        np.testing.assert_array_equal(picture, whole[tick][1])
    other = [picture for _, picture in face_crops(media, faces, "b", stop=3, size=32)]
    assert not np.array_equal(other[0], whole[0][1])


def test_memory_does_not_grow_with_the_length(tmp_path):
    media, faces = write_session(tmp_path, "s0", 300)

    def peak(stop):
        tracemalloc.start()
        for _ in face_crops(media, faces, "a", stop=stop, size=64):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(30)
    assert peak(300) < peak(60) + 100_000
