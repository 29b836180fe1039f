"""The face track on a real face: a portrait that moves."""

import json
import tracemalloc

import h5py
import numpy as np
import pytest
from helpers.media_factory import tone, write_media
from skimage import data

from react24.errors import InputError
from react24.faces.follow import Sighting
from react24.faces.looks import RIGID
from react24.faces.mesh import POINTS, Mesh, Region, box_of
from react24.faces.track import (
    fill_gaps,
    follow_role,
    read_track,
    track_session,
)
from react24.files.notices import read_notices
from react24.media.probe import RoleMedia, probe_session
from react24.project.choices import Choices

PORTRAIT = np.ascontiguousarray(data.astronaut()[:256, 96:352])  # the face, 256 x 256


def _shift(index):
    return round(12 * np.sin(index / 6))


def _swaying(index):
    return np.roll(PORTRAIT, _shift(index), axis=1)


def _covered(hidden):
    return lambda index: np.full_like(PORTRAIT, 90) if index in hidden else _swaying(index)


def _session(folder, pictures, frames=40, **kwargs):
    files = {}
    for role, picture in pictures.items():
        path = folder / f"{role}.mp4"
        sound = tone(frames / 25, 16000)
        write_media(path, picture=picture, frames=frames, sound=sound, **kwargs)
        files[role] = RoleMedia(path, None, f"subject_{role}", role)
    media = folder / "media.h5"
    probe_session(media, session="s1", roles=files, tolerate_damage=False)
    return media


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("track")
    hidden = range(10, 15)
    media = _session(folder, {"a": _swaying, "b": _covered(hidden)})
    track_session(media, folder / "faces.h5", max_gap=12, max_missing=0.2)
    return media, folder / "faces.h5"


def test_every_frame_of_a_visible_face_is_found(tracked):
    track = read_track(tracked[1], "a")
    assert track.landmarks.shape == (40, POINTS, 3)
    assert track.landmarks.dtype == np.float32
    assert track.found.all()
    assert track.valid.all()
    assert (track.score > 0.9).all()
    assert (track.width, track.height) == (256, 256)


def test_landmarks_move_with_the_face(tracked):
    track = read_track(tracked[1], "a")
    nose = track.landmarks[:, 1, 0]
    truth = np.array([_shift(i) for i in range(40)])
    assert np.abs((nose - nose.mean()) - (truth - truth.mean())).max() < 1.5
    # The portrait's nose is at (129, 141) of the crop, its right eye left of its left eye.
    np.testing.assert_allclose(track.landmarks[0, 1, :2], (129, 141), atol=12)
    assert (track.landmarks[:, 33, 0] < track.landmarks[:, 263, 0]).all()


def test_a_hidden_face_is_bridged_and_marked(tracked):
    track = read_track(tracked[1], "b")
    np.testing.assert_array_equal(np.flatnonzero(~track.found), np.arange(10, 15))
    np.testing.assert_array_equal(track.valid, track.found)
    assert (track.score[10:15] == 0).all()
    steps = np.diff(track.landmarks[9:16], axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:1], steps.shape), atol=1e-3)
    with h5py.File(tracked[1]) as file:
        box = file["b/box"][:]
        assert file["b"].attrs["subject"] == "subject_b"
    np.testing.assert_allclose(box[:, :2], track.landmarks[..., :2].min(axis=1))
    np.testing.assert_allclose(box[:, 2:], track.landmarks[..., :2].max(axis=1))


def test_same_input_gives_the_same_bytes(tracked, tmp_path):
    track_session(tracked[0], tmp_path / "again.h5", max_gap=12, max_missing=0.2)
    assert (tmp_path / "again.h5").read_bytes() == tracked[1].read_bytes()


def test_a_role_does_not_depend_on_the_one_before(tracked, tmp_path):
    media = tmp_path / "media.h5"
    with h5py.File(tracked[0]) as source, h5py.File(media, "w") as copy:
        copy.attrs.update(source.attrs)
        source.copy("b", copy, name="a")
        source.copy("a", copy, name="b")
    track_session(media, tmp_path / "swapped.h5", max_gap=12, max_missing=0.2)
    for one, other in (("a", "b"), ("b", "a")):
        np.testing.assert_array_equal(
            read_track(tracked[1], one).landmarks,
            read_track(tmp_path / "swapped.h5", other).landmarks,
        )


def test_points_are_those_of_face_mesh(tracked):
    """The same models, run by MediaPipe's own tracking graph."""
    import mediapipe

    from react24.media.video import read_frames

    track = read_track(tracked[1], "a")
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=False, max_num_faces=1, refine_landmarks=True
    ) as reference:
        for tick, picture in read_frames(tracked[0], "a", stop=20):
            points = reference.process(picture).multi_face_landmarks[0].landmark
            points = np.array([(p.x, p.y, p.z) for p in points]) * 256
            np.testing.assert_allclose(track.landmarks[tick], points, atol=0.5)


def test_too_few_faces_are_refused_by_name(tmp_path):
    media = _session(tmp_path, {"a": _covered(range(5, 20))})
    with pytest.raises(
        InputError, match=r"session s1, role a: no face in 38% of .*a\.mp4.*20%.*0\.20 to 0\.80"
    ):
        track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.2)
    assert not (tmp_path / "faces.h5").exists()


def test_a_video_without_any_face_is_refused(tmp_path):
    media = _session(tmp_path, {"a": _covered(range(100))}, frames=10)
    with pytest.raises(InputError, match="no face in 100%"):
        track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=1.0)


def test_ticks_without_a_picture_of_their_own_are_not_valid(tmp_path):
    media = _session(tmp_path, {"a": _swaying}, frames=30, video_start=0.2)
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.2)
    track = read_track(tmp_path / "faces.h5", "a")
    np.testing.assert_array_equal(np.flatnonzero(~track.valid), np.arange(5))
    assert track.found.all()


def test_the_larger_of_two_faces_is_followed_through_a_cover(tmp_path):
    small = np.ascontiguousarray(PORTRAIT[::2, ::2])

    def two(index):
        picture = np.full((320, 448, 3), 90, np.uint8)
        picture[:256, :256] = 90 if 8 <= index < 14 else PORTRAIT
        picture[100:228, 300:428] = small
        return picture

    media = _session(tmp_path, {"a": two}, frames=24)
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.5)
    track = read_track(tmp_path / "faces.h5", "a")
    np.testing.assert_array_equal(np.flatnonzero(~track.found), np.arange(8, 14))
    assert (track.landmarks[:, 1, 0] < 256).all()


def _seen(points):
    mesh = Mesh(np.broadcast_to(np.float32(points), (POINTS, 3)), 1.0)
    look = np.zeros(3 * len(RIGID), np.float32)
    return [Sighting(0, mesh, box_of(mesh.points), Region(0, 0, 1, 0), look)]


class _Always:
    cut = False

    def see(self, rgb):
        return _seen(rgb[0, 0, 0])


def test_memory_does_not_grow_with_the_video(tmp_path):
    def pictures(frames):
        return ((tick, np.full((64, 64, 3), tick % 251, np.uint8)) for tick in range(frames))

    def peak(frames):
        with h5py.File(tmp_path / f"{frames}.h5", "w") as file:
            tracemalloc.start()
            follow_role(file, pictures(frames), _Always(), frames)
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert file["landmarks"][frames - 1, 0, 0] == (frames - 1) % 251
        return used

    short, long = peak(500), peak(4000)  # the whole track of 4000 frames would be 23 MB
    assert long < short + 1_000_000


def test_a_gap_over_max_gap_is_held(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        away = [*range(3, 15), *range(20, 33)]

        class Given:
            cut = False

            def see(self, rgb):
                tick = int(rgb[0, 0, 0])
                return [] if tick in away else _seen(tick)

        pictures = ((i, np.full((1, 1, 3), i, np.uint8)) for i in range(40))
        follow_role(file, pictures, Given(), 40)
        fill_gaps(file, max_gap=12)
        values = file["landmarks"][:, 0, 0]
        np.testing.assert_array_equal(np.flatnonzero(~file["found"][:]), away)
    np.testing.assert_allclose(values[:20], np.arange(20), atol=1e-5)
    np.testing.assert_array_equal(values[20:33], 19)
    np.testing.assert_array_equal(values[33:], np.arange(33, 40))


def _beside(index, person, other):
    """A picture with a person on the left and somebody smaller on the right."""
    picture = np.full((288, 480, 3), 90, np.uint8)
    if person is not None:
        picture[16:272, 8:264] = np.roll(person, _shift(index), axis=1)
    if other is not None:
        picture[20:148, 320:448] = other
    return picture


SOMEBODY = np.clip(PORTRAIT[::2, ::-2] * np.array([0.75, 0.95, 1.2]), 0, 255).astype(np.uint8)


def test_the_person_is_followed_through_an_absence_with_another_in_view(tmp_path):
    def shown(index):
        return _beside(index, None if 25 <= index < 50 else PORTRAIT, SOMEBODY)

    media = _session(tmp_path, {"a": shown}, frames=100)
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.5)
    track = read_track(tmp_path / "faces.h5", "a")
    assert not track.valid[25:50].any()
    assert track.valid[:25].all()
    assert track.valid[60:].all()
    assert (track.landmarks[:, 1, 0] < 264).all()
    with h5py.File(tmp_path / "faces.h5") as file:
        assert file["a/others"][:].mean() > 0.9
        persons = json.loads(file["a"].attrs["persons"])
    assert [person["followed"] for person in persons] == [True, False]
    assert {notice.kind for notice in read_notices(tmp_path / "faces.h5")} >= {
        "face.two",
        "face.other",
    }


def test_the_face_that_the_sheet_names_is_followed(tmp_path):
    media = _session(tmp_path, {"a": lambda i: _beside(i, PORTRAIT, SOMEBODY)}, frames=20)
    with h5py.File(media, "r+") as file:
        file["a"].attrs["choices"] = Choices(face="right").to_json()
        file["a"].attrs["neutral"] = [0.2, 0.4]
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.5)
    assert (read_track(tmp_path / "faces.h5", "a").landmarks[:, 1, 0] > 320).all()
    with h5py.File(tmp_path / "faces.h5") as file:
        assert Choices.from_json(file["a"].attrs["choices"]).face == "right"
        np.testing.assert_array_equal(file["a"].attrs["neutral"], [0.2, 0.4])


def test_too_much_of_another_face_is_refused_and_said_so(tmp_path):
    def shown(index):
        return _beside(index, None if 20 <= index < 40 else PORTRAIT, SOMEBODY)

    media = _session(tmp_path, {"a": shown}, frames=60)
    with pytest.raises(
        InputError,
        match=r"the face of the person who is followed is missing in .*0\.80 to .*instead",
    ):
        track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.2)


@pytest.mark.parametrize(
    ("turns", "said"),
    [(2, "upside down.*hflip,vflip"), (1, "on its side.*transpose=1"), (3, "side.*transpose=2")],
)
def test_a_turned_video_is_refused_with_the_way_to_turn_it(tmp_path, turns, said):
    media = _session(tmp_path, {"a": lambda i: np.rot90(_swaying(i), turns)}, frames=45)
    with pytest.raises(InputError, match=rf"role a: the picture of .*a\.mp4.*{said}.*a_upright"):
        track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=1.0)


def test_the_time_of_another_face_at_the_same_place_is_not_valid(tmp_path):
    other = np.clip(PORTRAIT[:, ::-1] * np.array([0.75, 0.95, 1.2]), 0, 255).astype(np.uint8)

    def shown(index):
        return np.roll(other, _shift(index), axis=1) if 30 <= index < 50 else _swaying(index)

    media = _session(tmp_path, {"a": shown}, frames=90)
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.5)
    track = read_track(tmp_path / "faces.h5", "a")
    np.testing.assert_array_equal(np.flatnonzero(~track.valid), np.arange(30, 50))
    np.testing.assert_array_equal(track.landmarks[30:50], np.repeat(track.landmarks[29:30], 20, 0))


def test_a_face_half_outside_the_picture_is_not_valid_and_told(tmp_path):
    def shown(index):
        """The person slides out to the left, until half of the face is gone."""
        picture, way = np.full((256, 256, 3), 90, np.uint8), min(128, 4 * max(0, index - 20))
        picture[:, : 256 - way] = PORTRAIT[:, way:]
        return picture

    media = _session(tmp_path, {"a": shown}, frames=80)
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.9)
    track = read_track(tmp_path / "faces.h5", "a")
    assert track.valid[:30].all()
    assert track.found[52:].mean() > 0.9
    assert not track.valid[52:].any()
    (told,) = [n for n in read_notices(tmp_path / "faces.h5") if n.kind == "face.outside"]
    assert told.stop == 3.2


def test_times_upside_down_are_not_valid_and_told(tmp_path):
    def shown(index):
        picture = _swaying(index)
        return np.ascontiguousarray(picture[::-1, ::-1] if index >= 25 else picture)

    media = _session(tmp_path, {"a": shown}, frames=75)
    track_session(media, tmp_path / "faces.h5", max_gap=12, max_missing=0.9)
    track = read_track(tmp_path / "faces.h5", "a")
    assert track.valid[:25].all()
    assert not track.valid[25:].any()
    (told,) = [n for n in read_notices(tmp_path / "faces.h5") if n.kind == "face.turned"]
    assert 1.0 <= told.start <= 1.2
    with pytest.raises(InputError, match=r"upside down in 6\d%"):
        track_session(media, tmp_path / "again.h5", max_gap=12, max_missing=0.3)
